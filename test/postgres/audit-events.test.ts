import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { appendEvent, auditEvents } from '../../engine/postgres/audit-events.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { applyRoles } from '../../engine/postgres/roles.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

const HOUR_US = 3_600_000_000;
const T0 = Date.UTC(2026, 0, 1) * 1000;

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

const event = { actor: 'ana@laptop', action: 'promote', subject: 'clicks', input: {}, result: { outcome: 'accepted' } };

describe('what was done', () => {
  it('is given back as it was noted, the newest first, of one subject, and since a time', async () => {
    const { pool } = database;
    await appendEvent(pool, { ...event, atUs: T0 });
    await appendEvent(pool, {
      ...event,
      atUs: T0 + HOUR_US,
      subject: 'users',
      input: { shards: 2, names: ['a', 'b'] },
    });
    await appendEvent(pool, { ...event, subject: null, action: 'migrate' });
    const all = await auditEvents(pool, { limit: 10 });
    expect(all.map(({ action, subject }) => [action, subject])).toEqual([
      ['migrate', null],
      ['promote', 'users'],
      ['promote', 'clicks'],
    ]);
    expect(all[1]).toEqual({ ...event, ...all[1], subject: 'users', input: { shards: 2, names: ['a', 'b'] } });
    expect(all[1]!.atUs).toBe(T0 + HOUR_US);
    expect(Math.abs(all[0]!.atUs - Date.now() * 1000)).toBeLessThan(HOUR_US);
    expect(await auditEvents(pool, { subject: 'clicks', limit: 10 })).toEqual([all[2]]);
    expect(await auditEvents(pool, { sinceUs: T0 + 1, limit: 10 })).toEqual(all.slice(0, 2));
    expect(await auditEvents(pool, { limit: 1 })).toEqual(all.slice(0, 1));
  });

  it('is noted once where it is said twice, and goes with the change that did not happen', async () => {
    const { pool } = database;
    for (const actor of ['first', 'second']) await appendEvent(pool, { ...event, actor, said: 'run 1' });
    const failing = withTransaction(pool, async (client) => {
      await appendEvent(client, { ...event, actor: 'nobody' });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    const actors = (await auditEvents(pool, { limit: 100 })).map(({ actor }) => actor);
    expect(actors).toContain('first');
    expect(actors).not.toContain('second');
    expect(actors).not.toContain('nobody');
  });

  it('is bounded: long inputs by their size, and of all events the newest 100,000 stay', async () => {
    const { pool } = database;
    await appendEvent(pool, {
      ...event,
      actor: 'x'.repeat(1_000),
      input: { text: 'y'.repeat(10_000) },
      result: { text: 'a\0b' },
    });
    const [long] = await auditEvents(pool, { limit: 1 });
    expect(long).toMatchObject({ input: { bytes: 10_011, leftOut: true }, result: { text: 'a\ufffdb' } });
    expect(long!.actor).toHaveLength(200);
    await pool.query(
      `INSERT INTO millrace_catalog.audit_event (actor, action, input, result)
       SELECT 'many', 'n', '{}', '{}' FROM generate_series(1, 100000)`,
    );
    const { rows } = await pool.query<{ n: number; others: number }>(
      `SELECT count(*)::int AS n, count(*) FILTER (WHERE actor <> 'many')::int AS others FROM millrace_catalog.audit_event`,
    );
    expect(rows).toEqual([{ n: 100_000, others: 0 }]);
  });

  it('is added to and read by a worker, read by a server, and changed by neither', async () => {
    const { pool } = database;
    await withTransaction(pool, (client) => applyRoles(client));
    const as = (role: string, statement: string): Promise<unknown> =>
      withTransaction(pool, async (client) => {
        await client.query(`SET LOCAL ROLE ${role}`);
        return await client.query(statement);
      });
    const table = 'millrace_catalog.audit_event';
    const insert = `INSERT INTO ${table} (actor, action, input, result) VALUES ('w', 'x', '{}', '{}')`;
    await as('millrace_worker', insert);
    // What is too old goes all the same: by the owner's rights.
    const { rows } = await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`);
    expect(rows).toEqual([{ n: 100_000 }]);
    const denied = { code: 'database-refused', message: expect.stringContaining('permission denied') };
    for (const statement of [`DELETE FROM ${table}`, `UPDATE ${table} SET actor = 'z'`, `TRUNCATE ${table}`]) {
      await expect(as('millrace_worker', statement)).rejects.toMatchObject(denied);
      await expect(as('millrace_server', statement)).rejects.toMatchObject(denied);
    }
    await expect(as('millrace_server', insert)).rejects.toMatchObject(denied);
    for (const role of ['millrace_worker', 'millrace_server']) await as(role, `SELECT FROM ${table} LIMIT 1`);
    await expect(as('millrace_reader', `SELECT FROM ${table}`)).rejects.toMatchObject(denied);
  });
});
