import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { AT, HistoryCase, sourceOf } from './history-case.ts';

const history = new HistoryCase();
const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name);
const at = (seconds: number): string => `make_timestamp(${seconds}000000) AT TIME ZONE 'UTC' AS "at"`;
const rowAt = (second: number, row: object): object => ({ ...row, at: second * 1e6 });

describe('names in Parquet files', () => {
  it('reads the column of exactly that name where others differ in case', async () => {
    // DuckDB writes no such names: pyarrow did.
    const path = fixture('like-names-*.parquet');
    const texts = await history.scan(sourceOf(AT, { path }));
    expect(texts.rows).toEqual(['a', 'b', 'c'].map((id, index) => rowAt(index + 1, { id })));
    const numbers = await history.scan(sourceOf({ at: z.iso.datetime(), ID: z.int() }, { path }), 'event-time');
    expect(numbers.rows).toEqual([1, 2, 3].map((ID) => rowAt(ID, { ID })));
    const flags = sourceOf(
      { at: z.iso.datetime(), Id: z.boolean().optional() },
      { path: fixture('like-names-[12].parquet') },
    );
    expect((await history.scan(flags)).rows.map(({ Id }) => Id)).toEqual([true, true]);
  });

  it('names what stands in a file that has only another case, for an optional field too', async () => {
    const folder = await history.files({ 'a.parquet': `SELECT 'a' AS "ID", ${at(1)}` });
    for (const id of [z.string(), z.string().optional()]) {
      const scan = history.scan(sourceOf({ ...AT, id }, { path: join(folder, '*.parquet') }));
      await expect(scan).rejects.toMatchObject({
        code: 'history-column-missing',
        message: expect.stringMatching(/a\.parquet lacks the column "id" \(it has "ID" for "id"\); it has "ID", "at"/),
      });
    }
  });

  it('takes columns that are called as what the reader counts by', async () => {
    const own = `5 AS file_index, 6 AS "File_Row_Number", 'f' AS filename`;
    const folder = await history.files({
      'a.parquet': `SELECT 'x' || i AS id, make_timestamptz(i * 1000000) AS "at", i AS v, ${own} FROM range(3) r(i)`,
      'b.parquet': `SELECT 'y' || i AS id, make_timestamptz(i * 1000000) AS "at", i AS v, 7 AS file_index, 6 AS "File_Row_Number", 'f' AS filename FROM range(2) r(i)`,
      'c.parquet': `SELECT 'z' AS id, ${at(9)}, 1::BIGINT AS v, NULL::INTEGER AS file_index`,
    });
    const members = { ...AT, v: z.int(), file_index: z.int().nullable() };
    for (const order of ['any', 'newest-first', 'event-time'] as const) {
      const of = sourceOf(members, { path: join(folder, '*.parquet') }, { eventId: 'id' });
      const { rows, positions } = await history.scan(of, order);
      const byPosition = positions.map((position, index) => [position, rows[index]!['id']]);
      expect(Object.fromEntries(byPosition)).toEqual({ 0: 'x0', 1: 'x1', 2: 'x2', 3: 'y0', 4: 'y1', 5: 'z' });
      expect(rows.find(({ id }) => id === 'y1')).toEqual(rowAt(1, { id: 'y1', v: 1, file_index: 7 }));
    }
  });
});

