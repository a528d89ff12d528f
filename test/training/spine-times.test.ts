import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { exportSmall, ORDER } from './small-service.ts';
import { readParquet, testFolder, withDuckDb } from './training-fixture.ts';

type Said = Pick<TrainingOptions, 'timeZone' | 'timeAt'>;

/** When the order was. */
const HOUR = 3_600_000_000;
const ORDER_US = Date.UTC(2001, 5, 1) * 1000;

async function spineOf(
  format: 'csv' | 'jsonl' | 'parquet',
  times: readonly string[],
  type = 'VARCHAR',
): Promise<string> {
  const folder = await testFolder();
  const path = join(folder, `s.${format}`);
  if (format === 'csv') await writeFile(path, `shop,event_timestamp\n${times.map((time) => `a,${time}\n`).join('')}`);
  else if (format === 'jsonl')
    await writeFile(path, times.map((time) => `${JSON.stringify({ shop: 'a', event_timestamp: time })}\n`).join(''));
  else {
    const rows = times.map((time) => `('${time}')`).join();
    await withDuckDb((duckdb) =>
      duckdb.run(`COPY (SELECT 'a' AS shop, t::${type} AS event_timestamp FROM (VALUES ${rows}) v(t)) TO '${path}'`),
    );
  }
  return folder;
}

/** What a spine's label times mean, by what its rows see: the first tells whether the order was there, the manifest how times were read. */
async function exported(
  folder: string,
  file: string,
  said: Said,
): Promise<{ manifest: TrainingManifest; seen: unknown[] }> {
  const manifest = await exportSmall(folder, file, { ...said, overwrite: true });
  const { rows } = await readParquet(join(folder, 'out.parquet'));
  return { manifest, seen: rows.map((row) => row['by_shop__spent'] !== null) };
}

async function refused(
  folder: string,
  file: string,
  said: Said = {},
): Promise<{ code: string; message: string; remedy: string }> {
  return exportSmall(folder, file, said).then(
    () => expect.fail('the export went through'),
    (error: { code: string; message: string; remedy: string }) => error,
  );
}

const formats = [
  ['csv', 's.csv', 'VARCHAR'],
  ['jsonl', 's.jsonl', 'VARCHAR'],
  ['parquet', 's.parquet', 'VARCHAR'],
  ['parquet', 's.parquet', 'TIMESTAMP'],
  ['parquet', 's.parquet', 'TIMESTAMP_NS'],
  ['parquet', 's.parquet', 'TIMESTAMP_MS'],
] as const;

describe.each(formats)('%s: times of %s as %s without a zone', (format, file, type) => {
  test('are refused unless a zone is given', async () => {
    const error = await refused(await spineOf(format, ['2001-05-31T14:00:00'], type), file);
    expect(error.code).toBe('spine-bad-time');
    expect(error.message).toContain(
      type === 'VARCHAR'
        ? 'column "event_timestamp" (the label time), row 1: expected an ISO datetime with Z or an offset, no finer than a microsecond, from 1684 to 2255, received "2001-05-31T14:00:00"; it has no zone'
        : 'column "event_timestamp" (the label time) is TIMESTAMP',
    );
    expect(error.remedy).toContain('--time-zone');
  });

  test('are read by the clock of that zone, to the microsecond', async () => {
    // In Berlin the order is of two o'clock: a label sees what is before it.
    const folder = await spineOf(format, ['2001-06-01T02:00:00', '2001-06-01T02:00:01'], type);
    const { manifest, seen } = await exported(folder, file, { timeZone: 'Europe/Berlin' });
    expect(seen).toEqual([false, true]);
    expect(manifest.spine).toMatchObject({ timeZone: 'Europe/Berlin', timeAt: null });
    expect((await exported(folder, file, { timeZone: 'UTC' })).seen).toEqual([true, true]);
    expect(JSON.parse(await readFile(join(folder, 'out.parquet.manifest.json'), 'utf8'))).toMatchObject({
      spine: { timeZone: 'UTC', timeAt: null },
    });
  });

  test('are refused where that clock showed them twice or never, naming the row', async () => {
    const twice = await refused(await spineOf(format, ['2001-05-31T14:00:00', '2001-10-28T02:30:00'], type), file, {
      timeZone: 'Europe/Berlin',
    });
    expect(twice.code).toBe('spine-bad-time');
    expect(twice.message).toMatch(
      /row 2: .*no zone \(Europe\/Berlin\).*received .*2001-10-28T02:30:00.*twice, at 2001-10-28T00:30:00.000000Z and 2001-10-28T01:30:00.000000Z: write which/,
    );
    const never = await refused(await spineOf(format, ['2001-03-25T02:30:00'], type), file, {
      timeZone: 'Europe/Berlin',
    });
    expect(never.message).toMatch(/row 1: .*no clock in Europe\/Berlin showed that/);
  });
});

