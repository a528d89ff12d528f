import type { ValueSummary } from './monitor-bucket.ts';

/**
 * How the values of each feature of a training set are, over the rows to train on: what is served by its model is compared with it. A function of the rows
 * alone: neither their order nor how they were read shows.
 */
export interface ManifestBaseline {
  /** Of a divided set those to train on, else all. */
  readonly rows: number;
  /** Of the buckets in `bins` (`reduce/quantile-buckets`). */
  readonly sketchBits: number;
  /** By output column. */
  readonly features: Readonly<Record<string, BaselineFeature>>;
}

export interface BaselineFeature {
  readonly nulls: number;
  /** Of numbers, exact and rounded once; text where JSON has no number for it. */
  readonly sum?: number | string | undefined;
  readonly squares?: number | string | undefined;
  readonly zeros?: number | undefined;
  /** Of numbers: `bucket:count`, ascending, each bucket but the first as what it is more than the one before. */
  readonly bins?: string | undefined;
  /** Of texts: the most frequent, at most 50 of at most 100 characters. */
  readonly top?: Readonly<Record<string, number>> | undefined;
  /** How many have none of these. */
  readonly others?: number | undefined;
  /** Estimate. */
  readonly distinct?: number | undefined;
  /** Its bins or texts were left out: there was no more room in the manifest. */
  readonly dropped?: true | undefined;
}

/** Whether something is a baseline as `millrace export` writes it. */
export function isBaseline(value: unknown): value is ManifestBaseline {
  const { rows, sketchBits, features } = Object(value) as Partial<Record<keyof ManifestBaseline, unknown>>;
  const isFeature = (feature: unknown): boolean => {
    const { nulls, bins, top } = Object(feature) as Partial<Record<keyof BaselineFeature, unknown>>;
    const isOptional = (member: unknown, kind: string): boolean => member === undefined || typeof member === kind;
    return typeof nulls === 'number' && isOptional(bins, 'string') && isOptional(top, 'object') && top !== null;
  };
  if (typeof rows !== 'number' || typeof sketchBits !== 'number') return false;
  return typeof features === 'object' && features !== null && Object.values(features).every(isFeature);
}

/** How a feature's values were in a training set. */
export interface BaselineSummary {
  /** Rows. */
  readonly count: number;
  readonly values: ValueSummary;
}

/**
 * The baseline of a manifest, by output column; null of one that is older than baselines.
 *
 * @example
 * baselineOf(manifest)?.get('route_delays__delay_avg_7d')?.values.bins; // Map { 3340 => 12, … }
 */
export function baselineOf(manifest: {
  readonly baseline?: ManifestBaseline | undefined;
}): ReadonlyMap<string, BaselineSummary> | null {
  const { baseline } = manifest;
  if (baseline === undefined) return null;
  return new Map(
    Object.entries(baseline.features).map(([column, feature]) => [
      column,
      { count: baseline.rows, values: summaryOfJson(feature) },
    ]),
  );
}

function summaryOfJson({
  nulls,
  sum,
  squares,
  zeros = 0,
  bins,
  top,
  others = 0,
  distinct,
}: BaselineFeature): ValueSummary {
  const ranked = Object.entries(top ?? {}).sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1));
  return {
    nulls,
    numbers: sum === undefined || squares === undefined ? null : { sum: Number(sum), squares: Number(squares), zeros },
    bins: bins === undefined ? null : binsOf(bins),
    top: top === undefined ? null : { counts: new Map(ranked), others },
    distinct: distinct ?? null,
  };
}

function binsOf(text: string): Map<number, number> {
  const bins = new Map<number, number>();
  let bin = 0;
  for (const each of text === '' ? [] : text.split(' ')) {
    const [step, count] = each.split(':');
    bin += Number(step);
    bins.set(bin, Number(count));
  }
  return bins;
}
