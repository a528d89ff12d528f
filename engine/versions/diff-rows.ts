import type { ComparedFeature, VersionsDiff } from './diff-types.ts';

/** The header of `diffRows`. */
export const DIFF_HEADER: readonly string[] = [
  'feature',
  'type',
  'cells',
  'differing',
  'share',
  'null → value',
  'value → null',
  'errors',
  'median diff',
  '5 % to 95 %',
  'median relative',
];

/**
 * A comparison as rows of a table, in the order of the header; the features that differ most come first.
 *
 * @example
 * output.table(DIFF_HEADER, diffRows(diff));
 */
export function diffRows({ features, isWhole }: Pick<VersionsDiff, 'features' | 'isWhole'>): string[][] {
  return features.toSorted((a, b) => b.differing - a.differing).map((feature) => rowOf(feature, isWhole));
}

function rowOf(feature: ComparedFeature, isWhole: boolean): string[] {
  const { numbers, interval } = feature;
  const share = percent(feature.share);
  return [
    feature.feature,
    feature.type,
    count(feature.cells),
    count(feature.differing),
    isWhole ? share : `${share} (${percent(interval.low)} to ${percent(interval.high)})`,
    count(feature.nullToValue),
    count(feature.valueToNull),
    count(feature.errors),
    numbers === null ? '-' : figure(numbers.difference.p50),
    numbers === null ? '-' : `${figure(numbers.difference.p05)} to ${figure(numbers.difference.p95)}`,
    numbers === null ? '-' : percent(numbers.relative.p50),
  ];
}

/** 0.0123 → "1.23 %"; what is too little to be shown is not shown as none. */
export function percent(share: number): string {
  if (share > 0 && share < 0.000_05) return '< 0.01 %';
  return `${(100 * share).toFixed(2)} %`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function figure(value: number): string {
  return Math.abs(value) >= 1e15 || (value !== 0 && Math.abs(value) < 1e-4)
    ? value.toExponential(3)
    : value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
}
