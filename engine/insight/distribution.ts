import { shownIf } from '../define/sensitive-view.ts';
import { type Bin, histogram } from '../versions/histogram.ts';
import { type Quantiles, quantilesOf } from '../versions/quantiles.ts';
import { byBytes, type RowValues } from './row-columns.ts';

const BINS = 24;
const TOP = 8;

/** How values are spread, of those that there are. Times are epoch µs. */
export type Distribution =
  /** Of a sensitive number: its quantiles would be somebody's. */
  | { readonly kind: 'hidden' }
  | {
      readonly kind: 'number';
      readonly quantiles: Quantiles;
      readonly mean: number;
      /** Share that is 0. */
      readonly zeros: number;
      /** Of equal length, from the first hundredth to the last: what lies outside counts in the outermost. */
      readonly bins: readonly Bin[];
    }
  | {
      readonly kind: 'category';
      readonly distinct: number;
      /** The most frequent, equal ones in the order of their bytes. */
      readonly top: readonly TopValue[];
    }
  | {
      readonly kind: 'collection';
      /** How many elements there are. */
      readonly sizes: Quantiles;
      readonly distinct: number;
      /** The items or keys that the most rows have. */
      readonly top: readonly TopValue[];
    };

export interface TopValue {
  readonly value: string;
  readonly rows: number;
}

/** How values are spread; null where there are none. Of sensitive ones texts are hashed, and numbers not shown. */
export function distributionOf(values: RowValues, isSensitive: boolean): Distribution | null {
  const shown = ({ value, rows }: TopValue): TopValue => ({ value: shownIf(isSensitive, value), rows });
  switch (values.kind) {
    case 'number': {
      const found = ofNumbers(values.values);
      return found !== null && isSensitive ? { kind: 'hidden' } : found;
    }
    case 'category': {
      if (values.names.length === 0) return null;
      return { kind: 'category', distinct: values.names.length, top: topOf(rowsOfNames(values)).map(shown) };
    }
    case 'collection': {
      const sizes = values.sizes.filter((size) => !Number.isNaN(size)).sort();
      if (sizes.length === 0) return null;
      const { elements } = values;
      return {
        kind: 'collection',
        sizes: quantilesOf(sizes),
        distinct: elements.size,
        top: topOf(elements).map(shown),
      };
    }
  }
}

function rowsOfNames({ codes, names }: Extract<RowValues, { kind: 'category' }>): Map<string, number> {
  const counts = new Uint32Array(names.length);
  for (const code of codes) if (code >= 0) counts[code]!++;
  return new Map(names.map((name, code) => [name, counts[code]!]));
}

function topOf(rowsOf: ReadonlyMap<string, number>): TopValue[] {
  return Array.from(rowsOf, ([value, rows]) => ({ value, rows }))
    .sort((a, b) => b.rows - a.rows || byBytes(a.value, b.value))
    .slice(0, TOP);
}

function ofNumbers(values: Float64Array): Distribution | null {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  if (sorted.length === 0) return null;
  let zeros = 0;
  // Each a part of the mean: the sum of the whole may be more than any double.
  let mean = 0;
  for (const value of sorted) {
    if (value === 0) zeros++;
    mean += value / sorted.length;
  }
  return {
    kind: 'number',
    quantiles: quantilesOf(sorted),
    // Rounded, it may be beyond all of them.
    mean: Math.max(sorted[0]!, Math.min(sorted.at(-1)!, mean)),
    zeros: zeros / sorted.length,
    bins: histogram(sorted, BINS),
  };
}
