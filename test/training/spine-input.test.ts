import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exportSmall, ORDER, type SmallService } from './small-service.ts';
import { filesIn, readParquet, testFolder, withDuckDb } from './training-fixture.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';

const AT = Date.UTC(2001, 5, 1) * 1000;

/** Exports a spine of this text; gives the error. */
async function refusal(file: string, text: string | Buffer, name: SmallService = 'narrow') {
  const folder = await testFolder();
  await writeFile(join(folder, file), text);
  const error = await exportSmall(folder, file, { name }).then(
    () => expect.fail('the export went through'),
    (reason: { code: string; message: string; remedy: string }) => reason,
  );
  expect(error.remedy).toBeTruthy();
  expect(await filesIn(folder)).toEqual([file, 'orders.jsonl'].sort());
  return error;
}

describe('bad spines', () => {
  test('a missing file, an unknown format, a folder', async () => {
    const folder = await testFolder();
    await expect(exportSmall(folder, 'none.csv')).rejects.toMatchObject({ code: 'spine-not-found' });
    await mkdir(join(folder, 'd.csv'));
    await expect(exportSmall(folder, 'd.csv')).rejects.toMatchObject({ code: 'spine-not-found' });
    expect(await refusal('s.xlsx', 'x')).toMatchObject({ code: 'spine-format-unknown' });
  });

  test('zero rows, in every format', async () => {
    for (const [file, text] of [
      ['s.csv', ''],
      ['s.csv', 'shop,event_timestamp\n'],
      ['s.jsonl', ''],
      ['s.jsonl', '\n'],
      ['s.json', '[]'],
    ] as const) {
      expect(await refusal(file, text)).toMatchObject({ code: 'empty-spine' });
    }
    const folder = await testFolder();
    await withDuckDb((duckdb) =>
      duckdb.run(`COPY (SELECT 'a' AS shop, now() AS event_timestamp LIMIT 0) TO '${folder}/s.parquet'`),
    );
    await expect(exportSmall(folder, 's.parquet')).rejects.toMatchObject({ code: 'empty-spine' });
  });

  test('files that are not what their name says', async () => {
    expect(await refusal('s.parquet', 'shop,event_timestamp\n')).toMatchObject({ code: 'spine-unreadable' });
    expect(await refusal('s.jsonl', '{"shop":"a"}\n{oops\n')).toMatchObject({ code: 'spine-unreadable' });
    expect(await refusal('s.csv', 'shop,event_timestamp\na,2001-06-01T00:00:00Z,9,9\n')).toMatchObject({
      code: 'spine-unreadable',
    });
  });

  test('CSV that breaks its dialect, by line and reason', async () => {
    const T = '2001-06-01T00:00:00Z';
    const cases: [string | Buffer, RegExp][] = [
      [`shop,event_timestamp\na,${T}\r\nb,${T}\n`, /line 2 cannot be read as csv: .*mixed line ends/],
      [Buffer.from(`shop,event_timestamp\nM\u00fc,${T}\n`, 'latin1'), /line 2 cannot be read as csv: it is not UTF-8/],
      [`shop,event_timestamp\n"a,${T}\n`, /line 2 .*never closed/],
      [`shop,event_timestamp\na,${T},\n`, /line 2 .*expected 2 fields as in the header, found 3/],
    ];
    for (const [content, message] of cases) {
      const error = await refusal('s.csv', content);
      expect(error.code).toBe('spine-unreadable');
      expect(error.message).toMatch(message);
    }
  });

  test('names that differ only in case', async () => {
    const error = await refusal('s.csv', 'shop,Shop,event_timestamp\na,b,2001-06-01T00:00:00Z\n');
    expect(error).toMatchObject({ code: 'spine-names-alike', message: expect.stringContaining('"shop" and "Shop"') });
    const folder = await testFolder();
    const fixture = join(import.meta.dirname, '../history/fixtures/like-names-1.parquet');
    await copyFile(fixture, join(folder, 's.parquet'));
    await expect(exportSmall(folder, 's.parquet')).rejects.toMatchObject({
      code: 'spine-names-alike',
      message: expect.stringContaining('"ID" and "id" and "Id"'),
    });
  });

  test('a missing column names what is there, and a near miss', async () => {
    const error = await refusal('s.csv', 'Shop,when\na,2001-06-01T00:00:00Z\n');
    expect(error.code).toBe('spine-column-missing');
    expect(error.message).toContain('no column "event_timestamp" (the label time); it has: Shop, when');
    expect(error.message).toContain('no column "shop" (join key of entity "customer"); it has "Shop", and case counts');
    expect(error.remedy).toContain('--time COLUMN');
  });

  test('of very many columns some are named, and another delimiter is seen', async () => {
    const names = Array.from({ length: 3000 }, (_, index) => `${'x'.repeat(200)}${index}`);
    const row = Object.fromEntries(names.map((name) => [name, 1]));
    const error = await refusal('s.jsonl', `${JSON.stringify(row)}\n`);
    expect(error.message).toContain('and 2970 more');
    expect(error.message.length).toBeLessThan(20_000);
    expect(await refusal('s.csv', 'shop;event_timestamp\na;2001-06-01T00:00:00Z\n')).toMatchObject({
      code: 'spine-column-missing',
      remedy: expect.stringContaining('delimited by ";"'),
    });
    expect((await refusal('s.tsv', 'shop,event_timestamp\n')).remedy).toContain('delimited by ","');
  });

  test('null keys', async () => {
    const error = await refusal(
      's.csv',
      `shop,event_timestamp\n${['a', '', ''].map((shop) => `${shop},2001-06-01T00:00:00Z\n`).join('')}`,
    );
    expect(error.code).toBe('spine-null-key');
    expect(error.message).toContain('column "shop" (join key of entity "customer"), row 2: null (and 1 more row)');
  });

  test('times that are none', async () => {
    const rows = [
      'yesterday',
      '2001-02-30T00:00:00Z',
      '2001-06-01T24:00:00Z',
      '2001-06-01T00:00:00.1234567Z',
      '0900-01-01T00:00:00Z',
      '1',
    ]
      .map((time) => `{"shop":"a","event_timestamp":"${time}"}\n`)
      .join('');
    const error = await refusal('s.jsonl', `{"shop":"a","event_timestamp":"2001-06-01T00:00:00Z"}\n${rows}`);
    expect(error.code).toBe('spine-bad-time');
    expect(error.message).toMatch(
      /"event_timestamp" .*, row 2: expected an ISO datetime with Z or an offset, .*, received "yesterday" \(and 5 more rows\)/,
    );
    const typed = await testFolder();
    await withDuckDb((duckdb) =>
      duckdb.run(`COPY (SELECT 'a' AS shop, 1.5 AS event_timestamp) TO '${typed}/s.parquet'`),
    );
    await expect(exportSmall(typed, 's.parquet')).rejects.toMatchObject({ code: 'spine-bad-time' });
  });

  test('keys of the wrong type, all of them at once', async () => {
    const bad = {
      shop: 'a',
      kind: 'phone',
      number: 1.5,
      big: '9223372036854775808',
      price: '1.505',
      paid: 'maybe',
      day: '2001-02-30',
      at: 'noon',
      event_timestamp: '2001-06-01T00:00:00Z',
    };
    const error = await refusal('s.jsonl', `${JSON.stringify(bad)}\n`, 'wide');
    expect(error.code).toBe('spine-bad-key');
    for (const column of ['kind', 'number', 'big', 'price', 'paid', 'day', 'at'])
      expect(error.message).toContain(`column "${column}"`);
    expect(error.message).toContain('expected one of "web", "store", received "phone"');
    const folder = await testFolder();
    await withDuckDb((duckdb) =>
      duckdb.run(`COPY (SELECT 1 AS shop, now() AS event_timestamp) TO '${folder}/s.parquet'`),
    );
    await expect(exportSmall(folder, 's.parquet')).rejects.toMatchObject({
      code: 'spine-bad-key',
      message: expect.stringContaining('is INTEGER; expected text'),
    });
  });

  test('several kinds of fault are told together', async () => {
    const error = await refusal('s.csv', 'shop,event_timestamp,By_Shop__Spent\n,never,1\n');
    expect(error.code).toBe('spine-invalid');
    expect(error.message).toContain('row 1: null');
    expect(error.message).toContain('received "never"');
    expect(error.message).toContain(
      'the spine\'s column "By_Shop__Spent" and feature "spent" of view "by_shop" would both be written',
    );
  });
});

