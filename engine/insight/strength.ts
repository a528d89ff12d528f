import { areaUnderCurve } from '../statistics/area-under-curve.ts';
import { binned } from '../statistics/bins.ts';
import type { Label } from './label-kind.ts';
import { mutualInformation } from '../statistics/mutual-information.ts';
import { rankCorrelation } from '../statistics/rank-correlation.ts';
import type { RowValues } from './row-columns.ts';

/** What a feature tells of the label by itself, over the rows that have both. */
export type Strength =
  | {
      /** Number against yes or no: `areaUnderCurve`. */
      readonly measure: 'auc';
      readonly value: number;
      readonly low: number;
      readonly high: number;
      /** |2 · value − 1|. */
      readonly score: number;
      readonly rows: number;
    }
  | {
      /** Number against number: `rankCorrelation`. */
      readonly measure: 'rank-correlation';
      readonly value: number;
      readonly low: number;
      readonly high: number;
      /** |value|. */
      readonly score: number;
      readonly rows: number;
    }
  | {
      /** All else, numbers as tenths of the rows: `mutualInformation`, in bits. */
      readonly measure: 'mutual-information';
      readonly value: number;
      readonly byChance: number;
      readonly ofLabel: number;
      /** √(1 − e^(−2 · value in nats)): of two numbers of a normal distribution their correlation (Linfoot, 1957). */
      readonly score: number;
      readonly rows: number;
    }
  | {
      /** Of these rows none has both, or one of the two is the same in all of them. */
      readonly measure: 'none';
      readonly why: 'no-values' | 'constant-feature' | 'constant-label';
      readonly score: 0;
      readonly rows: number;
    };

/**
 * Measures a feature against a label; of a list or a map its size. The score is for sorting: from 0 to 1, of one measure comparable, of two roughly.
 *
 * @param given of the rows that the label has
 */
export function strengthOf(given: RowValues, label: Label): Strength {
  const values: Measured = given.kind === 'collection' ? { kind: 'number', values: given.sizes } : given;
  const places = placesOfBoth(values, label);
  const rows = places.length;
  if (rows === 0) return { measure: 'none', why: 'no-values', score: 0, rows };
  const feature = taken(values, places);
  const told = takenLabel(label, places);
  if (isConstant(feature.kind === 'number' ? feature.values : feature.codes))
    return { measure: 'none', why: 'constant-feature', score: 0, rows };
  if (isConstant(told.kind === 'number' ? told.values : told.codes))
    return { measure: 'none', why: 'constant-label', score: 0, rows };
  if (feature.kind === 'number' && label.kind === 'binary' && told.kind === 'category') {
    const positives = feature.values.filter((_, index) => told.codes[index] === 1);
    const negatives = feature.values.filter((_, index) => told.codes[index] === 0);
    const { area, interval } = areaUnderCurve(positives, negatives);
    return { measure: 'auc', value: area, ...interval, score: Math.abs(2 * area - 1), rows };
  }
  if (feature.kind === 'number' && told.kind === 'number') {
    const found = rankCorrelation(feature.values, told.values);
    if (found !== null)
      return {
        measure: 'rank-correlation',
        value: found.correlation,
        ...found.interval,
        score: Math.abs(found.correlation),
        rows,
      };
  }
  const { bits, byChance, ofLabel } = mutualInformation(codesOf(feature), codesOf(told));
  const score = bits <= 0 ? 0 : Math.sqrt(1 - Math.exp(-2 * bits * Math.LN2));
  return { measure: 'mutual-information', value: bits, byChance, ofLabel, score, rows };
}

function codesOf(values: Taken): Int32Array {
  return values.kind === 'number' ? binned(values.values) : values.codes;
}

type Measured = Exclude<RowValues, { kind: 'collection' }>;

type Taken =
  | { readonly kind: 'number'; readonly values: Float64Array }
  | { readonly kind: 'category'; readonly codes: Int32Array };

function placesOfBoth(values: Measured, label: Label): Uint32Array {
  const hasValue = presence(values);
  const hasLabel = presence(label);
  const length = label.kind === 'number' ? label.values.length : label.codes.length;
  const places = new Uint32Array(length);
  let rows = 0;
  for (let place = 0; place < length; place++) if (hasValue(place) && hasLabel(place)) places[rows++] = place;
  return places.subarray(0, rows);
}

function presence(of: Measured | Label): (place: number) => boolean {
  if (of.kind === 'number') return (place) => !Number.isNaN(of.values[place]!);
  return (place) => of.codes[place]! >= 0;
}

function taken(values: Measured, places: Uint32Array): Taken {
  return values.kind === 'number'
    ? { kind: 'number', values: Float64Array.from(places, (place) => values.values[place]!) }
    : { kind: 'category', codes: Int32Array.from(places, (place) => values.codes[place]!) };
}

function takenLabel(label: Label, places: Uint32Array): Taken {
  if (label.kind === 'number') return { kind: 'number', values: Float64Array.from(places, (at) => label.values[at]!) };
  return { kind: 'category', codes: Int32Array.from(places, (at) => label.codes[at]!) };
}

function isConstant(values: Float64Array | Int32Array): boolean {
  return values.every((value: number) => value === values[0]);
}
