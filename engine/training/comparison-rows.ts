import { type ComparedFeature, LAG_KINDS, type ModeComparison } from './comparison-types.ts';

/** The header of `comparisonRows`. */
export const COMPARISON_HEADER: readonly string[] = [
  'feature',
  'labels',
  'differing',
  'share',
  'mean diff',
  'max diff',
  ...LAG_KINDS,
];

/**
 * A comparison as rows of a table, in the order of the header; the features that differ most come first.
 *
 * @example
 * printTable(COMPARISON_HEADER, comparisonRows(manifest.comparison));
 */
export function comparisonRows(comparison: ModeComparison): string[][] {
  const order = [...comparison.features].sort((a, b) => b.differing - a.differing);
  return order.map(rowOf);
}

function rowOf(feature: ComparedFeature): string[] {
  const { column, labels, differing, share, absolute, kinds } = feature;
  return [
    column,
    count(labels),
    count(differing),
    `${(100 * share).toFixed(2)} %`,
    absolute === null ? '-' : figure(absolute.mean),
    absolute === null ? '-' : figure(absolute.max),
    ...LAG_KINDS.map((kind) => count(kinds[kind])),
  ];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function figure(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
}
