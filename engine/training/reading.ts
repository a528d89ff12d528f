import type { DuckDb } from '../duckdb/duckdb.ts';
import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import { invariant } from '../errors/millrace-error.ts';
import type { CompiledView, ServiceBlock } from '../define/compiled-view.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import type { EntityIndex } from './entity-index.ts';
import type { ExportProgress } from './export-progress.ts';
import { FeatureStaging } from './feature-staging.ts';
import type { SpinePlace } from './spine-labels.ts';
import type { SweepMemory } from './sweep-memory.ts';
import type { ManifestLogged, ManifestServed, ManifestSource, ReadingOptions } from './training-types.ts';

/** What every way of reading a spine's labels needs. */
export interface ReadContext {
  readonly options: ReadingOptions;
  readonly signal: AbortSignal;
  readonly duckdb: DuckDb;
  readonly listings: HistoryListings;
  /** The invalid records of a source that were accepted. */
  accepted(source: string): Promise<AcceptedInvalid>;
  readonly memory: SweepMemory;
  readonly progress: ExportProgress;
  /** Where the labels name entities, in the order of their ids. */
  readonly places: readonly SpinePlace[];
  /** Of the entities of the places. */
  readonly indexes: readonly EntityIndex[];
  /** Label rows. */
  readonly rows: number;
}

/** What is there before the labels are. */
export type SpineContext = Omit<ReadContext, 'indexes' | 'rows'>;

/** What was read of one block: a row per label row in `table` (`row_number`, then `f0`, `f1`, … in layout order), errors in `errorsTable(table)`. */
export interface BlockReading {
  readonly block: ServiceBlock;
  readonly table: string;
  /** What stands in the table: the features of its view, and what else was read. Default: those of its view. */
  readonly layout?: ViewLayout | undefined;
  /** Of its view. */
  readonly counts: LogCounts;
  readonly rowsWithoutState: number;
  /** Per feature, rows that have its default because there was nothing to read; undefined where nobody can tell. */
  readonly defaulted?: readonly number[] | undefined;
  readonly served?: ManifestServed | undefined;
  readonly logged?: ManifestLogged | undefined;
}

/** What was read of a service's blocks, in its order. */
export interface Reading {
  readonly blocks: readonly BlockReading[];
  readonly sources: readonly ManifestSource[];
}

/** Makes the tables that a view's values wait in. */
export async function openStaging(
  context: ReadContext,
  { features }: Pick<ViewLayout, 'features'>,
): Promise<FeatureStaging> {
  const { duckdb } = context;
  const results = features.map((feature) => feature.result);
  return FeatureStaging.create(duckdb, duckdb.newName('training_read'), results);
}

/** The blocks of the service that a view stands in. */
export function blocksOf({ options }: Pick<ReadContext, 'options'>, view: CompiledView): ServiceBlock[] {
  return options.service.blocks.filter((block) => block.view === view);
}

/** The index of a view's entities. */
export function indexOf({ indexes }: ReadContext, view: CompiledView): EntityIndex {
  const found = indexes.find((index) => index.entity.name === view.layout.entity);
  invariant(found !== undefined, `no index for entity "${view.layout.entity}"`);
  return found;
}

/** Whichever mode is written: what the comparison saw of the other is pinned with it. */
export function pinnedAs(reading: Reading, asServed: Reading | null): Reading {
  const served = new Map(asServed?.blocks.map(({ block, served: then }) => [block, then]));
  return { ...reading, blocks: reading.blocks.map((read) => ({ ...read, served: served.get(read.block) })) };
}
