import type pg from 'pg';
import { expect } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { PACKED_ID_BYTES } from '../../engine/admission/id-hash.ts';
import { dedupeIds } from '../../engine/postgres/dedupe-ids.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { catalogRows, stateBytes } from '../stream/stream-fixture.ts';

/** All that a built version consists of, but for its number, its builder and times: what two builds of one log must have in common. */
export async function buildFacts(pool: pg.Pool, view: CompiledView, version: number): Promise<Record<string, unknown>> {
  const known = await viewVersion(pool, view.name, version);
  const { status, cut, history, counts, entities, historyWatermarkUs, seq, topic } = known!;
  const without = (rows: Record<string, unknown>[]): unknown[] => rows.map((row) => ({ ...row, version: 0 }));
  return {
    status,
    bounds: cut === null ? null : { ...cut, takenAtUs: 0 },
    // When a file was seen to have settled is no fact of the build.
    history: history?.files.map((file) => ({ ...file, stamp: undefined })) ?? null,
    counts,
    entities,
    historyWatermarkUs,
    seq,
    states: await stateBytes(pool, view, version),
    offsets: without(await catalogRows(pool, 'stream_offset', view.name, version)),
    letters: without(await catalogRows(pool, 'dead_letter', view.name, version)),
    ids: topic === null ? {} : await idsOf(pool, view, version, topic),
  };
}

/** By partition the ids with their times: which, and not in what order, for they are a set. */
async function idsOf(
  pool: pg.Pool,
  view: CompiledView,
  version: number,
  topic: string,
): Promise<Record<string, string[]>> {
  const ids: Record<string, string[]> = {};
  for await (const pack of dedupeIds(pool, view.name, version, topic, [-1, 0, 1, 2, 3])) {
    const hex = Buffer.from(pack.ids).toString('hex');
    const known = (ids[pack.partition] ??= []);
    for (let at = 0; at < hex.length; at += PACKED_ID_BYTES * 2) known.push(hex.slice(at, at + PACKED_ID_BYTES * 2));
  }
  for (const known of Object.values(ids)) known.sort();
  return ids;
}

/** Nothing that was saved on the way is left of a version. */
export async function expectNothingSaved(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query(`
    SELECT relname AS what FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
      WHERE nspname = 'millrace_state' AND relname LIKE 'saved\\_%'
    UNION ALL SELECT 'progress' FROM millrace_catalog.backfill_progress
    UNION ALL SELECT 'ids' FROM millrace_catalog.backfill_ids`);
  expect(rows).toEqual([]);
}