describe('the place of the output', () => {
  test('an existing file is kept unless overwriting is allowed; a missing folder is named', async () => {
    const folder = await testFolder();
    await writeFile(join(folder, 's.csv'), 'shop,event_timestamp\na,2001-06-01T00:00:00Z\n');
    await writeFile(join(folder, 'out.parquet'), 'mine');
    await expect(exportSmall(folder, 's.csv')).rejects.toMatchObject({ code: 'out-exists', httpStatus: 409 });
    await expect(exportSmall(folder, 's.csv', { out: join(folder, 'no/out.parquet') })).rejects.toMatchObject({
      code: 'out-folder-missing',
    });
    // A name that the file system takes, and that of the files beside it does not.
    await expect(exportSmall(folder, 's.csv', { out: join(folder, 'x'.repeat(250)) })).rejects.toMatchObject({
      code: 'out-not-writable',
    });
    await mkdir(join(folder, 'taken'));
    await expect(exportSmall(folder, 's.csv', { out: join(folder, 'taken'), overwrite: true })).rejects.toMatchObject({
      code: 'out-exists',
    });
    expect((await exportSmall(folder, 's.csv', { overwrite: true })).rows).toBe(1);
    expect((await readParquet(join(folder, 'out.parquet'))).rows.length).toBe(1);
  });
});