describe('numbers that differ in type from file to file', () => {
  it('reads BIGINT, DOUBLE, FLOAT, decimals and unsigned ones file by file, exactly', async () => {
    const folder = await history.files({
      'a.parquet': `SELECT 'a' AS id, ${at(1)}, 9007199254740993::BIGINT AS big, 1::BIGINT AS n, 1.10::DECIMAL(10, 2) AS price`,
      'b.parquet': `SELECT 'b' AS id, ${at(2)}, 2::DOUBLE AS big, 2.0::DOUBLE AS n, 2.1234::DECIMAL(18, 4) AS price`,
      'c.parquet': `SELECT 'c' AS id, ${at(3)}, 18446744073709551615::UBIGINT AS big, NULL::DOUBLE AS n, 3::INTEGER AS price`,
      'd.parquet': `SELECT 'd' AS id, ${at(4)}, 7::UTINYINT AS big, 3.5::DOUBLE AS n, NULL::DECIMAL(4, 0) AS price`,
    });
    const members = { ...AT, big: z.int64(), n: z.int().nullable(), price: decimal(20, 4).nullable() };
    for (const order of ['any', 'event-time'] as const) {
      const { rows, invalid, counts } = await history.scan(
        sourceOf(members, { path: join(folder, '*.parquet') }),
        order,
      );
      expect(rows).toEqual([
        rowAt(1, { id: 'a', big: 9007199254740993n, n: 1, price: '1.1000' }),
        rowAt(2, { id: 'b', big: 2n, n: 2, price: '2.1234' }),
      ]);
      expect(invalid.map(({ position }) => position).toSorted()).toEqual([2, 3]);
      const [tooLarge] = invalid.filter(({ position }) => position === 2);
      expect(tooLarge!.reasons).toEqual([expect.stringMatching(/^big: .*18446744073709551615/)]);
      expect(JSON.parse(tooLarge!.payload)).toMatchObject({ id: 'c', big: '18446744073709551615' });
      expect(invalid.find(({ position }) => position === 3)!.reasons).toEqual([expect.stringMatching(/^n: .*3\.5/)]);
      expect(counts).toMatchObject({ records: 4, invalid: 2 });
    }
  });

  it('sums passengers over months of INT64 and of DOUBLE', async () => {
    const folder = await history.files({
      '2019-01.parquet': `SELECT unnest(['a', 'b']) AS id, ${at(1)}, unnest([1::BIGINT, NULL]) AS passenger_count`,
      '2019-02.parquet': `SELECT unnest(['c', 'd']) AS id, ${at(2)}, unnest([2::DOUBLE, NULL]) AS passenger_count`,
    });
    const members = { ...AT, passenger_count: z.int().nullable() };
    const { rows, invalid } = await history.scan(sourceOf(members, { path: join(folder, '*.parquet') }));
    expect(rows.map((row) => row['passenger_count'])).toEqual([1, null, 2, null]);
    expect(invalid).toEqual([]);
  });

  it('finds one id in columns of several types', async () => {
    const folder = await history.files({
      'a.parquet': `SELECT unnest([7::BIGINT, 8, 9007199254740993]) AS number, ${at(1)}`,
      'b.parquet': `SELECT unnest([7::DOUBLE, 9]) AS number, ${at(2)}`,
      'c.parquet': `SELECT unnest([9.00::DECIMAL(10, 2), 8.00]) AS number, ${at(3)}`,
    });
    const of = sourceOf(
      { number: z.int64(), at: z.iso.datetime() },
      { path: join(folder, '*.parquet') },
      { eventId: 'number' },
    );
    const { ids, counts } = await history.scan(of);
    expect(ids).toEqual(['7', '8', '9007199254740993', '9']);
    expect(counts).toMatchObject({ records: 7, duplicates: 3, invalid: 0 });
  });

  it('takes a column without any value for any type, and still holds its nulls against the contract', async () => {
    const folder = await history.files({
      'a.parquet': `SELECT 'a' AS id, ${at(1)}, 'text' AS v`,
      'b.parquet': `SELECT 'b' AS id, ${at(2)}, NULL::INTEGER AS v`,
    });
    const path = join(folder, '*.parquet');
    const { rows } = await history.scan(sourceOf({ ...AT, v: z.string().nullable() }, { path }));
    expect(rows.map(({ v }) => v)).toEqual(['text', null]);
    const { invalid } = await history.scan(sourceOf({ ...AT, v: z.string() }, { path }));
    expect(invalid.map(({ position }) => position)).toEqual([1]);
    const nulls = await history.scan(
      sourceOf({ ...AT, v: z.boolean().nullable() }, { path: fixture('null-column.parquet') }),
    );
    expect(nulls.rows.map(({ v }) => v)).toEqual([null, null]);
    const required = await history.scan(sourceOf({ ...AT, v: z.boolean() }, { path: fixture('null-column.parquet') }));
    expect(required.invalid).toHaveLength(2);
  });

  it('takes files of several kinds none of which has a value in a column', async () => {
    const folder = await history.files({
      'a.parquet': `SELECT 'a' AS id, ${at(1)}, NULL::INTEGER AS v`,
      'b.parquet': `SELECT 'b' AS id, ${at(2)}, NULL::BOOLEAN AS v, 1 AS more`,
      'c.parquet': `SELECT 'c' AS id, ${at(3)}`,
    });
    const path = join(folder, '*.parquet');
    for (const v of [z.string(), z.int(), z.boolean(), z.iso.date(), z.array(z.int()), z.object({ a: z.int() })]) {
      const { rows, invalid } = await history.scan(sourceOf({ ...AT, v: v.nullish() }, { path }));
      expect(rows.map((row) => row['v'])).toEqual([null, null, null]);
      expect(invalid).toEqual([]);
    }
  });

  it('refuses a type that can never be the field, in whichever file it stands', async () => {
    const folder = await history.files({
      'a.parquet': `SELECT 'a' AS id, ${at(1)}, 1 AS v`,
      'b.parquet': `SELECT 'b' AS id, ${at(2)}, true AS v`,
    });
    const scan = history.scan(sourceOf({ ...AT, v: z.int() }, { path: join(folder, '*.parquet') }));
    await expect(scan).rejects.toMatchObject({
      code: 'column-type-mismatch',
      message: expect.stringMatching(/b\.parquet.*"v".*BOOLEAN/),
    });
  });

  it('names the place within a list or an object whose type can never be the field, and what to do there', async () => {
    const nested = `[1.5::FLOAT] AS list, {'v': 1.5::FLOAT, 'deep': [{'w': true}]} AS o, {'V': 1} AS other`;
    const folder = await history.files({ 'a.parquet': `SELECT 'a' AS id, ${at(1)}, ${nested}` });
    const path = join(folder, '*.parquet');
    const cases: [z.core.$ZodLooseShape, RegExp, RegExp][] = [
      [{ list: z.array(z.number()) }, /"list", in list\[\]: expected a number, .*FLOAT\[\]/, /z\.float32\(\)/],
      [{ o: z.object({ v: z.number() }) }, /"o", in o\.v: expected a number/, /z\.float32\(\)/],
      [
        { o: z.object({ deep: z.array(z.object({ w: z.int() })) }) },
        /"o", in o\.deep\[\]\.w: expected an integer/,
        /docs\/values\.md/,
      ],
      [{ o: z.object({ none: z.int() }) }, /"o", in o\.none: expected an integer/, /docs\/values\.md/],
      // An optional member of another case is no missing one.
      [{ other: z.object({ v: z.int().optional() }) }, /"other", in other\.v: expected an integer/, /docs\/values\.md/],
    ];
    for (const [members, message, remedy] of cases) {
      await expect(history.scan(sourceOf({ ...AT, ...members }, { path }))).rejects.toMatchObject({
        code: 'column-type-mismatch',
        message: expect.stringMatching(message),
        remedy: expect.stringMatching(remedy),
      });
    }
    const { rows } = await history.scan(
      sourceOf({ ...AT, list: z.array(z.float32()), o: z.object({ v: z.float32(), x: z.int().optional() }) }, { path }),
    );
    expect(rows[0]).toMatchObject({ list: [1.5], o: { v: 1.5, x: null } });
  });
});