describe.each([
  ['csv', 's.csv', 'VARCHAR'],
  ['jsonl', 's.jsonl', 'VARCHAR'],
  ['parquet', 's.parquet', 'VARCHAR'],
  ['parquet', 's.parquet', 'DATE'],
] as const)('%s: dates of %s as %s', (format, file, type) => {
  const days = ['2001-05-31', '2001-06-01', '2001-06-02'];

  test('are refused unless it is said which end of the day they mean', async () => {
    const error = await refused(await spineOf(format, days, type), file, { timeZone: 'UTC' });
    expect(error.code).toBe('spine-bad-time');
    expect(error.message).toMatch(/a? ?days?, without a time/);
    expect(error.remedy).toContain('--time-at');
  });

  test('are the start of their day or the midnight after, and come out as dates', async () => {
    const folder = await spineOf(format, days, type);
    const { manifest, seen } = await exported(folder, file, { timeAt: 'start' });
    expect(seen).toEqual([false, false, true]);
    expect(manifest.spine).toMatchObject({ timeZone: null, timeAt: 'start' });
    expect((await exported(folder, file, { timeAt: 'end' })).seen).toEqual([false, true, true]);
    const set = await readParquet(join(folder, 'out.parquet'));
    expect(set.types[1]).toBe(format === 'parquet' ? type : 'DATE');
    expect(set.rows.map((row) => row['event_timestamp'])).toEqual(days);
  });

  test('are days of the zone, where one is given', async () => {
    const folder = await spineOf(format, ['2001-05-31', '2001-06-01'], type);
    // There the order is of May 31st.
    const said = { timeZone: 'Pacific/Honolulu' };
    expect((await exported(folder, file, { ...said, timeAt: 'start' })).seen).toEqual([false, true]);
    expect((await exported(folder, file, { ...said, timeAt: 'end' })).seen).toEqual([true, true]);
  });
});

test('a zone beside a time counts, whatever zone is given for those without; text comes out as instants', async () => {
  const times = ['2001-06-01T02:00:00+00:00', '2001-06-01 02:00', '2001-06-01 00:00:00Z', '2001-05-31'];
  const folder = await spineOf('csv', times);
  await exportSmall(folder, 's.csv', { timeZone: 'Europe/Berlin', timeAt: 'end' });
  const { rows, types } = await readParquet(join(folder, 'out.parquet'));
  expect(types[1]).toBe('TIMESTAMP WITH TIME ZONE');
  const expected = [ORDER_US + 2 * HOUR, ORDER_US, ORDER_US, ORDER_US - 2 * HOUR];
  expect(rows.map((row) => row['event_timestamp'])).toEqual(expected);
});

test('join keys that are times without a zone are read by the same zone', async () => {
  const folder = await testFolder();
  const { ts: _, ...key } = ORDER;
  // Two hours ahead of UTC.
  const row = { ...key, at: '2001-05-31T14:00:00.000001', event_timestamp: '2001-06-01T00:00:01Z' };
  await writeFile(join(folder, 's.jsonl'), `${JSON.stringify(row)}\n`);
  const error = await exportSmall(folder, 's.jsonl', { name: 'wide' }).then(
    () => expect.fail('the export went through'),
    (reason: { code: string; message: string; remedy: string }) => reason,
  );
  expect(error).toMatchObject({ code: 'spine-bad-key', remedy: expect.stringContaining('--time-zone') });
  await exportSmall(folder, 's.jsonl', { name: 'wide', timeZone: 'Europe/Berlin' });
  expect((await readParquet(join(folder, 'out.parquet'))).rows[0]).toMatchObject({ by_key__orders: 1n });
});

test('numbers, digits beyond the microsecond and unknown zones are refused in terms of a spine', async () => {
  const finer = await refused(await spineOf('jsonl', ['2001-05-31T14:00:00.1234567Z']), 's.jsonl');
  expect(finer.message).toContain('digits finer than a microsecond must be zero');
  const number = await testFolder();
  await writeFile(join(number, 's.jsonl'), '{"shop":"a","event_timestamp":991353600}\n');
  expect((await refused(number, 's.jsonl')).message).toContain(
    'a number is no time here: it is written as ISO 8601 text',
  );
  const folder = await spineOf('csv', ['2001-05-31T14:00:00Z']);
  for (const timeZone of ['+02:00', 'Mars/Base', ''])
    expect(await refused(folder, 's.csv', { timeZone })).toMatchObject({ code: 'unknown-time-zone' });
  // As a caller without types may.
  expect(await refused(folder, 's.csv', { timeAt: 'noon' } as never)).toMatchObject({ code: 'unknown-time-at' });
});

test('a repeat takes the label time from the column of then', async () => {
  const folder = await testFolder();
  await writeFile(join(folder, 's.csv'), 'shop,when\na,2001-06-01T00:00:01Z\n');
  const then = await exportSmall(folder, 's.csv', { timeColumn: 'when' });
  expect(await exportSmall(folder, 's.csv', { repeatOf: then, overwrite: true })).toEqual(then);
});

test('a repeat reads times as then, also those of a manifest from before it was said, and refuses others', async () => {
  const folder = await spineOf('csv', ['2001-05-31T14:00:00', '2001-05-31']);
  const said = { timeZone: 'Europe/Berlin', timeAt: 'end' } as const;
  const then = await exportSmall(folder, 's.csv', said);
  const again = await exportSmall(folder, 's.csv', { repeatOf: then, overwrite: true });
  expect(again).toEqual(then);
  await expect(
    exportSmall(folder, 's.csv', { repeatOf: then, timeZone: 'UTC', overwrite: true }),
  ).rejects.toMatchObject({
    code: 'training-set-changed',
    message: expect.stringContaining('timeZone: then "Europe/Berlin", now "UTC"'),
  });
  const { timeZone: _, timeAt: __, ...older } = then.spine;
  const old = await exportSmall(folder, 's.csv', { repeatOf: { ...then, spine: older }, overwrite: true });
  expect(old.spine).toMatchObject({ timeZone: 'UTC', timeAt: 'start' });
});
