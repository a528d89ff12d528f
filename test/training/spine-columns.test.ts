import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { exportSmall } from './small-service.ts';
import { filesIn, type ParquetFile, readParquet, testFolder, withDuckDb } from './training-fixture.ts';

const TIME = '2001-06-02T00:00:00Z';
const fixture = (name: string): string => join(import.meta.dirname, '../history/fixtures', name);

/** The training set of a spine: its type and value of each column beside key and time, all as text. */
async function exportOf(
  file: string,
  content: string | Buffer,
): Promise<ParquetFile & { texts: Record<string, string | null>[] }> {
  const folder = await testFolder();
  await writeFile(join(folder, file), content);
  await exportSmall(folder, file);
  const out = join(folder, 'out.parquet');
  const set = await readParquet(out);
  const texts = await withDuckDb((duckdb) =>
    duckdb.query<Record<string, string | null>>(`SELECT COLUMNS(*)::VARCHAR FROM read_parquet('${out}')`),
  );
  return { ...set, texts };
}

function jsonl(rows: readonly string[]): string {
  return rows.map((row) => `{"shop":"a","event_timestamp":"${TIME}"${row === '' ? '' : `,${row}`}}\n`).join('');
}

async function jsonColumn(values: readonly string[]): Promise<[type: string, ...values: (string | null)[]]> {
  const { names, types, texts } = await exportOf(
    's.jsonl',
    jsonl(values.map((value) => (value === '' ? '' : `"x":${value}`))),
  );
  return [types[names.indexOf('x')]!, ...texts.map((row) => row['x'] ?? null)];
}

async function csvColumn(values: readonly string[]): Promise<[type: string, ...values: (string | null)[]]> {
  const rows = values.map((value) => `a,${TIME},${value}\n`).join('');
  const { types, texts } = await exportOf('s.csv', `shop,event_timestamp,x\n${rows}`);
  return [types[2]!, ...texts.map((row) => row['x'] ?? null)];
}

describe('numbers of JSON keep their value', () => {
  test.each([
    [
      ['1', '9007199254740993', '-9223372036854775808'],
      ['BIGINT', '1', '9007199254740993', '-9223372036854775808'],
    ],
    [
      ['0.1', '1.10', '2', '1e-7'],
      ['DOUBLE', '0.1', '1.1', '2.0', '1e-07'],
    ],
    [
      ['42.0', '1e2'],
      ['DOUBLE', '42.0', '100.0'],
    ],
    [
      ['-0', '5'],
      ['DOUBLE', '-0.0', '5.0'],
    ],
    [['0.30000000000000004'], ['DOUBLE', '0.30000000000000004']],
    [
      ['12345678901234567890', '1'],
      ['DECIMAL(20,0)', '12345678901234567890', '1'],
    ],
    [
      ['12345678901234567890', '0.125', '-1e3'],
      ['DECIMAL(23,3)', '12345678901234567890.000', '0.125', '-1000.000'],
    ],
    [
      ['0.12345678901234567890123', '7'],
      ['DECIMAL(24,23)', '0.12345678901234567890123', '7.00000000000000000000000'],
    ],
    [
      ['1e400', '1.10'],
      ['VARCHAR', '1e400', '1.1'],
    ],
    [['1e-400'], ['VARCHAR', '1e-400']],
    [['9'.repeat(39)], ['VARCHAR', '9'.repeat(39)]],
  ])('%j', async (values, expected) => {
    expect(await jsonColumn(values)).toEqual(expected);
  });
});

test('all else of JSON comes out as it came in: kinds, lists, objects, what is missing', async () => {
  expect(await jsonColumn(['true', 'null', '', 'false'])).toEqual(['BOOLEAN', 'true', null, null, 'false']);
  expect(await jsonColumn(['"2001-01-01"', '"007"', '""'])).toEqual(['VARCHAR', '2001-01-01', '007', '']);
  expect(await jsonColumn(['"a\\u0000b"', '"\\ud83d\\ude00 é"'])).toEqual(['VARCHAR', 'a\0b', '😀 é']);
  expect(await jsonColumn(['[0.1, null, 3]', '[]', 'null'])).toEqual(['DOUBLE[]', '[0.1, NULL, 3.0]', '[]', null]);
  expect(await jsonColumn(['[[1],[2,9007199254740993]]'])).toEqual(['BIGINT[][]', '[[1], [2, 9007199254740993]]']);
  expect(await jsonColumn(['["a","b, c"]'])).toEqual(['VARCHAR[]', "[a, 'b, c']"]);
  expect(await jsonColumn(['{"b":1.5,"a":12345678901234567890,"A":[1e400]}'])).toEqual([
    'JSON',
    '{"b":1.5,"a":12345678901234567890,"A":[1e400]}',
  ]);
  expect(await jsonColumn(['"1"', '1', 'true', '[1]'])).toEqual(['JSON', '"1"', '1', 'true', '[1]']);
  expect(await jsonColumn(['{"a":[-0,-0.0,1.0,1.10]}'])).toEqual(['JSON', '{"a":[-0,-0.0,1.0,1.1]}']);
  expect(await jsonColumn(['[12345678901234567890]'])).toEqual(['JSON', '[12345678901234567890]']);
  expect(await jsonColumn(['null', ''])).toEqual(['VARCHAR', null, null]);
});

