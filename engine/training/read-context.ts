import type { DuckDb } from '../duckdb/duckdb.ts';
import { listingsOfProcess } from '../history/history-listing.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { EntityIndex } from './entity-index.ts';
import type { ExportProgress } from './export-progress.ts';
import type { ReadContext, SpineContext } from './reading.ts';
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

/** What reads logs, before there are labels. Without a database it is of this process: when files were first read, and that no invalid record was accepted. */
export function spineContext(options: ReadingOptions, reading: Omit<WaitingLabels, 'entities' | 'rows'>): SpineContext {
  const { pool, clock } = options;
  return {
    ...reading,
    options,
    listings: pool === undefined ? listingsOfProcess(clock) : storedListings(pool, clock),
    accepted: async (source) => (pool === undefined ? new Map() : acceptedInvalid(pool, source)),
  };
}

/** What reads labels, over their entities. */
export async function openReadContext(
  options: ReadingOptions,
  { entities, rows, ...reading }: WaitingLabels,
): Promise<ReadContext> {
  const indexes: EntityIndex[] = [];
  for (const entity of entities) indexes.push(await EntityIndex.open(reading.duckdb, entity));
  return { ...spineContext(options, reading), rows, indexes };
}
