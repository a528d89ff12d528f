import type pg from 'pg';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { Clock } from '../../engine/values/clock.ts';
import type { TopicBounds } from '../../engine/topic/log-reader.ts';
import { run } from '../../engine/postgres/catalog.ts';
import { catalog } from '../../engine/postgres/catalog.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createStateTable, finishStateTable, stateTable } from '../../engine/postgres/state-table.ts';
import { insertStreamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { insertVersion, markBuilt, setVersionStatus } from '../../engine/postgres/view-versions.ts';
import { emptyCounts } from '../../engine/admission/log-counts.ts';
import { layoutTag } from '../../engine/state/layout-tag.ts';
import { createTestDatabase } from '../../stack/test-stack.ts';

/** A database of its own, migrated. */
export async function openStreamDatabase(
  databaseUrl: string,
): Promise<{ pool: pg.Pool; databaseUrl: string; close(): Promise<void> }> {
  const database = await createTestDatabase(databaseUrl);
  await migrateToLatest(database.databaseUrl);
  const pool = createPool(database.databaseUrl, { max: 6, applicationName: 'stream-test' });
  return {
    pool,
    databaseUrl: database.databaseUrl,
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

/** An empty live version whose stream starts at the given offsets (default 0): what a backfill of nothing leaves behind. */
export async function publishEmptyVersion(
  pool: pg.Pool,
  view: CompiledView,
  bounds: TopicBounds,
  starts: ReadonlyMap<number, number> = new Map(),
): Promise<number> {
  return withTransaction(pool, async (client) => {
    const { version, stateTable } = await insertVersion(client, {
      view: view.name,
      fingerprint: view.fingerprint,
      layout: view.layout,
      layoutTag: layoutTag(view.layout),
      source: view.source.name,
      topic: bounds.topic,
      builder: 'test',
    });
    await createStateTable(client, view.layout, stateTable);
    await finishStateTable(client, view.layout, stateTable);
    await markBuilt(client, {
      view: view.name,
      version,
      cut: null,
      history: null,
      counts: emptyCounts(),
      entities: 0,
      historyWatermarkUs: null,
    });
    await insertStreamOffsets(
      client,
      bounds.partitions.map(({ partition, endOffset }) => ({
        view: view.name,
        version,
        topic: bounds.topic,
        partition,
        nextOffset: starts.get(partition) ?? 0,
        endOffset,
        watermarkUs: null,
        clusterId: bounds.clusterId,
        anchorOffset: null,
        anchorDigest: null,
        begun: true,
        verdicts: null,
        mostlyInvalid: false,
      })),
    );
    await client.query(
      `UPDATE millrace_catalog.view_version SET status = 'superseded' WHERE view = $1 AND status = 'live'`,
      [view.name],
    );
    await setVersionStatus(client, view.name, version, ['built'], 'live');
    return version;
  });
}

/** Key and state bytes of every entity, in order, without the commit numbers: what must be equal byte for byte. */
export async function stateBytes(pool: pg.Pool, view: CompiledView, version: number): Promise<string[]> {
  const [row] = await run(
    pool,
    catalog
      .selectFrom('view_version')
      .select('state_table')
      .where('view', '=', view.name)
      .where('version', '=', version),
  );
  const { rows } = await pool.query<{ line: string }>(
    `SELECT (to_jsonb(s) - 'seq' - 'state' - 'state_crc' - 'state_commit')::text || ' ' || encode(state, 'hex') AS line FROM ${stateTable(row!.state_table)} s`,
  );
  return rows.map(({ line }) => line).sort();
}

/** Rows of a catalog table of a version, ordered, as JSON text without times. */
export async function catalogRows(
  pool: pg.Pool,
  table: 'dead_letter' | 'commit_record' | 'stream_offset' | 'dedupe_ids',
  view: string,
  version: number,
): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query<{ row: Record<string, unknown> }>(
    `SELECT to_jsonb(t) - 'created_at' - 'committed_at' - 'updated_at' AS row FROM millrace_catalog.${table} t WHERE view = $1 AND version = $2`,
    [view, version],
  );
  return rows.map(({ row }) => row).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** A clock whose wall time is fixed; durations are real. */
export const testClock: Clock = { nowUs: () => 1_700_000_000_000_000, monotonicMs: () => performance.now() };
