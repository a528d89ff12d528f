import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDuckDb, requiredDuckDbOptions } from '../../engine/duckdb/duckdb.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-duckdb-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Prepares a query over an empty table, fills it, runs the query; prints how many groups come back and a hash of their keys. */
const reexecution = (options: Readonly<Record<string, string>>): string => `
  const { DuckDBInstance } = require('duckdb');
  (async () => {
    const instance = await DuckDBInstance.create(':memory:', ${JSON.stringify(options)});
    const connection = await instance.connect();
    await connection.run('create table b(e varchar, ts bigint, q bigint)');
    const query = await connection.prepare('select e, ts//3600 tile, count(*) n, sum(q) s from b group by 1, 2');
    await query.runAndReadAll();
    await connection.run("insert into b select 'user_' || i, i * 100, i from range(1000) t(i)");
    const rows = (await query.runAndReadAll()).getRows();
    const right = rows.filter(([e, tile, n, s]) => e === 'user_' + s && tile === (s * 100n) / 3600n && n === 1n).length;
    console.log(rows.length + ' rows, ' + right + ' right');
  })();`;

describe('a prepared statement that runs again after its tables changed', () => {
  const run = (options: Readonly<Record<string, string>>): string => {
    const { stdout, signal } = spawnSync(process.execPath, ['-e', reexecution(options)], { encoding: 'utf8' });
    return signal === null ? stdout.trim() : `ended by ${signal}`;
  };

  it('gives the right rows with the options every instance gets', () => {
    expect(run(requiredDuckDbOptions)).toBe('1000 rows, 1000 right');
  });

  it('is still wrong in this DuckDB without them: drop the option when this fails', () => {
    expect(run({})).not.toBe('1000 rows, 1000 right');
  });

  it('is right on an instance opened by openDuckDb, on every connection', async () => {
    const duckdb = await openDuckDb({ memoryMb: 128, tempDir: folder });
    try {
      await duckdb.run('create table b(e varchar, ts bigint, q bigint)');
      const connection = await duckdb.connect();
      const query = await connection.prepare(
        'select e, ts//3600 tile, count(*) n, sum(q) s from b group by 1, 2 order by s',
      );
      await query.runAndReadAll();
      await duckdb.run(`insert into b select 'user_' || i, i * 100, i from range(1000) t(i)`);
      const rows = (await query.runAndReadAll()).getRows();
      expect(rows).toEqual(
        Array.from({ length: 1000 }, (_, i) => [`user_${i}`, BigInt(Math.floor(i / 36)), 1n, BigInt(i)]),
      );
      connection.closeSync();
    } finally {
      await duckdb.close();
    }
  });
});

describe('openDuckDb', () => {
  it('is in UTC on every connection, stays within its memory by spilling, and leaves no files', async () => {
    const tempDir = join(folder, 'spill');
    const duckdb = await openDuckDb({ memoryMb: 64, tempDir, threads: 1 });
    const connection = await duckdb.connect();
    const [[zone]] = (await connection.runAndReadAll(`SELECT current_setting('TimeZone')`)).getRows() as [[string]];
    expect(zone).toBe('UTC');
    connection.closeSync();
    await duckdb.run(`CREATE TABLE t AS SELECT md5(i::VARCHAR) AS a FROM range(4000000) r(i)`);
    let count = 0;
    let before = '';
    for await (const chunk of duckdb.chunks('SELECT a FROM t ORDER BY a')) {
      count += chunk.rowCount;
      const first = chunk.getColumnVector(0).getItem(0) as string;
      expect(first > before).toBe(true);
      before = first;
    }
    expect(count).toBe(4_000_000);
    await duckdb.close();
    await duckdb.close();
    expect(await readdir(tempDir)).toEqual([]);
  });

  it('ends a query when the signal aborts or the loop is left', async () => {
    const duckdb = await openDuckDb({ memoryMb: 256, tempDir: folder });
    try {
      const abort = new AbortController();
      const endless = duckdb.run('SELECT count(*) FROM range(1000000000) a, range(1000000000) b', [], abort.signal);
      abort.abort(new Error('enough'));
      await expect(endless).rejects.toThrow('enough');
      for await (const chunk of duckdb.chunks('SELECT * FROM range(1000000000)')) {
        expect(chunk.rowCount).toBeGreaterThan(0);
        break;
      }
      expect(await duckdb.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await duckdb.close();
    }
  });

  it('names a spill that has no room', async () => {
    const duckdb = await openDuckDb({ memoryMb: 64, tempDir: folder, threads: 1 });
    try {
      await duckdb.run("SET max_temp_directory_size = '1MB'");
      const spilling = duckdb.run('CREATE TABLE t AS SELECT md5(i::VARCHAR) AS a FROM range(4000000) r(i) ORDER BY a');
      await expect(spilling).rejects.toMatchObject({ code: 'spill-folder-full', retryable: true });
    } finally {
      await duckdb.close();
    }
  });

  it('names a fault of its memory limit', async () => {
    const duckdb = await openDuckDb({ memoryMb: 64, tempDir: folder });
    try {
      const tooMuch = duckdb.run(`SELECT string_agg(md5(i::VARCHAR), '') FROM range(20000000) r(i)`);
      await expect(tooMuch).rejects.toMatchObject({ code: 'memory-limit-too-small' });
    } finally {
      await duckdb.close();
    }
  });
});
