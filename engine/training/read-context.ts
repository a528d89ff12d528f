import type { DuckDb } from '../duckdb/duckdb.ts';
import { listingsOfProcess } from '../history/history-listing.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { EntityIndex } from './entity-index.ts';
import type { ExportProgress } from './export-progress.ts';
import type { ReadContext } from './reading.ts';
import type { SpineEntity, SpinePlace } from './spine-labels.ts';
import type { SweepMemory } from './sweep-memory.ts';
import type { ReadingOptions } from './training-types.ts';

/** Labels that wait to be read, and what reading them may take. */
export interface WaitingLabels {
  readonly duckdb: DuckDb;
  readonly memory: SweepMemory;
  readonly progress: ExportProgress;
  /** Of the service. */
  readonly places: readonly SpinePlace[];
  /** Of the places that the labels have ids of. */
  readonly entities: readonly SpineEntity[];
  readonly rows: number;
  readonly signal: AbortSignal;
}

/** What reads labels, over their entities. Without a database it is of this process: when files were first read, and that no invalid record was accepted. */
export async function openReadContext(
  options: ReadingOptions,
  { entities, ...labels }: WaitingLabels,
): Promise<ReadContext> {
  const { pool, clock } = options;
  const indexes: EntityIndex[] = [];
  for (const entity of entities) indexes.push(await EntityIndex.open(labels.duckdb, entity));
  return {
    ...labels,
    options,
    listings: pool === undefined ? listingsOfProcess(clock) : storedListings(pool, clock),
    accepted: async (source) => (pool === undefined ? new Map() : acceptedInvalid(pool, source)),
    indexes,
  };
}
