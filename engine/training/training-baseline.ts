import type { ServiceBlock } from '../define/compiled-view.ts';
import { sensitiveParts } from '../define/sensitive-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { ValueSummary } from '../monitors/monitor-bucket.ts';
import { monitoredResult } from '../monitors/monitored-result.ts';
import { SKETCH_BITS, ValueState } from '../monitors/value-state.ts';
import type { ResultType } from '../values/result-type.ts';
import type { BaselineFeature, ManifestBaseline } from '../monitors/baseline.ts';
import type { FeatureColumn } from './feature-columns.ts';
import { readableSql, valueReader } from './staged-values.ts';
import type { SomeRows } from './write-rows.ts';

/** What bins and texts of all features may have of a manifest, in characters: those of the largest features are left out first. */
const MOST_SKETCHES = 2 ** 19;

/** What a baseline is of. */
export interface BaselineRows {
  readonly features: readonly FeatureColumn[];
  /** Where the values of a block are staged. */
  readonly tables: ReadonlyMap<ServiceBlock, string>;
  /** Left out: all. */
  readonly rowsOf: SomeRows | null;
  readonly rows: number;
}

/** Summarises what is written. Each distinct value is looked at once. */
export async function trainingBaseline(
  duckdb: DuckDb,
  { features, tables, rowsOf, rows }: BaselineRows,
  signal: AbortSignal,
): Promise<ManifestBaseline> {
  const positions = new Map<ServiceBlock, number>();
  const summaries: [string, BaselineFeature][] = [];
  for (const { block, feature, column, isFeature } of features) {
    const position = positions.get(block) ?? 0;
    positions.set(block, position + 1);
    if (!isFeature) continue;
    const table = tables.get(block)!;
    const isHidden =
      block.isService === true ? hidesAny(tables.keys()) : sensitiveParts(block.view).feature(feature.name);
    const staged = { table, name: `f${position}`, type: feature.result, rowsOf };
    summaries.push([column, featureOf(await summaryOf(duckdb, staged, isHidden, signal))]);
  }
  return { rows, sketchBits: SKETCH_BITS, features: Object.fromEntries(withinRoom(summaries)) };
}

/** What a service derives may be made of anything it reads. */
function hidesAny(blocks: Iterable<ServiceBlock>): boolean {
  return [...blocks].some((block) => block.isService !== true && sensitiveParts(block.view).any);
}

async function summaryOf(
  duckdb: DuckDb,
  staged: {
    readonly table: string;
    readonly name: string;
    readonly type: ResultType;
    readonly rowsOf: SomeRows | null;
  },
  isHidden: boolean,
  signal: AbortSignal,
): Promise<ValueSummary> {
  const { table, name, type, rowsOf } = staged;
  const { kind, scale, entryOf } = monitoredResult(name, type, isHidden);
  const state = new ValueState(kind, scale);
  const value = `${table}.${name}`;
  const from =
    rowsOf === null
      ? table
      : `${table} JOIN ${rowsOf.table} ON ${rowsOf.table}.row_number = ${table}.row_number WHERE ${rowsOf.where}`;
  if (entryOf === null) {
    const [counted] = await duckdb.query<{ n: bigint; given: bigint }>(
      `SELECT count(*) AS n, count(${value}) AS given FROM ${from}`,
      [],
      signal,
    );
    state.nulls = Number(counted!.n - counted!.given);
    state.addPlain(Number(counted!.given));
    return state.summary(true).values;
  }
  const read = valueReader(type);
  const groups = `SELECT ${readableSql(type, 'v')} AS value, n FROM (SELECT ${value} AS v, count(*)::DOUBLE AS n FROM ${from} GROUP BY 1)`;
  for await (const chunk of duckdb.chunks(groups, [], signal)) {
    const [values, counts] = chunk.getColumns() as [unknown[], number[]];
    for (let at = 0; at < values.length; at++) {
      const one = read(values[at]);
      if (one === null) state.nulls += counts[at]!;
      else state.add(entryOf(one), counts[at]!);
    }
  }
  return state.summary(true).values;
}

function featureOf({ nulls, numbers, bins, top, distinct }: ValueSummary): BaselineFeature {
  const counts = top === null ? [] : [...top.counts];
  return {
    nulls,
    ...(numbers === null ? {} : { sum: asJson(numbers.sum), squares: asJson(numbers.squares), zeros: numbers.zeros }),
    ...(bins === null ? {} : { bins: binsText(bins) }),
    ...(top === null ? {} : { top: Object.fromEntries(counts), others: top.others }),
    ...(distinct === null ? {} : { distinct }),
  };
}

/** Leaves out the largest sketches until all have room; of equal ones the one of the later name. */
export function withinRoom(
  features: readonly (readonly [string, BaselineFeature])[],
): (readonly [string, BaselineFeature])[] {
  const sized = features.map(([column, { bins = '', top = {} }]) => ({
    column,
    size: bins.length + JSON.stringify(top).length,
  }));
  let total = sized.reduce((sum, { size }) => sum + size, 0);
  const dropped = new Set<string>();
  for (const { column, size } of sized.toSorted((a, b) => b.size - a.size || (a.column < b.column ? 1 : -1))) {
    if (total <= MOST_SKETCHES) break;
    total -= size;
    dropped.add(column);
  }
  return features.map(([column, feature]) => {
    if (!dropped.has(column)) return [column, feature];
    const { bins: _, top: __, others: ___, ...rest } = feature;
    return [column, { ...rest, dropped: true }];
  });
}

function asJson(value: number): number | string {
  return Number.isFinite(value) ? value : `${value}`;
}

function binsText(bins: ReadonlyMap<number, number>): string {
  let before = 0;
  return [...bins]
    .map(([bin, count]) => {
      const step = bin - before;
      before = bin;
      return `${step}:${count}`;
    })
    .join(' ');
}