describe('what DuckDB would alter', () => {
  it('refuses INT96 and nanoseconds in UTC unless the source cuts them off, and keeps far dates as invalid rows', async () => {
    const local = { ...AT, at: z.iso.datetime({ local: true }) };
    const truncate = { finerThanMicros: 'truncate' } as const;
    const int96 = { path: fixture('int96.parquet') };
    for (const of of [sourceOf(local, int96), sourceOf(AT, { path: fixture('utc-nanoseconds.parquet') })]) {
      await expect(history.scan(of)).rejects.toMatchObject({
        code: 'column-type-mismatch',
        message: expect.stringMatching(/INT96|a TIMESTAMP of nanoseconds in UTC/),
        remedy: expect.stringContaining("finerThanMicros: 'truncate'"),
      });
    }
    const { rows, invalid } = await history.scan(sourceOf(local, int96, truncate));
    expect(rows).toEqual([
      { id: 'fine', at: 1000000000123456 },
      { id: 'micros', at: 1000000000123456 },
    ]);
    expect(invalid.map(({ position }) => position)).toEqual([2, 3]);
    const utc = await history.scan(sourceOf(AT, { path: fixture('utc-nanoseconds.parquet') }, truncate));
    expect(utc.rows.map((row) => row['at'])).toEqual([1000000000123456, 1000000001000000]);
  });

  it('cuts towards the past, and lets a row be invalid whose time DuckDB has cut towards zero', async () => {
    // -1 ns and -1001 ns.
    const scan = (name: string): ReturnType<HistoryCase['scan']> => {
      const path = join(import.meta.dirname, '../cases/fixtures', `early-${name}.parquet`);
      const local = { ...AT, at: z.iso.datetime({ local: true }) };
      return history.scan(sourceOf(local, { path }, { finerThanMicros: 'truncate' }));
    };
    for (const name of ['nanos-local', 'int96'])
      expect((await scan(name)).rows.map((row) => row['at'])).toEqual([-1, -2]);
    const { rows, invalid } = await scan('nanos-utc');
    expect(rows).toEqual([]);
    expect(invalid.map(({ reasons }) => reasons)).toEqual(
      [0, 1].map(() => [expect.stringMatching(/^at: .*can be cut towards the past from 1970 on only/)]),
    );
  });

  it('tells nanoseconds that are none from nanoseconds, where it can', async () => {
    const local = { ...AT, at: z.iso.datetime({ local: true }) };
    const path = fixture('nanoseconds.parquet');
    const { rows, invalid } = await history.scan(sourceOf(local, { path }));
    expect(rows).toEqual([{ id: 'a', at: 1000000000123456 }]);
    expect(invalid.map(({ position }) => position)).toEqual([1]);
    await expect(history.scan(sourceOf(AT, { path }))).rejects.toMatchObject({ code: 'column-type-mismatch' });
  });

  it('refuses decimals that it rounds', async () => {
    const scan = history.scan(sourceOf({ ...AT, v: z.number() }, { path: fixture('wide-decimal.parquet') }));
    await expect(scan).rejects.toMatchObject({
      code: 'column-type-mismatch',
      message: expect.stringContaining('a decimal of 60 digits'),
    });
  });
});
