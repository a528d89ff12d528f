import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { AT, HistoryCase, sourceOf } from './history-case.ts';

const history = new HistoryCase();
const members = { ...AT, v: z.int() };

/** A file whose bytes from one to another are zero. */
async function damage(path: string, from: number, to: number): Promise<void> {
  const bytes = await readFile(path);
  bytes.fill(0, from, to);
  await writeFile(path, bytes);
}

const select = (prefix: string, rows: number): string =>
  `SELECT '${prefix}' || md5(i::VARCHAR) AS id, make_timestamptz(i * 1000000) AS "at", hash(i) % 1000 AS v FROM range(${rows}) r(i)`;

describe('a damaged file among good ones', () => {
  it('is named once, is not to be tried again, and leaves nothing', async () => {
    for (const rows of [3, 20_000]) {
      for (const eventId of [undefined, 'id']) {
        for (const order of ['any', 'newest-first', 'event-time'] as const) {
          const folder = await history.files({
            'a.parquet': select('a', rows),
            'b.parquet': select('b', rows),
            'c.parquet': select('c', rows),
          });
          await damage(join(folder, 'b.parquet'), 4, 36);
          const of = sourceOf(members, { path: join(folder, '*.parquet') }, { eventId });
          await expect(history.scan(of, order)).rejects.toMatchObject({
            code: 'history-unreadable',
            retryable: false,
            message: expect.stringContaining('b.parquet'),
            details: { path: join(folder, 'b.parquet') },
          });
          expect(await history.duckdb.query('SELECT table_name FROM duckdb_tables()')).toEqual([]);
        }
      }
    }
  });

  it('says which rows are damaged where a file has several row groups', async () => {
    const folder = await history.files({});
    const path = join(folder, 'a.parquet');
    await history.duckdb.run(`COPY (${select('a', 10_000)}) TO '${path}' (ROW_GROUP_SIZE 2048)`);
    const [page] = await history.duckdb.query<{ at: bigint }>(
      `SELECT data_page_offset AS at FROM parquet_metadata('${path}') WHERE row_group_id = 2 AND path_in_schema = 'id'`,
    );
    await damage(path, Number(page!.at), Number(page!.at) + 64);
    await expect(history.scan(sourceOf(members, { path }))).rejects.toMatchObject({
      code: 'history-unreadable',
      message: expect.stringMatching(/a\.parquet, rows 4096 to 6143 could not be read/),
    });
  });

  it('is found by its checksums where its pages are not compressed, and its values would pass', async () => {
    const good = await readFile(join(import.meta.dirname, 'fixtures', 'checksums.parquet'));
    const folder = await history.files({ 'a.parquet': good });
    const path = join(folder, 'a.parquet');
    expect((await history.scan(sourceOf(members, { path }))).rows).toHaveLength(50);
    // Row 30's value, 30, becomes 31: one bit, which DuckDB reads without a word.
    const value = Buffer.alloc(16);
    value.writeBigInt64LE(30n, 0);
    value.writeBigInt64LE(31n, 8);
    const at = good.indexOf(value);
    expect(at).toBeGreaterThan(0);
    const bytes = Buffer.from(good);
    bytes.writeBigInt64LE(31n, at);
    await writeFile(path, bytes);
    await expect(history.scan(sourceOf(members, { path }))).rejects.toMatchObject({
      code: 'history-unreadable',
      message: expect.stringMatching(
        /a\.parquet, column "v", row group 1 could not be read: a page differs from its checksum/,
      ),
    });
    // A column that is not read is no matter.
    expect((await history.scan(sourceOf(AT, { path }))).rows).toHaveLength(50);
  });

  it('is named where its footer is, its text is not UTF-8, or it has vanished', async () => {
    const folder = await history.files({ 'a.parquet': select('a', 3), 'b.parquet': select('b', 3) });
    const of = sourceOf(members, { path: join(folder, '*.parquet') });
    const b = join(folder, 'b.parquet');
    const whole = await readFile(b);
    const text = Buffer.from(whole);
    await writeFile(b, whole.subarray(0, whole.length - 20));
    await expect(history.scan(of)).rejects.toMatchObject({
      code: 'history-unreadable',
      message: expect.stringContaining('b.parquet'),
    });
    const first = text.indexOf(`b${createHash('md5').update('0').digest('hex').slice(0, 6)}`);
    expect(first).toBeGreaterThan(0);
    text[first] = 0xff;
    await writeFile(b, text);
    await expect(history.scan(of)).rejects.toMatchObject({
      code: 'history-unreadable',
      message: expect.stringMatching(/b\.parquet.*utf-?8/i),
    });
  });

  it('is named where it vanishes while it is scanned', async () => {
    const folder = await history.files({ 'a.parquet': select('a', 3), 'b.parquet': select('b', 3) });
    const of = sourceOf(members, { path: join(folder, '*.parquet') });
    const scan = scanHistory({
      source: of,
      order: 'any',
      duckdb: history.duckdb,
      listings: listingsOfProcess(systemClock),
      onInvalid: () => {},
      beforeEvents: () => rm(join(folder, 'b.parquet')),
    });
    const scanning = (async () => {
      for await (const _ of scan);
    })();
    await expect(scanning).rejects.toMatchObject({
      code: 'history-unreadable',
      retryable: false,
      message: expect.stringMatching(/b\.parquet could not be read: the file is gone/),
    });
  });
});
