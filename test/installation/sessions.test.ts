import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { oneAtATime } from '../../engine/archive/one-at-a-time.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

let database: OwnDatabase;

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
});
afterAll(async () => await database?.drop());

it('a lock is that of workers of the release before, and no other installation waits for it', async () => {
  const blue = createPool(database.url, { max: 2, installation: installationNames('blue') });
  const holder = await database.pool.connect();
  try {
    // As every release so far has written it.
    await holder.query("SELECT pg_advisory_lock(hashtextextended('millrace.bound-catalog', 0))");
    const work = (): Promise<string> => Promise.resolve('done');
    expect(await oneAtATime(database.pool, 'bound-catalog', work)).toBeNull();
    expect(await oneAtATime(blue, 'bound-catalog', work)).toBe('done');
  } finally {
    holder.release(true);
    await blue.end();
  }
});

it('statements of long names are told apart, though Postgres sees the beginnings of their names alone', async () => {
  const one = createPool(database.url, { max: 1 });
  try {
    const name = 'x'.repeat(70);
    const answers = [];
    for (const n of [1, 2, 1])
      answers.push((await one.query<{ n: number }>({ name: `${name}${n}`, text: `SELECT ${n} AS n` })).rows[0]?.n);
    expect(answers).toEqual([1, 2, 1]);
  } finally {
    await one.end();
  }
});
