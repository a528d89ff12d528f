/** The migration of evidence on a database that has rollouts, and what is kept of one. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { EvidenceSums } from '../../engine/evidence/evidence-sums.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import {
  noteBreach,
  noteSeen,
  putLook,
  rolloutBreach,
  rolloutEvidence,
  rolloutLook,
  rolloutSeen,
} from '../../engine/postgres/rollout-evidence.ts';
import { rollouts } from '../../engine/postgres/rollouts.ts';
import { migrateUpTo } from './migrate-up-to.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateUpTo(database.url, '0026-rollouts');
  await database.pool.query(
    `INSERT INTO millrace_catalog.rollout (id, model, revision, salt, mode, phase, stage, shadow, variants, asked, lease_until)
     VALUES ('r1', 'late', 1, 's', 'stages', 'open', 0, false, '[]', '{}', clock_timestamp())`,
  );
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

const cells = (values: readonly number[]) => {
  const sums = new EvidenceSums();
  for (const value of values)
    sums.observe({ metric: 'metric', stage: 1, variant: 'candidate', segments: ['origin=LAS'], value });
  return sums.cells();
};

it('keeps the rollouts there are', async () => {
  expect(await rollouts(database.pool)).toMatchObject([{ id: 'r1', model: 'late' }]);
  expect(await rolloutLook(database.pool, 'r1')).toBeNull();
  expect(await rolloutSeen(database.pool, 'r1')).toBeNull();
  expect(await rolloutBreach(database.pool, 'r1')).toBeNull();
});

it('puts the evidence of a look in the place of the one before, to the byte', async () => {
  const { pool } = database;
  await putLook(pool, 'r1', { cells: cells([1, 2, 0.1]), rule: { alpha: 0.05 }, judgement: { asOfUs: 1 } });
  await putLook(pool, 'r1', { cells: cells([0.1, 0.2]), rule: { alpha: 0.05 }, judgement: { asOfUs: 2 } });
  const kept = await rolloutEvidence(pool, 'r1');
  expect(kept.map(({ moments, ...key }) => ({ ...key, moments: Buffer.from(moments) }))).toEqual(
    cells([0.2, 0.1]).map(({ moments, ...key }) => ({ ...key, moments: Buffer.from(moments) })),
  );
  expect(
    EvidenceSums.of(kept).read({ metric: 'metric', stage: 1, variant: 'candidate', segment: 'origin=LAS' }).count,
  ).toBe(2);
  expect(await rolloutLook(pool, 'r1')).toMatchObject({ rule: { alpha: 0.05 }, judgement: { asOfUs: 2 } });
  await expect(putLook(pool, 'r2', { cells: [], rule: {}, judgement: {} })).rejects.toMatchObject({ code: '23503' });
});

it('lets the span that was seen grow, and the first breach stand', async () => {
  const { pool } = database;
  await noteSeen(pool, 'r1', { firstDecidedUs: 50, lastDecidedUs: 90, decisions: 7 });
  await noteSeen(pool, 'r1', { firstDecidedUs: 60, lastDecidedUs: 70, decisions: 2 });
  expect(await rolloutSeen(pool, 'r1')).toEqual({ firstDecidedUs: 50, lastDecidedUs: 90, decisions: 7 });
  await noteBreach(pool, 'r1', { stage: 1 }, 'errors');
  await noteBreach(pool, 'r1', { stage: 2 }, 'latency');
  expect(await rolloutBreach(pool, 'r1')).toEqual({ breach: { stage: 1 }, why: 'errors' });
});