test('text of CSV keeps what it says: a type is given where it prints all values as they are written', async () => {
  expect(await csvColumn(['1', '', '-5'])).toEqual(['BIGINT', '1', null, '-5']);
  expect(await csvColumn(['1', '2.5', '1e-07', '2000.0'])).toEqual(['DOUBLE', '1.0', '2.5', '1e-07', '2000.0']);
  expect(await csvColumn(['0.30000000000000004'])).toEqual(['DOUBLE', '0.30000000000000004']);
  expect(await csvColumn(['9007199254740993', '1.5'])).toEqual(['VARCHAR', '9007199254740993', '1.5']);
  expect(await csvColumn(['1.9', '1.10'])).toEqual(['VARCHAR', '1.9', '1.10']);
  expect(await csvColumn(['1.50', '2.25', '-0.10'])).toEqual(['DECIMAL(4,2)', '1.50', '2.25', '-0.10']);
  expect(await csvColumn(['12345678901234567890.5'])).toEqual(['DECIMAL(21,1)', '12345678901234567890.5']);
  expect(await csvColumn(['12345678901234567890'])).toEqual(['VARCHAR', '12345678901234567890']);
  expect(await csvColumn(['0.1234567890123456789', '1'])).toEqual(['VARCHAR', '0.1234567890123456789', '1']);
  for (const text of ['007', '+1', '1_000', '0x1F', '2e3', '1e400', '1e-400', 'nan', 'inf', ' 1', '-', '.5', '-0.00'])
    expect(await csvColumn([text])).toEqual(['VARCHAR', text]);
  expect(await csvColumn(['True', 'FALSE'])).toEqual(['BOOLEAN', 'true', 'false']);
  expect(await csvColumn(['t'])).toEqual(['VARCHAR', 't']);
});

const odd = [
  'a b.c',
  'V__N',
  'file_row_number',
  'file_index',
  'filename',
  'c0',
  'j0',
  'row_number',
  '__millrace_row',
  'select',
  'q"q',
  "it's",
  '日本',
  'by_shop__x',
  'training_spine',
];

test('odd names come through, in every format, whatever the path is called', async () => {
  const values = odd.map((_, index) => BigInt(index));
  const folder = join(await testFolder(), 'year=2001');
  await mkdir(folder);
  const names = ['shop', 'event_timestamp', ...odd];
  const cell = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  await writeFile(join(folder, 's.csv'), `${names.map(cell).join()}\na,${TIME},${values.join()}\n`);
  const row = Object.fromEntries([
    ['shop', 'a'],
    ['event_timestamp', TIME],
    ...odd.map((name, index) => [name, index] as const),
  ]);
  await writeFile(join(folder, 's.jsonl'), `${JSON.stringify(row)}\n`);
  await writeFile(join(folder, 's.json'), JSON.stringify([row], null, 2));
  await withDuckDb((duckdb) => {
    const list = odd.map((name, index) => `${index}::BIGINT AS ${cell(name)}`).join();
    return duckdb.run(
      `COPY (SELECT 'a' AS shop, TIMESTAMPTZ '${TIME}' AS event_timestamp, ${list}) TO '${folder}/s.parquet'`,
    );
  });
  for (const file of ['s.csv', 's.jsonl', 's.json', 's.parquet']) {
    const out = join(folder, '..', 'out.parquet');
    await exportSmall(folder, file, { out, overwrite: true });
    const set = await readParquet(out);
    expect([file, ...set.names.slice(0, names.length)]).toEqual([file, ...names]);
    expect(set.rows.map((found) => odd.map((name) => found[name]))).toEqual([values]);
    expect(set.names.slice(names.length).every((name) => name.startsWith('by_shop__'))).toBe(true);
  }
});

