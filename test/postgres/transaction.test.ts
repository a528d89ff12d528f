import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident, identSql, sqlText } from '../../engine/postgres/sql.ts';
import { timestampFromText } from '../../engine/postgres/timestamp-text.ts';
import { withClient, withTransaction } from '../../engine/postgres/transaction.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

let database: OwnDatabase;

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await database.pool.query('CREATE TABLE note (id int PRIMARY KEY, text text)');
});
afterAll(() => database.drop());

async function notes(): Promise<number[]> {
  const { rows } = await database.pool.query<{ id: number }>('SELECT id FROM note ORDER BY id');
  return rows.map((row) => row.id);
}

describe('withTransaction', () => {
  it('commits what returns and rolls back what throws', async () => {
    expect(
      await withTransaction(database.pool, async (client) => {
        await client.query('INSERT INTO note VALUES (1)');
        return 'done';
      }),
    ).toBe('done');
    await expect(
      withTransaction(database.pool, async (client) => {
        await client.query('INSERT INTO note VALUES (2)');
        throw new RangeError('mine');
      }),
    ).rejects.toThrow(new RangeError('mine'));
    expect(await notes()).toEqual([1]);
  });

  it('does not take a failed statement for a commit', async () => {
    await expect(
      withTransaction(database.pool, async (client) => {
        await client.query('INSERT INTO note VALUES (3)');
        await client.query('SELECT 1 / 0').catch(() => undefined);
      }),
    ).rejects.toMatchObject({ code: 'transaction-rolled-back' });
    expect(await notes()).toEqual([1]);
  });

  it('names a connection that is lost, and the pool goes on', async () => {
    await expect(
      withTransaction(database.pool, async (client) => {
        await client.query('INSERT INTO note VALUES (4)');
        const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await database.pool.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
        await client.query('INSERT INTO note VALUES (5)');
      }),
    ).rejects.toMatchObject({ code: 'service-unreachable', retryable: true, httpStatus: 503 });
    expect(await notes()).toEqual([1]);
  });

  it('names a deadlock as a conflict worth another try', async () => {
    await database.pool.query('INSERT INTO note VALUES (10), (11)');
    let entered = 0;
    let release: () => void = () => undefined;
    const bothIn = new Promise<void>((resolve) => {
      release = resolve;
    });
    const lock = (first: number, second: number) =>
      withTransaction(database.pool, async (client) => {
        await client.query('UPDATE note SET text = $1 WHERE id = $2', ['x', first]);
        if (++entered === 2) release();
        await bothIn;
        await client.query('UPDATE note SET text = $1 WHERE id = $2', ['x', second]);
      });
    const ends = await Promise.allSettled([lock(10, 11), lock(11, 10)]);
    expect(ends.filter((end) => end.status === 'fulfilled')).toHaveLength(1);
    expect(ends.find((end) => end.status === 'rejected')?.reason).toMatchObject({
      code: 'transaction-conflict',
      retryable: true,
    });
  });

  it('cancels a statement that runs too long, and says so', async () => {
    const pool = createPool(database.url, { statementTimeoutMs: 50 });
    await expect(withClient(pool, (client) => client.query('SELECT pg_sleep(30)'))).rejects.toMatchObject({
      code: 'query-timeout',
      retryable: true,
    });
    await pool.end();
  });
});

describe('bound SQL', () => {
  it('numbers the values of nested pieces', async () => {
    const where = sqlText`WHERE ${identSql('id')} = ${1}`;
    const order = sqlText`${identSql('id')}, ${identSql('text')} DESC`;
    const statement = sqlText`SELECT ${'a'}::text AS a, * FROM ${identSql('note')} ${where} AND ${2}::int = 2 ORDER BY ${order}`;
    expect(statement.text).toBe(
      'SELECT $1::text AS a, * FROM "note" WHERE "id" = $2 AND $3::int = 2 ORDER BY "id", "text" DESC',
    );
    expect(statement.values).toEqual(['a', 1, 2]);
    const { rows } = await database.pool.query({ text: statement.text, values: [...statement.values] });
    expect(rows).toEqual([{ a: 'a', id: 1, text: null }]);
  });

  it('quotes identifiers so that none ends early, and refuses what Postgres would cut', () => {
    expect(ident('millrace', 'a"; DROP TABLE note; --')).toBe('"millrace"."a""; DROP TABLE note; --"');
    for (const name of ['', 'a\0b', 'é'.repeat(32)])
      expect(() => ident(name)).toThrow('not usable as an SQL identifier');
  });
});

describe('sessions', () => {
  it('are UTC and exact: int8 safe or an error, doubles to the bit, timestamps to the µs', async () => {
    const { rows } = await database.pool.query<Record<string, unknown>>(
      `SELECT 9007199254740991::int8 AS big, 5e-324::float8 AS tiny, 0.1::float8 + 0.2::float8 AS sum, 1.50::numeric AS money,
        timestamptz '1700-02-28 23:59:59.999999+00' AS early, timestamptz '2255-01-01 00:00:00.000001-03:30' AS late, date '2001-02-03' AS day`,
    );
    expect(rows).toEqual([
      {
        big: Number.MAX_SAFE_INTEGER,
        tiny: 5e-324,
        sum: 0.1 + 0.2,
        money: '1.50',
        early: Date.UTC(1700, 1, 28, 23, 59, 59, 999) * 1000 + 999,
        late: Date.UTC(2255, 0, 1, 3, 30) * 1000 + 1,
        day: '2001-02-03',
      },
    ]);
    await expect(database.pool.query('SELECT 9007199254740993::int8')).rejects.toMatchObject({
      code: 'unsafe-integer',
    });
  });

  it('read timestamps of other zones, and refuse those beyond the safe integers', () => {
    expect(timestampFromText('2001-06-01 00:00:00.25+00')).toBe(991_353_600_250_000);
    expect(timestampFromText('2001-06-01 05:45:00.25+05:45')).toBe(991_353_600_250_000);
    expect(timestampFromText('1969-12-31 23:59:59.999999+00')).toBe(-1);
    for (const far of ['infinity', '0099-02-28 00:00:00+00', '4000-01-01 00:00:00+00', '0044-03-15 00:00:00+00 BC']) {
      expect(() => timestampFromText(far)).toThrow('not a timestamp within');
    }
  });
});
