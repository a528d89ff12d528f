import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { insertVersion, markBuilt, nextSeq, setVersionStatus, versions } from '../../engine/postgres/view-versions.ts';
import { emptyCounts } from '../../engine/admission/log-counts.ts';
import { deadLetters, countDeadLetters, insertDeadLetters } from '../../engine/postgres/dead-letters.ts';
import { dedupeIds, expireDedupeIds, insertDedupeIds } from '../../engine/postgres/dedupe-ids.ts';
import { insertStreamOffsets, streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';
import { migrateUpTo, migrationNames } from './migrate-up-to.ts';

const ALL = await migrationNames();

const layout: ViewLayout = {
  semantics: ENGINE_SEMANTICS,
  view: 'v',
  entity: 'e',
  keys: [{ name: 'k', type: { kind: 'string' } }],
  tieBreak: 'id',
  groups: [],
  slots: [],
  features: [],
};

let database: OwnDatabase;

beforeEach(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
});
afterEach(() => database.drop());

async function tables(): Promise<string[]> {
  const { rows } = await database.pool.query<{ name: string }>(
    "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname LIKE 'millrace%' ORDER BY name",
  );
  return rows.map((row) => row.name);
}

describe('migrations', () => {
  it('say which of them failed where something stands in the way', async () => {
    await database.pool.query('CREATE SCHEMA millrace_catalog; CREATE TABLE millrace_catalog.view_version (mine int)');
    await expect(migrateToLatest(database.url)).rejects.toMatchObject({
      code: 'migration-failed',
      message: expect.stringContaining(`migration ${ALL[0]} failed: relation "view_version" already exists`),
    });
    expect((await tables()).filter((name) => !name.includes('kysely'))).toEqual(['millrace_catalog.view_version']);
  });

  it('bring an empty database up, and find nothing to do the second time', async () => {
    expect(await migrateToLatest(database.url)).toEqual(ALL);
    expect((await tables()).filter((name) => !name.includes('kysely'))).toEqual([
      'millrace_catalog.accepted_invalid',
      'millrace_catalog.alert',
      'millrace_catalog.alert_acknowledgement',
      'millrace_catalog.alert_notice',
      'millrace_catalog.alert_silence',
      'millrace_catalog.alert_webhook',
      'millrace_catalog.api_token',
      'millrace_catalog.archive_file',
      'millrace_catalog.archive_hole',
      'millrace_catalog.archive_offset',
      'millrace_catalog.archive_range',
      'millrace_catalog.archive_source',
      'millrace_catalog.audit_event',
      'millrace_catalog.backfill_ids',
      'millrace_catalog.backfill_progress',
      'millrace_catalog.commit_file',
      'millrace_catalog.commit_merge',
      'millrace_catalog.commit_record',
      'millrace_catalog.dead_letter',
      'millrace_catalog.dedupe_ids',
      'millrace_catalog.history_listing',
      'millrace_catalog.kept_size',
      'millrace_catalog.label_time',
      'millrace_catalog.migration_note',
      'millrace_catalog.model_alias',
      'millrace_catalog.model_baseline',
      'millrace_catalog.model_version',
      'millrace_catalog.monitor_bucket',
      'millrace_catalog.monitor_part',
      'millrace_catalog.monitor_progress',
      'millrace_catalog.monitor_series',
      'millrace_catalog.monitor_slot',
      'millrace_catalog.monitor_source',
      'millrace_catalog.monitor_state',
      'millrace_catalog.outbox',
      'millrace_catalog.outbox_topic',
      'millrace_catalog.pair_held',
      'millrace_catalog.pair_join',
      'millrace_catalog.pair_offset',
      'millrace_catalog.parity_audit',
      'millrace_catalog.parity_difference',
      'millrace_catalog.rollout',
      'millrace_catalog.rollout_breach',
      'millrace_catalog.rollout_evidence',
      'millrace_catalog.rollout_look',
      'millrace_catalog.rollout_revision',
      'millrace_catalog.rollout_seen',
      'millrace_catalog.service_version',
      'millrace_catalog.stream_offset',
      'millrace_catalog.view_bundle',
      'millrace_catalog.view_desired',
      'millrace_catalog.view_hour',
      'millrace_catalog.view_version',
    ]);
    expect(await migrateToLatest(database.pool)).toEqual([]);
  });

  it('run once, however many processes start at the same moment', async () => {
    const runs = await Promise.all(Array.from({ length: 6 }, () => migrateToLatest(database.url)));
    expect(runs.filter((run) => run.length > 0)).toEqual([ALL]);
  });

  it("run beside those of another database, although roles are the server's", async () => {
    const others = await Promise.all(Array.from({ length: 3 }, () => createOwnDatabase(inject('stack').databaseUrl)));
    try {
      const runs = await Promise.all([database, ...others].map(({ url }) => migrateToLatest(url)));
      expect(runs).toEqual([ALL, ALL, ALL, ALL]);
    } finally {
      for (const other of others) await other.drop();
    }
  });

  it('keep what the catalog of an earlier version holds, and complete it', async () => {
    const { pool } = database;
    await migrateUpTo(database.url, '0003-sql-functions');
    const insert = `INSERT INTO millrace_catalog.view_version (view, version, fingerprint, layout, layout_tag, status, state_table, source, published_at)
      VALUES ('v', $1, 'f', $2, 1, $3, $4, 's', $5)`;
    await pool.query(insert, [1, JSON.stringify(layout), 'superseded', 'v_v1', '2026-01-01T00:00:00Z']);
    await pool.query(insert, [2, JSON.stringify(layout), 'live', 'v_v2', '2026-02-01T00:00:00Z']);
    await pool.query(insert, [3, JSON.stringify(layout), 'built', 'v_v3', null]);
    await pool.query(
      'CREATE TABLE millrace_state.v_v2 (k text PRIMARY KEY, seq bigint NOT NULL, state bytea NOT NULL)',
    );
    await pool.query(`INSERT INTO millrace_state.v_v2 VALUES ('a', 7, '\\x01')`);
    await pool.query(
      `INSERT INTO millrace_catalog.commit_record (view, version, seq, topic, partition, from_offset, until_offset) VALUES ('v', 2, 1, 't', 0, 0, 5)`,
    );
    expect(await migrateToLatest(pool)).toEqual(ALL.slice(3));
    expect(await versions(pool)).toMatchObject([
      { version: 3, status: 'built', endedAtUs: null, semantics: 1 },
      { version: 2, status: 'live', endedAtUs: null },
      { version: 1, status: 'superseded', endedAtUs: Date.parse('2026-02-01T00:00:00Z') * 1000 },
    ]);
    expect((await pool.query('SELECT * FROM millrace_state.v_v2')).rows).toMatchObject([
      { k: 'a', state_crc: null, state_commit: null },
    ]);
    expect((await pool.query('SELECT seq, fingerprint, commit_id FROM millrace_catalog.commit_record')).rows).toEqual([
      { seq: 1, fingerprint: null, commit_id: null },
    ]);
  });

  it("leave the first release's ledger alone: its workers start again on what this one has migrated", async () => {
    const { pool } = database;
    await migrateToLatest(pool);
    const names = async (ledger: string): Promise<string[]> =>
      (await pool.query<{ name: string }>(`SELECT name FROM millrace_catalog.${ledger} ORDER BY name`)).rows.map(
        ({ name }) => name,
      );
    // Kysely, as the first release used it, refuses a name it does not know.
    expect(await names('kysely_migration')).toEqual(ALL.slice(0, 4));
    expect(await names('kysely_later_migration')).toEqual(ALL.slice(4));
    // What such a worker inserts says nothing of semantics: it is of the first.
    await pool.query(
      `INSERT INTO millrace_catalog.view_version (view, version, fingerprint, layout, layout_tag, status, state_table, source)
       VALUES ('v', 1, 'f', $1, 1, 'building', 'v_v1', 's')`,
      [JSON.stringify(layout)],
    );
    expect(await versions(pool)).toMatchObject([{ semantics: 1 }]);
  });

  it('name a database that is away, or is not there', async () => {
    await expect(migrateToLatest('postgres://postgres@127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'service-unreachable',
      retryable: true,
    });
    const missing = new URL(database.url);
    missing.pathname = '/not_there';
    await expect(migrateToLatest(missing.href)).rejects.toMatchObject({ code: 'database-refused' });
    await expect(migrateToLatest('mysql://x')).rejects.toMatchObject({ code: 'invalid-database-url' });
  });

  it('give powers of two exactly, over the whole double range', async () => {
    await migrateToLatest(database.pool);
    const { rows } = await database.pool.query<{ wrong: number }>(
      `SELECT count(*)::int AS wrong FROM generate_series(-1074, 1022) e
       WHERE millrace_sql.power_of_two(e) * 2 <> millrace_sql.power_of_two(e + 1)
         OR millrace_sql.double_power_of_two(e) * 2 <> millrace_sql.double_power_of_two(e + 1)
         OR float8send(millrace_sql.power_of_two(e)::float8) <> float8send(millrace_sql.double_power_of_two(e))`,
    );
    expect(rows).toEqual([{ wrong: 0 }]);
    const { rows: one } = await database.pool.query<{ one: boolean }>(
      'SELECT millrace_sql.power_of_two(0) = 1 AND millrace_sql.power_of_two(1100) / millrace_sql.power_of_two(1000) = 2 ^ 100::numeric AS one',
    );
    expect(one).toEqual([{ one: true }]);
  });
});

