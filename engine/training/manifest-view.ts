import { blockText, roleAt, roleOf } from '../define/service-blocks.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { invariant } from '../errors/millrace-error.ts';
import { isScalarType } from '../values/result-type.ts';
import type { CountedError } from './cell-errors.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import type { BlockReading } from './reading.ts';
import { stagedStatistics } from './staged-statistics.ts';
import type { ManifestView } from './training-types.ts';

/** What a manifest says of a view or role that was read: what it is, what it was read of, and of each feature how many rows lack it. */
export async function manifestView(
  duckdb: DuckDb,
  read: BlockReading,
  errors: readonly CountedError[],
  { rows, features }: PreparedSpine,
): Promise<ManifestView> {
  const { block, served, logged } = read;
  const { view } = block;
  const columns = features.filter((column) => column.block === block && column.isFeature);
  const staged = await stagedStatistics(
    duckdb,
    read.table,
    columns.map(({ feature }) => feature.result),
  );
  invariant(staged.rows === rows, `${blockText(block)} was read for ${staged.rows} of ${rows} rows`);
  const nullsOf = (index: number): number => staged.features[index]!.nulls + (read.defaulted?.[index] ?? 0);
  return {
    view: view.name,
    ...roleAt(block),
    fingerprint: view.fingerprint,
    entity: view.layout.entity,
    keys: view.layout.keys.map((key) => key.name),
    ...(roleOf(block) === null ? {} : { columns: block.columns }),
    source: view.source.name,
    counts: read.counts,
    rowsWithoutState: read.rowsWithoutState,
    features: columns.map(({ feature, column }, index) => ({
      name: feature.name,
      column,
      type: feature.result,
      ...tagOf(view.tags?.features[feature.name]),
      nulls: nullsOf(index),
      nullRate: nullsOf(index) / rows,
      ...(isScalarType(feature.result) ? {} : { elements: staged.features[index]!.elements }),
      errors: Object.fromEntries(
        errors.filter((error) => error.feature === index).map(({ code, rows: count }) => [code, count]),
      ),
    })),
    ...(served === undefined ? {} : { served }),
    ...(logged === undefined ? {} : { logged }),
  };
}

function tagOf(tag: string | undefined): { readonly tag?: string } {
  return tag === undefined ? {} : { tag };
}
