import type pg from 'pg';
import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import type { LogPoint, SavedLog } from '../log/scan-log.ts';
import { catalog, CLOCK, run } from '../postgres/catalog.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { NewIds } from '../topic/topic-scan.ts';
import type { HeldVersion } from './build-attempt.ts';

const PROGRESS = 'backfill_progress';
const IDS = 'backfill_ids';
/** About 1 MB a row. */
const ID_BYTES_PER_ROW = 40_000 * 24;

/** Where a backfill stands, as `backfill_progress.point` keeps it: plain JSON. The states stand beside it (`saved-states.ts`). */
export interface SavedPoint {
  readonly log: LogPoint;
  /** What the view made of the events so far: `filtered`, `nullKey`, `invalid`, `late`, `applied`. */
  readonly counts: LogCounts;
  /** The position of the history's last event. */
  readonly position: number;
}

/** The stretch of the log that a point lies in; -1 for the topic. */
export function stretchOf({ log }: SavedPoint): number {
  return log.in === 'history' ? log.history.stretch : -1;
}

/** History rows and offsets of the topic passed at a point. */
export function rowsOf({ log }: SavedPoint): number {
  if (log.in === 'history') return log.history.counts.records;
  return log.topic.reduce((sum, { lowOffset, nextOffset }) => sum + nextOffset - lowOffset, log.history?.rows ?? 0);
}

/** Which invalid records were accepted, as it is kept beside the progress. */
export function acceptedJson(accepted: AcceptedInvalid): Readonly<Record<string, number>> {
  return Object.fromEntries([...accepted].toSorted(([a], [b]) => a - b));
}

/** Notes where a build stands now, and that its attempts get somewhere. */
export async function writePoint(client: Queryable, view: string, version: number, point: SavedPoint): Promise<void> {
  await run(
    client,
    catalog
      .updateTable(PROGRESS)
      .set({ point: JSON.stringify(point), attempts: 0, saved_at: CLOCK })
      .where('view', '=', view)
      .where('version', '=', version),
  );
}

/** Takes an attempt back from those that are counted as having saved nothing; where a later one has begun, nothing. */
export async function uncountAttempt(on: Queryable, { view, version, attemptMs }: HeldVersion): Promise<void> {
  if (attemptMs === null) return;
  await run(
    on,
    catalog
      .updateTable(PROGRESS)
      .set((eb) => ({ attempts: eb.fn<number>('greatest', [eb('attempts', '-', 1), eb.lit(0)]) }))
      .where('view', '=', view)
      .where('version', '=', version)
      .where('attempt_ms', '=', attemptMs),
  );
}

/** Adds ids that were claimed since the last time. */
export async function addIds(
  client: Queryable,
  view: string,
  version: number,
  newIds: readonly NewIds[],
): Promise<void> {
  for (const { partition, ids } of newIds) {
    for (let from = 0; from < ids.length; from += ID_BYTES_PER_ROW) {
      const row = Buffer.from(ids.subarray(from, from + ID_BYTES_PER_ROW));
      await run(client, catalog.insertInto(IDS).values({ view, version, partition, ids: row }));
    }
  }
}

/** What the scan goes on from. */
export async function savedLog(
  client: pg.ClientBase,
  view: string,
  version: number,
  { log }: SavedPoint,
): Promise<SavedLog> {
  const rows = await run(
    client,
    catalog
      .selectFrom(IDS)
      .select(['partition', 'ids'])
      .where('view', '=', view)
      .where('version', '=', version)
      .orderBy('partition')
      .orderBy('number'),
  );
  const ids = new Map<number, Uint8Array[]>();
  for (const row of rows) ids.set(row.partition, [...(ids.get(row.partition) ?? []), row.ids]);
  return { point: log, ids };
}

/** Removes what was saved of a build, but for its states. */
export async function deleteProgress(client: Queryable, view: string, version: number): Promise<void> {
  for (const table of [PROGRESS, IDS] as const)
    await run(client, catalog.deleteFrom(table).where('view', '=', view).where('version', '=', version));
}