test('names that no training set can have are refused', async () => {
  for (const [file, content, message] of [
    ['s.csv', `,shop,event_timestamp\n0,a,${TIME}\n`, /column 1 has no name/],
    ['s.jsonl', jsonl(['"":1']), /column 3 has no name/],
    ['s.jsonl', jsonl(['"a\\u0000b":1']), /the name "a\\u0000b"/],
  ] as const) {
    await expect(exportOf(file, content)).rejects.toMatchObject({
      code: 'spine-bad-name',
      message: expect.stringMatching(message),
    });
  }
  await expect(exportOf('s.jsonl', jsonl(['"N":1', '"n":2']))).rejects.toMatchObject({
    code: 'spine-names-alike',
    message: expect.stringContaining('"N" and "n"'),
  });
});

test('a clash with a feature names both, whatever the case', async () => {
  for (const name of ['by_shop__spent', 'BY_SHOP__Spent']) {
    await expect(exportOf('s.jsonl', jsonl([`"${name}":1`]))).rejects.toMatchObject({
      code: 'feature-column-clash',
      message: expect.stringContaining(`the spine's column "${name}" and feature "spent" of view "by_shop"`),
    });
  }
});

test('Parquet columns that would come out changed are refused', async () => {
  for (const [file, what] of [
    ['int96.parquet', /is INT96/],
    ['utc-nanoseconds.parquet', /nanoseconds in UTC/],
    ['wide-decimal.parquet', /a decimal of \d+ digits; more than 38/],
  ] as const) {
    const folder = await testFolder();
    await copyFile(fixture(file), join(folder, 's.parquet'));
    await expect(exportSmall(folder, 's.parquet')).rejects.toMatchObject({
      code: 'spine-column-altered',
      message: expect.stringMatching(what),
      remedy: expect.stringContaining('leave the column out'),
    });
  }
  const folder = await testFolder();
  await withDuckDb((duckdb) =>
    duckdb.run(`COPY (SELECT 'a' AS shop, now() AS event_timestamp, 'x'::VARIANT AS v) TO '${folder}/s.parquet'`),
  );
  await expect(exportSmall(folder, 's.parquet')).rejects.toMatchObject({
    code: 'spine-column-altered',
    message: expect.stringContaining('column "v" is VARIANT'),
  });
});

test('every type of Parquet that DuckDB writes comes out as it went in', async () => {
  const folder = await testFolder();
  const values = [
    `'123e4567-e89b-12d3-a456-426614174000'::UUID`,
    '12345678901234567890123456789012345678::DECIMAL(38,0)',
    '1.5::DECIMAL(38,37)',
    '18446744073709551615::UBIGINT',
    `TIMESTAMP_NS '2001-06-02 00:00:00.123456789'`,
    `'12:00:00.123456789'::TIME_NS`,
    `'12:00:00.123456+00'::TIMETZ`,
    `INTERVAL '1 month 2 days 3.5 seconds'`,
    `[{'a b': 1, 'c,d': [1.5::DECIMAL(4,2)]}]`,
    `MAP {'k': [1, NULL]}`,
    `'{"a": 1.10}'::JSON`,
    `'a\\x00b'::BLOB`,
    `'infinity'::DATE`,
    `'-infinity'::TIMESTAMP`,
    `'nan'::FLOAT`,
    `'-0.0'::DOUBLE`,
    'NULL::INTEGER',
  ];
  const list = values.map((value, index) => `${value} AS v${index}`).join();
  await withDuckDb(async (duckdb) => {
    await duckdb.run(
      `COPY (SELECT 'a' AS shop, TIMESTAMPTZ '${TIME}' AS event_timestamp, ${list}) TO '${folder}/s.parquet'`,
    );
    await exportSmall(folder, 's.parquet');
    const columns = values.map((_, index) => `v${index}`);
    const read = async (file: string) => [
      await duckdb.query(`DESCRIBE SELECT ${columns.join()} FROM '${folder}/${file}'`),
      await duckdb.query(
        `SELECT ${columns.map((name) => `${name}::VARCHAR AS ${name}`).join()} FROM '${folder}/${file}'`,
      ),
    ];
    expect(await read('out.parquet')).toEqual(await read('s.parquet'));
  });
});

