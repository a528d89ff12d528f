import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import { sensitiveParts } from '../define/sensitive-view.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { beginOf, lengthMs } from '../monitors/bucket-time.ts';
import type { MonitorBucket } from '../monitors/monitor-bucket.ts';
import { monitoredResult } from '../monitors/monitored-result.ts';
import { readBuckets } from '../monitors/read-buckets.ts';
import { writeBuckets } from '../monitors/write-buckets.ts';
import { type LiveSnapshot, readSnapshot, type StoredRow } from '../parity/live-snapshot.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { liveVersion } from '../postgres/live-version.ts';
import { type StreamOffset, streamOffsets } from '../postgres/stream-offsets.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { CorruptState, openStored } from '../state/stored-state.ts';
import { realEnd } from '../topic/log-reader.ts';
import { viewWatermark } from '../topic/watermark.ts';
import { EntityTally, STATE_CORRUPT } from './entity-tally.ts';
import { keySegments } from './key-segments.ts';

/** Entities of a view that are looked at, at most. */
export const MOST_ENTITIES = 2_000;
/** As many are drawn by the hash of their keys, before the least of these are taken: fewer than wanted come of it once in many lives. */
const DRAWN_ENTITIES = 2_500;
const STATE_BYTES = 64 * 2 ** 20;
const HOUR = 'hour';
/** Ten weeks: what an hour is compared with, and some. */
const KEPT_MS = 70 * 24 * 3_600_000;

export interface StoreMonitorOptions {
  readonly pool: pg.Pool;
  /** The definition of the version that is live; of another, nothing is looked at. */
  readonly view: CompiledView;
}

/** An hour of a view whose states were looked at. */
export interface StoreMonitored {
  /** UTC epoch ms. */
  readonly beginMs: number;
  /** In the sample. */
  readonly entities: number;
}

/**
 * Looks at the states of the hour that the watermark of a view's live version has passed last, where that was not done before: of the entities with the 2,000
 * least hashes of their keys (`parity/key-sample`), what the engine reads of their stored states as of the hour's end, per feature and declared segment, into
 * `monitor_bucket` (place `store`). An entity counts as found where it has not expired and its newest event lies within the view's longest window; values
 * are those of what is found. Null: there is nothing to look at now.
 *
 * @example
 * await monitorStore({ pool, view }); // { beginMs: 991357200000, entities: 2000 }
 */
export async function monitorStore({ pool, view }: StoreMonitorOptions): Promise<StoreMonitored | null> {
  const live = await liveVersion(pool, view.name);
  if (live === null || live.fingerprint !== view.fingerprint) return null;
  const passed = passedHour(await streamOffsets(pool, view.name, live.version), live.historyWatermarkUs);
  if (passed === null || (await wasLookedAt(pool, view.name, passed))) return null;
  const snapshot = await snapshotOf(pool, view.name);
  if (snapshot === null || snapshot.version.fingerprint !== view.fingerprint) return null;
  // Meanwhile it may have passed another one: the states are of now.
  const beginMs = passedHour(snapshot.offsets, snapshot.version.historyWatermarkUs) ?? passed;
  const buckets = storeBuckets(view, snapshot, beginMs);
  await writeBuckets(pool, buckets);
  await forgetHours(pool, view.name, beginMs - KEPT_MS);
  return { beginMs, entities: buckets.find(({ field, segment }) => field === null && segment === null)?.count ?? 0 };
}

/** The begin of the newest hour that ends at the watermark or before it, UTC epoch ms; null before the first event. */
function passedHour(offsets: readonly StreamOffset[], historyWatermarkUs: number | null): number | null {
  const parts = offsets.map((at) => ({
    lag: realEnd(at) - at.nextOffset,
    watermarkUs: at.watermarkUs ?? historyWatermarkUs,
  }));
  const watermarkUs = parts.length === 0 ? historyWatermarkUs : viewWatermark(parts);
  return watermarkUs === null ? null : beginOf(HOUR, Math.floor(watermarkUs / 1000)) - lengthMs(HOUR);
}

async function forgetHours(pool: pg.Pool, view: string, beforeMs: number): Promise<void> {
  await runSql(
    pool,
    sqlText`DELETE FROM ${CATALOG}.monitor_bucket WHERE place = 'store' AND object = ${view} AND begin_ms < ${beforeMs}`,
  );
}

async function wasLookedAt(pool: pg.Pool, object: string, beginMs: number): Promise<boolean> {
  const untilMs = beginMs + lengthMs(HOUR);
  const found = await readBuckets(pool, { place: 'store', object, field: null, grain: HOUR, fromMs: beginMs, untilMs });
  return found.length > 0;
}

/** Null where the view is not served any more. */
async function snapshotOf(pool: pg.Pool, view: string): Promise<LiveSnapshot | null> {
  try {
    return await readSnapshot({
      pool,
      view,
      keys: () => new Map(),
      maxEntities: DRAWN_ENTITIES,
      stateBytes: STATE_BYTES,
    });
  } catch (error) {
    if (isMillraceError(error) && (error.code === 'unknown-view' || error.code === 'view-not-published')) return null;
    throw error;
  }
}

/** What a snapshot tells of an hour. */
export function storeBuckets(
  view: CompiledView,
  { rows, sample }: Pick<LiveSnapshot, 'rows' | 'sample'>,
  beginMs: number,
): MonitorBucket[] {
  const { layout, segments = [] } = view;
  const reader = createViewReducer(layout, view.derived);
  const sensitive = sensitiveParts(view);
  const fields = layout.features.map(({ name, result }) => monitoredResult(name, result, sensitive.feature(name)));
  const tally = new EntityTally(fields, segments);
  const segmentsOf = keySegments(view, segments);
  const atUs = (beginMs + lengthMs(HOUR)) * 1000;
  const seenFromUs = atUs - longestWindowUs(layout);
  for (const { key, state: bytes, crc } of leastHashes(rows.values(), sample)) {
    const state = openStored(reader, bytes, crc);
    const values = segmentsOf(key);
    if (state instanceof CorruptState) {
      tally.note(values, STATE_CORRUPT, 1);
      tally.add(values, null);
      continue;
    }
    const isFound = reader.finds(state, atUs) && state.newestEventTimeUs >= seenFromUs;
    tally.add(values, isFound ? reader.read(state, atUs) : null);
  }
  return tally.rows('store', view.name, { grain: HOUR, beginMs });
}

function leastHashes(rows: Iterable<StoredRow>, sample: LiveSnapshot['sample']): StoredRow[] {
  const all = [...rows];
  if (all.length <= MOST_ENTITIES) return all;
  return all
    .map((row) => ({ row, hash: sample.hashOf(row.key) }))
    .sort((a, b) => a.hash - b.hash || Buffer.compare(keyBytes(a.row), keyBytes(b.row)))
    .slice(0, MOST_ENTITIES)
    .map(({ row }) => row);
}

function keyBytes({ key }: StoredRow): Buffer {
  return Buffer.from(key.join('\0'), 'utf8');
}

/** How long before a read an event may be that it sees; Infinity where a feature looks at all of them. */
function longestWindowUs({ features }: ViewLayout): number {
  const spans = features.flatMap(({ slot, windowUs, agoUs = 0 }) =>
    slot < 0 ? [] : [(windowUs ?? Number.POSITIVE_INFINITY) + agoUs],
  );
  return Math.max(0, ...spans);
}
