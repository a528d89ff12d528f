import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import { connectionOf, databaseUrlFault } from '../../engine/postgres/database-url.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { withClient } from '../../engine/postgres/transaction.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

const ODD = [
  "DateStyle = 'SQL, DMY'",
  "TimeZone = 'America/New_York'",
  'extra_float_digits = 0',
  "bytea_output = 'escape'",
  "IntervalStyle = 'sql_standard'",
  "default_transaction_isolation = 'serializable'",
];

async function settingsOf(pool: pg.Pool): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    `SELECT name, setting FROM pg_settings WHERE name IN ('DateStyle', 'TimeZone', 'extra_float_digits', 'bytea_output',
      'default_transaction_isolation', 'search_path', 'work_mem', 'client_encoding')`,
  );
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

const OURS = {
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  default_transaction_isolation: 'read committed',
  client_encoding: 'UTF8',
};

describe('a session', () => {
  it("has the URL's own options and ours, whatever role and database set", async () => {
    const name = new URL(database.url).pathname.slice(1);
    for (const setting of ODD) await database.pool.query(`ALTER DATABASE ${name} SET ${setting}`);
    const url = new URL(database.url);
    url.searchParams.set('options', '-c search_path=app -c work_mem=5MB -c TimeZone=Asia/Tokyo');
    url.searchParams.set('client_encoding', 'LATIN1');
    const pool = createPool(url.href, { max: 1 });
    try {
      const settings = await settingsOf(pool);
      expect(settings).toMatchObject({ ...OURS, search_path: 'app', work_mem: '5120' });
      expect(settings['DateStyle']).toMatch(/^ISO/);
      const { rows } = await pool.query(
        `SELECT 0.1::float8 + 0.2::float8 AS sum, '\\x00ff5c'::bytea AS bytes, timestamptz '2024-11-03T01:30:00-04:00' AS at, date '2001-02-03' AS day, 'é' AS text`,
      );
      expect(rows).toEqual([
        {
          sum: 0.1 + 0.2,
          bytes: Buffer.from([0x00, 0xff, 0x5c]),
          at: Date.UTC(2024, 10, 3, 5, 30) * 1000,
          day: '2001-02-03',
          text: 'é',
        },
      ]);
    } finally {
      await pool.end();
    }
  });

  it('takes PGOPTIONS where the URL has none, as libpq does', () => {
    expect(connectionOf('postgres://a@b/c', '-c work_mem=7MB').options).toMatch(/^-c work_mem=7MB -c TimeZone=UTC /);
    expect(connectionOf('postgres://a@b/c?options=-c%20work_mem%3D5MB', '-c work_mem=7MB').options).not.toContain(
      '7MB',
    );
  });

  it('leaves a URL as it is spelt where nothing of it is taken', () => {
    const spelt = 'postgres://a:p%25+x@b/c?sslmode=disable';
    expect(connectionOf(spelt, undefined).connectionString).toBe(spelt);
    const taken = connectionOf(`${spelt}&options=endpoint%3Dep-1`, undefined);
    expect(new URL(taken.connectionString).searchParams.get('sslmode')).toBe('disable');
    expect(new URL(taken.connectionString).password).toBe('p%25+x');
    expect(taken.options).toMatch(/^endpoint=ep-1 -c /);
  });
});

describe('a URL of several hosts', () => {
  it.each([
    ['postgres://me:secret@a:5432,b:5433/x', 'a:5432,b:5433'],
    ['postgresql://a,b/x?target_session_attrs=read-write', 'a,b'],
    ['postgres:///x?host=a,b', 'a,b'],
  ])('is refused by that reason, without its password: %s', (url, hosts) => {
    expect(databaseUrlFault(url)?.expected).toBe(`one host, and it names several (${hosts})`);
    expect(() => createPool(url)).toThrow(`it names several (${hosts})`);
    let refused: unknown;
    try {
      readEnvironment({ DATABASE_URL: url });
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ code: 'bad-configuration' });
    expect(String(refused)).toContain(`names several (${hosts})`);
    expect(String(refused)).not.toContain('secret');
  });

  it('is told from one host, an address of version 6 and a password with a comma', () => {
    for (const url of ['postgres://a:5432/x', 'postgres://[::1]:5432/x', 'postgres://u:p,q@a/x'])
      expect(databaseUrlFault(url)).toBeNull();
    expect(databaseUrlFault('mysql://a/x')?.expected).toBe('a URL postgres://user:password@host:port/database');
  });
});

describe('a pooler', () => {
  it('that refuses a start-up parameter is named as such, with what to do, and not tried again', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => {
        const text = 'SFATAL\0C08P01\0Munsupported startup parameter: options\0\0';
        const head = Buffer.alloc(5);
        head.write('E');
        head.writeInt32BE(text.length + 4, 1);
        socket.end(Buffer.concat([head, Buffer.from(text)]));
      });
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const pool = createPool(`postgres://me@127.0.0.1:${port}/x`, { max: 1 });
    try {
      const refused: unknown = await withClient(pool, (client) => client.query('SELECT 1')).catch(
        (error: unknown) => error,
      );
      expect(refused).toMatchObject({ code: 'startup-parameter-refused', retryable: false });
      expect(String(refused)).toContain('unsupported startup parameter: options');
      expect(String(refused)).not.toContain('cannot be reached');
    } finally {
      await pool.end();
      server.close();
    }
  });
});