test('rows, order and repeats are those of the file, in every format', async () => {
  // Three with one key and time, two that are the same in full, times falling.
  const rows = [
    ['a', '2001-06-05T00:00:00Z', 1],
    ['b', '2001-06-04T00:00:00Z', 2],
    ['a', '2001-06-03T00:00:00Z', 3],
    ['a', '2001-06-03T00:00:00Z', 4],
    ['a', '2001-06-03T00:00:00Z', 4],
    ['a', '2001-06-01T00:00:00Z', 5],
  ] as const;
  for (const some of [rows, rows.slice(3, 4)]) {
    const folder = await testFolder();
    await writeFile(
      join(folder, 's.csv'),
      `shop,event_timestamp,label\n${some.map((row) => `${row.join()}\n`).join('')}`,
    );
    const json = some.map(([shop, event_timestamp, label]) => ({ shop, event_timestamp, label }));
    await writeFile(join(folder, 's.jsonl'), json.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await writeFile(join(folder, 's.json'), JSON.stringify(json));
    await writeFile(
      join(folder, 's.csv.gz'),
      gzipSync(`shop,event_timestamp,label\n${some.map((row) => `${row.join()}\n`).join('')}`),
    );
    await withDuckDb((duckdb) =>
      duckdb.run(
        `COPY (SELECT * FROM read_csv('${folder}/s.csv', types = {event_timestamp: 'TIMESTAMPTZ'})) TO '${folder}/s.parquet'`,
      ),
    );
    for (const file of ['s.csv', 's.jsonl', 's.json', 's.csv.gz', 's.parquet']) {
      await exportSmall(folder, file, { overwrite: true });
      const set = await readParquet(join(folder, 'out.parquet'));
      const expected = some.map(([shop, time, label]) => [
        shop,
        Date.parse(time) * 1000,
        BigInt(label),
        shop === 'a' && label !== 5 ? '1.50' : null,
      ]);
      const got = set.rows.map((row) => [row['shop'], row['event_timestamp'], row['label'], row['by_shop__spent']]);
      expect([file, ...got]).toEqual([file, ...expected]);
    }
  }
});

test('many rows keep their order, over chunks and row groups, in every format', async () => {
  const folder = await testFolder();
  const count = 150_000;
  await withDuckDb(async (duckdb) => {
    const rows = `SELECT 'a' AS shop, TIMESTAMPTZ '2001-06-01 00:00:00+00' + INTERVAL (hash(i) % 100000) SECOND AS event_timestamp, i AS label, 'é' || i AS text FROM range(${count}) t(i)`;
    await duckdb.run(`COPY (${rows}) TO '${folder}/s.parquet' (ROW_GROUP_SIZE 10000)`);
    await duckdb.run(`COPY (${rows}) TO '${folder}/s.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')`);
    await duckdb.run(`COPY (${rows}) TO '${folder}/s.json' (ARRAY true, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')`);
    for (const file of ['s.parquet', 's.csv', 's.json']) {
      await exportSmall(folder, file, { overwrite: true });
      const [wrong] = await duckdb.query<{ n: bigint; rows: bigint }>(
        `SELECT count(*) FILTER (label <> i OR text <> 'é' || i) AS n, count(*) AS rows
         FROM (SELECT label, text, row_number() OVER () - 1 AS i FROM read_parquet('${folder}/out.parquet'))`,
      );
      expect([file, wrong]).toEqual([file, { n: 0n, rows: BigInt(count) }]);
    }
  });
});

describe('JSON that is none is refused with line and reason', () => {
  test.each([
    ['s.jsonl', `${jsonl([''])}\n{oops\n`, /line 3 cannot be read as jsonl: expected JSON, received "\{oops"/],
    ['s.jsonl', `${jsonl([''])}[1]\n`, /line 2 .*expected a JSON object, received a list of 1/],
    ['s.jsonl', jsonl(['"x":NaN']), /line 1 .*NaN is no JSON/],
    ['s.jsonl', Buffer.from(jsonl(['', '"x":"M\u00fc"']), 'latin1'), /line 2 .*it is not UTF-8/],
    ['s.jsonl', Buffer.from(jsonl(['']), 'utf16le'), /line 1 .*it is UTF-16/],
    ['s.jsonl', gzipSync(jsonl([''])), /line 1 .*it is gzip/],
    ['s.jsonl', jsonl(['"x":"unclosed']), /line 1 .*expected JSON/],
    ['s.jsonl', jsonl(['', '']).replaceAll('\n', '\r'), /line 1 .*expected JSON/],
    ['s.jsonl', jsonl(['"x":"\\ud800"']), /row 1 .*column "x" has half a surrogate pair/],
    ['s.jsonl', jsonl(['"x":{"a":["\\\\\\udc00"]}']), /row 1 .*column "x" has half a surrogate pair/],
    ['s.json', `[${jsonl(['']).trim()}`, /never closed/],
    ['s.json', `[${jsonl(['']).trim()}]x`, /something follows the array/],
    ['s.json', `[${jsonl(['']).trim()},]`, /row 2 .*expected JSON/],
    ['s.json', `[${jsonl(['']).trim()},7]`, /row 2 .*expected a JSON object, received 7/],
  ])('%s: %j', async (file, content, message) => {
    await expect(exportOf(file, content)).rejects.toMatchObject({
      code: 'spine-unreadable',
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(/./),
    });
  });

  test('a byte order mark, blank lines and line ends of either kind are none of its matter', async () => {
    const text = `\uFEFF${jsonl(['"x":1']).trim()}\r\n\n${jsonl(['"x":2'])}`;
    for (const file of ['s.jsonl', 's.json']) {
      expect((await exportOf(file, text)).rows.map((row) => row['x'])).toEqual([1n, 2n]);
    }
  });
});

test('JSON that is nested more deeply than can be read is refused', async () => {
  const depth = 200_000;
  for (const core of ['1e1', '1']) {
    const nested = `${'['.repeat(depth)}${core}${']'.repeat(depth)}`;
    await expect(exportOf('s.jsonl', jsonl([`"x":${nested}`]))).rejects.toMatchObject({
      code: 'spine-unreadable',
      message: expect.stringMatching(/(?:line|row) 1 .*nested too deeply/),
    });
  }
  const some = `${'['.repeat(40)}1.10${']'.repeat(40)}`;
  expect(await jsonColumn(['{"a":"\\\\ud800 \\ud83d\\ude00"}'])).toEqual(['JSON', '{"a":"\\\\ud800 😀"}']);
  const deep = `${'['.repeat(2000)}1${']'.repeat(2000)}`;
  expect(await jsonColumn([deep])).toEqual(['JSON', deep]);
  expect(await jsonColumn([some])).toEqual(['JSON', some.replace('1.10', '1.1')]);
});

test('a damaged page of Parquet is named, by its checksum too', async () => {
  const folder = await testFolder();
  await copyFile(fixture('checksums.parquet'), join(folder, 's.parquet'));
  const bytes = await readFile(join(folder, 's.parquet'));
  bytes.fill(0, 60, 92);
  await writeFile(join(folder, 's.parquet'), bytes);
  await expect(exportSmall(folder, 's.parquet')).rejects.toMatchObject({
    code: 'spine-unreadable',
    message: expect.stringMatching(/s\.parquet, column "\w+", row group 0 cannot be read as parquet: /),
  });
});

test('nanoseconds in UTC, as pandas writes them, are read to the microsecond, and finer ones refused with their row', async () => {
  const folder = await testFolder();
  await copyFile(join(import.meta.dirname, 'fixtures/pandas-nanoseconds.parquet'), join(folder, 's.parquet'));
  await exportSmall(folder, 's.parquet');
  const set = await readParquet(join(folder, 'out.parquet'));
  expect(set.types.slice(2, 5)).toEqual(['TIMESTAMP WITH TIME ZONE', 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMP_NS']);
  const micros = [-1, 0, 991_440_000_000_000, 991_440_000_123_456];
  expect(set.rows.map((row) => row['seen'])).toEqual([...micros, null]);
  expect(set.rows.map((row) => row['event_timestamp'])).toEqual([...micros, 991_440_000_000_000]);
  // The order, of 2001-06-01, is before the last three.
  expect(set.rows.map((row) => row['by_shop__spent'])).toEqual([null, null, '1.50', '1.50', '1.50']);
  expect(await filesIn(folder)).not.toContainEqual(expect.stringMatching(/^spill\/./));

  await copyFile(join(import.meta.dirname, 'fixtures/pandas-finer.parquet'), join(folder, 's.parquet'));
  await expect(exportSmall(folder, 's.parquet', { overwrite: true })).rejects.toMatchObject({
    code: 'spine-column-altered',
    message: expect.stringMatching(
      /column "seen" has nanoseconds in UTC, row 3: 2001-06-02 00:00:00.123456789 \(and 1 more\)/,
    ),
    remedy: expect.stringContaining("floor('us')"),
  });
});