describe('good spines', () => {
  test('every type of key, in text and in Parquet, at times in every form', async () => {
    const folder = await testFolder();
    const { ts: _, ...keys } = ORDER;
    const times = [
      '2001-06-01T00:00:00Z',
      '2001-06-01T02:00:00.000001+02:00',
      '2001-06-01T00:00:00.000001',
      '2001-06-02',
    ];
    const said = { timeZone: 'UTC', timeAt: 'start' } as const;
    await writeFile(
      join(folder, 's.jsonl'),
      times.map((t) => `${JSON.stringify({ ...keys, event_timestamp: t, x: { y: [1] } })}\n`).join(''),
    );
    const head = `${Object.keys(keys).join()},event_timestamp\n`;
    await writeFile(join(folder, 's.csv'), head + times.map((t) => `${Object.values(keys).join()},${t}\n`).join(''));
    await withDuckDb((duckdb) =>
      duckdb.run(
        `COPY (SELECT shop, kind, number::TINYINT AS number, big::BIGINT AS big, price::DECIMAL(18, 3) AS price, paid, day::DATE AS day,
                 "at"::TIMESTAMP_NS AS "at", event_timestamp FROM read_csv('${folder}/s.csv', types = {event_timestamp: 'TIMESTAMPTZ'}))
         TO '${folder}/s.parquet'`,
      ),
    );
    const counts = [0n, 1n, 1n, 1n];
    const keyTypes = [
      'VARCHAR',
      'VARCHAR',
      'BIGINT',
      'BIGINT',
      'DECIMAL(6,2)',
      'BOOLEAN',
      'DATE',
      'TIMESTAMP WITH TIME ZONE',
    ];
    for (const spine of ['s.jsonl', 's.csv', 's.parquet']) {
      const { spine: read } = await exportSmall(folder, spine, { name: 'wide', overwrite: true, ...said });
      expect(read).toMatchObject(said);
      const set = await readParquet(join(folder, 'out.parquet'));
      expect([spine, ...set.rows.map((row) => row['by_key__orders'])]).toEqual([spine, ...counts]);
      expect(set.rows.map((row) => row['event_timestamp'])).toEqual([AT, AT + 1, AT + 1, AT + 86_400_000_000]);
      const types =
        spine === 's.parquet'
          ? ['VARCHAR', 'VARCHAR', 'TINYINT', 'BIGINT', 'DECIMAL(18,3)', 'BOOLEAN', 'DATE', 'TIMESTAMP_NS']
          : keyTypes;
      expect(set.types.slice(0, 8)).toEqual(types);
      const names = ['orders_1h', 'spent', 'last_kind', 'last_big', 'last_day', 'last_at', 'any_paid'].map(
        (name) => `by_shop__${name}`,
      );
      expect(set.names.slice(-7)).toEqual(names);
      expect(set.types.slice(-7)).toEqual([
        'BIGINT',
        'DECIMAL(38,2)',
        'VARCHAR',
        'BIGINT',
        'DATE',
        'TIMESTAMP WITH TIME ZONE',
        'BOOLEAN',
      ]);
      const last = set.rows[1]!;
      expect(names.map((name) => last[name])).toEqual([
        1n,
        '1.50',
        'web',
        2n ** 63n - 1n,
        '2001-05-31',
        AT - 43_200_000_000 + 1,
        true,
      ]);
      expect(names.map((name) => set.rows[0]![name])).toEqual([0n, null, null, null, null, null, null]);
      expect(set.rows[3]!['by_shop__orders_1h']).toBe(0n);
    }
  });

  test('columns pass as they are: order, names, types, texts with leading zeros, quotes and line ends, empty texts', async () => {
    const folder = await testFolder();
    const text =
      'zip,shop,when,e,big,f,b,"a ""quoted"", name",n\n007,a,2001-06-02,"",12345678901234567890,1.5,true,"x\ny",1\n8,b,2001-06-02,,1,2000.0,false,,\n';
    await writeFile(join(folder, 's.csv'), text);
    await exportSmall(folder, 's.csv', { timeColumn: 'when', timeAt: 'start' });
    const set = await readParquet(join(folder, 'out.parquet'));
    expect(set.names.slice(0, 9)).toEqual(['zip', 'shop', 'when', 'e', 'big', 'f', 'b', 'a "quoted", name', 'n']);
    expect(set.types.slice(0, 9).join()).toBe('VARCHAR,VARCHAR,DATE,VARCHAR,VARCHAR,DOUBLE,BOOLEAN,VARCHAR,BIGINT');
    expect(
      set.rows.map((row) => [row['zip'], row['e'], row['big'], row['f'], row['b'], row['a "quoted", name'], row['n']]),
    ).toEqual([
      ['007', '', '12345678901234567890', 1.5, true, 'x\ny', 1n],
      ['8', null, '1', 2000, false, null, null],
    ]);
    expect(set.rows.map((row) => row['by_shop__spent'])).toEqual(['1.50', null]);
  });

  test('a Parquet spine keeps its types, and a name that looks like a pattern is a name', async () => {
    const folder = await testFolder();
    const select = `SELECT 'a' AS shop, TIMESTAMP '2001-06-02' AS event_timestamp, 1::UTINYINT AS u, 1.5::FLOAT AS f, TIME '12:00:00' AS t,
      [1, NULL] AS l, {'x': 1} AS s, 'b'::BLOB AS b, '123e4567-e89b-12d3-a456-426614174000'::UUID AS id, 1.5::DECIMAL(9, 3) AS d,
      TIMESTAMP_NS '2001-06-02 00:00:00.123456789' AS ns, MAP {'k': 1} AS m`;
    await withDuckDb((duckdb) => duckdb.run(`COPY (${select}) TO '${folder}/s[1]*.parquet'`));
    await exportSmall(folder, 's[1]*.parquet', { timeZone: 'UTC' });
    await withDuckDb(async (duckdb) => {
      const [then] = await duckdb.query<{ text: string }>(`SELECT CAST(s AS VARCHAR) AS text FROM (${select}) s`);
      const columns = await duckdb.query<{ column_name: string; column_type: string }>(`DESCRIBE ${select}`);
      const now = await duckdb.query<{ column_name: string; column_type: string }>(
        `DESCRIBE SELECT * FROM '${folder}/out.parquet'`,
      );
      const [text] = await duckdb.query<{ text: string }>(
        `SELECT CAST(s AS VARCHAR) AS text FROM (SELECT * EXCLUDE (${now
          .slice(12)
          .map((c) => c.column_name)
          .join()}) FROM '${folder}/out.parquet') s`,
      );
      expect(now.slice(0, 12)).toEqual(columns);
      expect(text).toEqual(then);
    });
  });
});

test('a spine too wide for the memory says so', async () => {
  const folder = await testFolder();
  const row = Object.fromEntries(Array.from({ length: 12_000 }, (_, index) => [`x${index}`, 1]));
  await writeFile(join(folder, 's.jsonl'), `${JSON.stringify(row)}\n`);
  const memory = new MemoryBudget({ ...memoryShares(2048), duckDbBytes: 64 << 20 });
  await expect(exportSmall(folder, 's.jsonl', { memory })).rejects.toMatchObject({
    code: 'memory-limit-too-small',
    remedy: expect.stringContaining('MEMORY_MB'),
  });
});
