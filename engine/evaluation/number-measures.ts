import { clusteredMean, type MeanEstimate, unitPlaces } from '../evidence/clustered-mean.ts';
import { binned } from '../statistics/bins.ts';

/** A number that was foretold, and what it came to. */
export interface NumberRow {
  readonly score: number;
  readonly label: number;
  readonly unit: string;
}

/** Rows of about one score, and the mean of what came of them. */
export interface NumberBin {
  readonly rows: number;
  /** The least, the mean and the greatest score. */
  readonly from: number;
  readonly score: number;
  readonly until: number;
  readonly label: MeanEstimate;
}

/** How good foretold numbers are. Intervals are of 95 %, over units. */
export interface NumberMeasures {
  readonly rows: number;
  readonly meanLabel: number;
  readonly squaredError: MeanEstimate;
  /** Of giving the base always. */
  readonly baseSquaredError: number;
  /** `baseSquaredError` less `squaredError`, row by row: above 0 the scores tell something. */
  readonly gain: MeanEstimate;
  /** The mean of score less label: above 0 too much is foretold. */
  readonly bias: MeanEstimate;
  /** At most ten, of about equally many rows, ascending. */
  readonly bins: readonly NumberBin[];
}

/**
 * Squared error, bias, and how the means of labels go with scores.
 *
 * @param rows one at least
 * @param base the mean that was known before; default: that of the rows
 */
export function numberMeasures(rows: readonly NumberRow[], base: number | undefined): NumberMeasures {
  const meanLabel = rows.reduce((sum, { label }) => sum + label, 0) / rows.length;
  const given = base ?? meanLabel;
  const ones = new Float64Array(rows.length).fill(1);
  const units = unitPlaces(rows.map(({ unit }) => unit));
  const mean = (of: (row: NumberRow) => number): MeanEstimate =>
    clusteredMean(units, Float64Array.from(rows, of), ones);
  return {
    rows: rows.length,
    meanLabel,
    squaredError: mean(squaredErrorOf),
    baseSquaredError: rows.reduce((sum, { label }) => sum + (given - label) ** 2, 0) / rows.length,
    gain: mean((row) => (given - row.label) ** 2 - squaredErrorOf(row)),
    bias: mean(({ score, label }) => score - label),
    bins: binsOf(rows),
  };
}

/** Of one row. */
export function squaredErrorOf({ score, label }: { readonly score: number; readonly label: number }): number {
  return (score - label) ** 2;
}

function binsOf(rows: readonly NumberRow[]): NumberBin[] {
  const places = binned(Float64Array.from(rows, ({ score }) => score));
  const byBin = Map.groupBy(rows.keys(), (row) => places[row]!);
  return [...byBin]
    .sort(([a], [b]) => a - b)
    .map(([, places]) => {
      const own = places.map((row) => rows[row]!);
      const scores = own.map(({ score }) => score);
      const label = clusteredMean(
        unitPlaces(own.map(({ unit }) => unit)),
        Float64Array.from(own, (row) => row.label),
        new Float64Array(own.length).fill(1),
      );
      return {
        rows: own.length,
        from: scores.reduce((least, score) => Math.min(least, score)),
        score: scores.reduce((sum, score) => sum + score, 0) / own.length,
        until: scores.reduce((most, score) => Math.max(most, score)),
        label,
      };
    });
}
