import { MillraceError } from '../errors/millrace-error.ts';
import { type AreaUnderCurve, areaUnderCurve } from '../statistics/area-under-curve.ts';
import { compareUtf8 } from '../values/compare.ts';
import { type Calibration, calibrationOf } from './calibration.ts';
import { clusteredMean, type MeanEstimate, unitPlaces } from './clustered-mean.ts';

/** A score that was given, and what came of it. */
export interface ScoredRow {
  /** The chance that was given to a label of 1. */
  readonly score: number;
  readonly label: 0 | 1;
  /** Whom it was about: what is told of one unit is not independent. */
  readonly unit: string;
  /** Parts that it belongs to. */
  readonly segments: readonly string[];
}

/** How good scores are. Intervals are of 95 %; those of means go over units. */
export interface ScoreMeasures {
  readonly rows: number;
  readonly positives: number;
  /** In nats, per row. A score of 0 or 1 counts as one of 1e-15 from it. */
  readonly logLoss: MeanEstimate;
  /** Of giving the base rate always. */
  readonly baseLogLoss: number;
  /** `baseLogLoss` less `logLoss`, row by row: above 0 the scores tell something. */
  readonly gain: MeanEstimate;
  /** Null where all labels are the same. Its interval takes rows for independent. */
  readonly area: AreaUnderCurve | null;
  readonly calibration: Calibration;
}

/** A model's scores, over all rows and by segment. */
export interface ScoreEvaluation {
  readonly all: ScoreMeasures;
  /** In the order of the bytes of their names. */
  readonly segments: ReadonlyMap<string, ScoreMeasures>;
}

/** Nearer to 0 and 1 no score counts: one certain error would be an infinite loss. */
const NEAREST = 1e-15;

/**
 * Log loss, area under the curve and calibration of scores, over all and per segment. Throws `invalid-score` of no rows, or where a score is not from 0 to 1.
 *
 * @param baseRate the share of positives that was known before, as of the training set; default: that of the rows themselves, per segment
 * @example
 * evaluateScores([{ score: 0.8, label: 1, unit: 'a', segments: [] }, { score: 0.3, label: 0, unit: 'b', segments: [] }]).all.logLoss.value; // 0.289…
 */
export function evaluateScores(rows: readonly ScoredRow[], baseRate?: number): ScoreEvaluation {
  for (const [row, { score }] of rows.entries())
    if (!(score >= 0 && score <= 1)) throw invalidScore(`row ${row}`, score);
  if (rows.length === 0) throw invalidScore('scores', 'none');
  if (baseRate !== undefined && !(baseRate > 0 && baseRate < 1)) throw invalidScore('the base rate', baseRate);
  const bySegment = new Map<string, ScoredRow[]>();
  for (const row of rows)
    for (const segment of new Set(row.segments)) {
      const own = bySegment.get(segment) ?? [];
      bySegment.set(segment, own);
      own.push(row);
    }
  const inOrder = [...bySegment].sort(([a], [b]) => compareUtf8(a, b));
  return {
    all: measuresOf(rows, baseRate),
    segments: new Map(inOrder.map(([segment, own]) => [segment, measuresOf(own, baseRate)])),
  };
}

function measuresOf(rows: readonly ScoredRow[], known: number | undefined): ScoreMeasures {
  const scores = Float64Array.from(rows, ({ score }) => score);
  const labels = Int8Array.from(rows, ({ label }) => label);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const baseRate = known ?? positives / rows.length;
  const units = unitPlaces(rows.map(({ unit }) => unit));
  const ones = new Float64Array(rows.length).fill(1);
  const losses = Float64Array.from(scores, (score, row) => lossOf(score, labels[row]!));
  const gains = losses.map((loss, row) => lossOf(baseRate, labels[row]!) - loss);
  const logLoss = clusteredMean(units, losses, ones);
  const gain = clusteredMean(units, gains, ones);
  return {
    rows: rows.length,
    positives,
    logLoss,
    baseLogLoss: labels.reduce((sum, label) => sum + lossOf(baseRate, label), 0) / rows.length,
    gain,
    area:
      positives === 0 || positives === rows.length
        ? null
        : areaUnderCurve(
            scores.filter((_, row) => labels[row] === 1),
            scores.filter((_, row) => labels[row] === 0),
          ),
    calibration: calibrationOf(scores, labels),
  };
}

/** The log loss of one score, in nats: −ln of the chance that was given to what came. */
export function lossOf(score: number, label: number): number {
  const given = label === 1 ? score : 1 - score;
  return -Math.log(Math.min(1 - NEAREST, Math.max(NEAREST, given)));
}

function invalidScore(what: string, received: number | string): MillraceError {
  return new MillraceError('invalid-score', `${what}: expected chances from 0 to 1; received ${received}`, {
    remedy: 'Evaluate what a model gives as the chance of its label, of one row at least.',
    details: { what, received },
  });
}
