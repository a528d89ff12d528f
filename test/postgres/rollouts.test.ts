/** The migration of rollouts on a database that has models, and what its tables refuse of themselves. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { modelVersions } from '../../engine/postgres/model-versions.ts';
import { rollouts } from '../../engine/postgres/rollouts.ts';
import { migrateUpTo } from './migrate-up-to.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

const insert = (id: string, phase: string, ended: string): string =>
  `INSERT INTO millrace_catalog.rollout (id, model, revision, salt, mode, phase, stage, shadow, variants, asked, lease_until, ended_at)
   VALUES ('${id}', 'late', 1, 's', 'stages', '${phase}', 0, false, '[]', '{}', clock_timestamp(), ${ended})`;

it('keeps the models there are, and has one open rollout of each', async () => {
  const { pool } = database;
  await migrateUpTo(database.url, '0024-models');
  await pool.query(
    `INSERT INTO millrace_catalog.model_version (model, version, sha256, size_bytes, publish_id, chunks, cluster_id, topic, from_offset, until_offset,
       service, features, signature, lineage, actor)
     VALUES ('late', 1, '${'a'.repeat(64)}', 1, gen_random_uuid(), 1, 'c', 't', 0, 1, 's', '{}', '{}', '{}', 'ana')`,
  );
  await migrateToLatest(pool);
  expect(await modelVersions(pool, 'late')).toMatchObject([{ model: 'late', version: 1 }]);
  expect(await rollouts(pool)).toEqual([]);
  await pool.query(insert('a', 'open', 'NULL'));
  await expect(pool.query(insert('b', 'open', 'NULL'))).rejects.toMatchObject({ constraint: 'rollout_open' });
  await pool.query(insert('b', 'returned', 'clock_timestamp()'));
  await expect(pool.query(insert('c', 'stopped', 'NULL'))).rejects.toMatchObject({ code: '23514' });
  await expect(pool.query(insert('c', 'gone', 'clock_timestamp()'))).rejects.toMatchObject({ code: '23514' });
  expect((await rollouts(pool, 'late')).map(({ id }) => id)).toEqual(['b', 'a']);
});
