/** The migration of outbox and pairs on a database that has models and dead letters, and what its tables refuse of themselves. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { pairsStatus, wasJoined } from '../../engine/pairs/pairs-status.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { modelVersions } from '../../engine/postgres/model-versions.ts';
import { migrateUpTo } from './migrate-up-to.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

it('keeps the models there are; nothing was joined yet, and counts never fall below nothing', async () => {
  const { pool } = database;
  await migrateUpTo(database.url, '0024-models');
  await pool.query(
    `INSERT INTO millrace_catalog.model_version (model, version, sha256, size_bytes, publish_id, chunks, cluster_id, topic, from_offset, until_offset,
       service, features, signature, lineage, actor)
     VALUES ('late', 1, '${'a'.repeat(64)}', 1, gen_random_uuid(), 1, 'c', 't', 0, 1, 's', '{}', '{}', '{}', 'ana')`,
  );
  await migrateToLatest(pool);
  expect(await modelVersions(pool, 'late')).toMatchObject([{ model: 'late', version: 1 }]);
  expect(await wasJoined(pool, 'late')).toBe(false);
  expect((await pairsStatus(pool, 'late', 'millrace.pairs.late')).figures).toMatchObject({ pairs: 0, outbox: 0 });
  await pool.query(`INSERT INTO millrace_catalog.outbox_topic (topic) VALUES ('t')`);
  await expect(pool.query(`UPDATE millrace_catalog.outbox_topic SET rows = -1`)).rejects.toMatchObject({
    code: '23514',
  });
  const side = (labelSet: string, name: string): string =>
    `INSERT INTO millrace_catalog.pair_offset (label_set, side, topic, partition, cluster_id, first_offset, next_offset, end_offset)
     VALUES ('${labelSet}', '${name}', 't', 0, 'c', 0, 3, 10)`;
  await expect(pool.query(side('late', 'decisions'))).rejects.toMatchObject({ code: '23503' });
  await pool.query(
    `INSERT INTO millrace_catalog.pair_join (label_set, tag, topic, pairs) VALUES ('late', 'tag', 't', 4)`,
  );
  await expect(pool.query(side('late', 'both'))).rejects.toMatchObject({ code: '23514' });
  await pool.query(side('late', 'decisions'));
  await expect(pool.query(side('late', 'decisions'))).rejects.toMatchObject({ code: '23505' });
  expect(await wasJoined(pool, 'late')).toBe(true);
  expect((await pairsStatus(pool, 'late', 't')).figures).toMatchObject({
    pairs: 4,
    lag: { decisions: 7, outcomes: 0 },
  });
  const held = `INSERT INTO millrace_catalog.pair_held (label_set, side, key, time_us, id_hash, id, paired, value) VALUES ('late', 'decisions', '\\x01', 5, '\\x02', '"d"', false, '\\x03')`;
  await pool.query(held);
  // One row per record: what is said twice is held once.
  await expect(pool.query(held)).rejects.toMatchObject({ code: '23505' });
});
