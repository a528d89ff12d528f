import { wilson, Z_95 } from '../statistics/wilson.ts';
import { binned } from '../statistics/bins.ts';
import type { Label } from './label-kind.ts';
import { byBytes, type RowValues } from './row-columns.ts';

/** Categories that have a point: the most frequent. */
const MOST_CATEGORIES = 10;

/** The label where a feature has certain values. */
export interface CurvePoint {
  /** Of numbers: the mean, the least and the greatest of the point's. */
  readonly at: number | null;
  readonly from: number | null;
  readonly until: number | null;
  /** Of categories. */
  readonly value: string | null;
  readonly rows: number;
  /** Of yes or no the share of yes, of numbers their mean; with 95 %, of yes or no by Wilson. */
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

interface Tally {
  rows: number;
  at: number;
  sum: number;
  /** Of the labels the mean, and the squares of how far they are from it: labels may be large and close together, as times are. */
  mean: number;
  squares: number;
  from: number;
  until: number;
}

/**
 * How the label goes with a feature: over tenths of the rows by its value (of a list or map its size), or over its most frequent categories. Null for
 * labels that are categories.
 *
 * @param shown how a category is shown
 */
export function curveOf(values: RowValues, label: Label, shown: (name: string) => string): CurvePoint[] | null {
  if (label.kind === 'category') return null;
  const labels =
    label.kind === 'number' ? label.values : Float64Array.from(label.codes, (code) => (code < 0 ? Number.NaN : code));
  if (values.kind === 'category') {
    const tallies = new Map<number, Tally>();
    for (const [place, code] of values.codes.entries()) if (code >= 0) add(tallies, code, 0, labels[place]!);
    const frequent = [...tallies]
      .sort(([a, { rows }], [b, other]) => other.rows - rows || a - b)
      .slice(0, MOST_CATEGORIES);
    const points = frequent.map(([code, tally]) => pointOf(tally, label.kind, shown(values.names[code]!)));
    return points.sort((a, b) => byBytes(a.value ?? '', b.value ?? ''));
  }
  const numbers = values.kind === 'collection' ? values.sizes : values.values;
  const places = Uint32Array.from(numbers.keys()).filter(
    (place) => !Number.isNaN(numbers[place]!) && !Number.isNaN(labels[place]!),
  );
  const bins = binned(Float64Array.from(places, (place) => numbers[place]!));
  const tallies = new Map<number, Tally>();
  for (const [index, place] of places.entries()) add(tallies, bins[index]!, numbers[place]!, labels[place]!);
  return [...tallies].sort(([a], [b]) => a - b).map(([, tally]) => pointOf(tally, label.kind, null));
}

function add(tallies: Map<number, Tally>, key: number, number: number, label: number): void {
  if (Number.isNaN(label)) return;
  let tally = tallies.get(key);
  if (tally === undefined) {
    tally = {
      rows: 0,
      at: 0,
      sum: 0,
      mean: 0,
      squares: 0,
      from: Number.POSITIVE_INFINITY,
      until: Number.NEGATIVE_INFINITY,
    };
    tallies.set(key, tally);
  }
  tally.rows++;
  // The sum of the numbers may be more than any double.
  tally.at += number / tally.rows - tally.at / tally.rows;
  tally.sum += label;
  const off = label - tally.mean;
  tally.mean += label / tally.rows - tally.mean / tally.rows;
  tally.squares += off * (label - tally.mean);
  tally.from = Math.min(tally.from, number);
  tally.until = Math.max(tally.until, number);
}

function pointOf(
  { rows, at, sum, mean: middle, squares, from, until }: Tally,
  kind: 'binary' | 'number',
  value: string | null,
): CurvePoint {
  // A share is of whole numbers.
  const mean = kind === 'binary' ? sum / rows : middle;
  const error = Math.sqrt(Math.max(0, squares) / rows / Math.max(1, rows - 1));
  const { low, high } = kind === 'binary' ? wilson(sum, rows) : { low: mean - Z_95 * error, high: mean + Z_95 * error };
  const span = value === null ? { at, from, until } : { at: null, from: null, until: null };
  return { ...span, value, rows, mean, low, high };
}