describe('the catalog', () => {
  it('numbers versions apart, also for builders that start together, and one of a view is live', async () => {
    await migrateToLatest(database.pool);
    const { pool } = database;
    const fresh = {
      view: 'v',
      fingerprint: 'f',
      layout,
      layoutTag: 4_000_000_000,
      source: 's',
      topic: 't',
      builder: 'b',
      build: null,
      tags: { features: { n: '0123456789abcdef' }, state: 'aaaaaaaaaaaaaaaa', input: 'bbbbbbbbbbbbbbbb' },
      observedFields: { where: [], key: ['k'], features: { n: ['x'] }, derived: {} },
    };
    const added = await Promise.all(Array.from({ length: 8 }, () => insertVersion(pool, fresh)));
    expect(added.map((one) => one.version).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(new Set(added.map((one) => one.stateTable)).size).toBe(8);
    const built = {
      view: 'v',
      version: 1,
      cut: { clusterId: 'c', takenAtUs: 5, partitions: [{ partition: 0, lowOffset: 0, endOffset: 9 }] },
      history: { files: [{ path: 'p', sizeBytes: 1, rows: 2 }] },
      counts: { ...emptyCounts(), records: 3 },
      entities: 2,
      historyWatermarkUs: -7,
    };
    await markBuilt(pool, built);
    await expect(markBuilt(pool, built)).rejects.toMatchObject({ code: 'internal-bug' });
    expect(await liveVersion(pool, 'v')).toBeNull();
    expect(await setVersionStatus(pool, 'v', 1, ['built'], 'live')).toBe(true);
    expect(await setVersionStatus(pool, 'v', 1, ['built'], 'live')).toBe(false);
    await expect(setVersionStatus(pool, 'v', 2, ['building'], 'live')).rejects.toMatchObject({ code: '23505' });
    const { createdAtUs, builtAtUs, publishedAtUs, commitId, ...live } = (await liveVersion(pool, 'v'))!;
    expect(live).toEqual({
      ...built,
      ...fresh,
      semantics: ENGINE_SEMANTICS,
      servedBefore: [],
      keptUntilUs: null,
      madeFrom: null,
      endedAtUs: null,
      status: 'live',
      seq: 0,
      sqlSurface: 1,
      stateTable: 'v_v1',
      expiredRows: 0,
      expiredBeforeUs: null,
    });
    expect(builtAtUs).toBeGreaterThanOrEqual(createdAtUs);
    expect(publishedAtUs).toBeGreaterThanOrEqual(builtAtUs!);
    expect(BigInt(commitId!)).not.toBe(0n);
    expect(new Set((await versions(pool, 'v')).map((one) => one.commitId)).size).toBe(8);
    expect([await nextSeq(pool, 'v', 1), await nextSeq(pool, 'v', 1)]).toEqual([1, 2]);
  });

  it('gives offsets, dead letters and packed ids back as they were written', async () => {
    await migrateToLatest(database.pool);
    const { pool } = database;
    await insertVersion(pool, {
      view: 'v',
      fingerprint: 'f',
      layout,
      layoutTag: 1,
      source: 's',
      topic: 't',
      builder: 'b',
    });
    const place = { view: 'v', version: 1, topic: 't', partition: 3 };
    const offset = {
      ...place,
      nextOffset: 5,
      endOffset: 9,
      watermarkUs: -1,
      clusterId: 'c',
      anchorOffset: 4,
      anchorDigest: Buffer.from([0, 255]),
      begun: false,
      verdicts: Buffer.from([3]),
      mostlyInvalid: true,
    };
    await insertStreamOffsets(pool, [offset]);
    expect(await streamOffsets(pool, 'v', 1)).toMatchObject([
      { ...offset, generation: 0, attemptMs: 0, owner: null, counts: {} },
    ]);
    const letter = {
      ...place,
      source: 's',
      offset: 7,
      file: null,
      payload: Buffer.from('{\0'),
      reasons: ['a "b"\0 c'],
      brokerTimestampUs: 8,
    };
    await insertDeadLetters(pool, [letter]);
    await insertDeadLetters(pool, [letter]);
    expect(await countDeadLetters(pool, 'v', 1)).toBe(1);
    expect(await deadLetters(pool, 'v', 10)).toMatchObject([{ ...letter, reasons: ['a "b"\u2400 c'] }]);
    // Of several pages.
    const packs = Array.from({ length: 75 }, (_, index) => index + 1).map((seq) => ({
      ...place,
      seq,
      chunk: seq % 2,
      newestEventTimeUs: seq * 10,
      ids: Buffer.alloc(48, seq),
    }));
    await insertDedupeIds(pool, packs);
    const idsOf = async (partitions: number[]): Promise<unknown[]> => {
      const ids: unknown[] = [];
      for await (const pack of dedupeIds(pool, 'v', 1, 't', partitions)) ids.push(pack);
      return ids;
    };
    expect(await idsOf([-1, 3])).toEqual(packs);
    await expireDedupeIds(pool, 'v', 1, 't', 3, 20);
    expect(await idsOf([3])).toEqual(packs.slice(1));
  });
});
