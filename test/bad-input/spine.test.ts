import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exportSmall } from '../training/small-service.ts';
import { filesIn, testFolder, withDuckDb } from '../training/training-fixture.ts';

const TIME = '2001-06-01T00:00:00Z';

/** A spine as text, or as a query whose rows become a Parquet file; and what the error is to say. */
const spines: readonly (readonly [string, string, string, string, RegExp])[] = [
  ['no rows but a header', 's.csv', 'shop,event_timestamp\n', 'empty-spine', /zero rows/],
  ['nothing but blank lines', 's.csv', '\n\n\n', 'spine-unreadable', /line 1 .*the header is blank/],
  [
    'no rows of Parquet',
    's.parquet',
    `SELECT 'a' AS shop, now() AS event_timestamp LIMIT 0`,
    'empty-spine',
    /zero rows/,
  ],
  [
    'no time column',
    's.jsonl',
    `{"shop":"a","at":"${TIME}"}\n`,
    'spine-column-missing',
    /"event_timestamp".*it has: shop, at/,
  ],
  [
    'no key column',
    's.parquet',
    'SELECT now() AS event_timestamp',
    'spine-column-missing',
    /"shop" \(join key of entity "customer"\)/,
  ],
  [
    'an empty key in CSV',
    's.csv',
    `shop,event_timestamp\na,${TIME}\n,${TIME}\n`,
    'spine-null-key',
    /"shop".*row 2: null/,
  ],
  ['a null key in JSON', 's.jsonl', `{"shop":null,"event_timestamp":"${TIME}"}\n`, 'spine-null-key', /row 1: null/],
  [
    'a key that one row lacks',
    's.jsonl',
    `{"shop":"a","event_timestamp":"${TIME}"}\n{"event_timestamp":"${TIME}"}\n`,
    'spine-null-key',
    /row 2: null/,
  ],
  [
    'a null key in Parquet',
    's.parquet',
    `SELECT NULL::VARCHAR AS shop, now() AS event_timestamp`,
    'spine-null-key',
    /row 1: null/,
  ],
  [
    'an empty time in CSV',
    's.csv',
    `shop,event_timestamp\na,${TIME}\na,\n`,
    'spine-bad-time',
    /"event_timestamp".*row 2: null/,
  ],
  [
    'a null time in Parquet',
    's.parquet',
    `SELECT 'a' AS shop, NULL::TIMESTAMPTZ AS event_timestamp`,
    'spine-bad-time',
    /row 1: null/,
  ],
  [
    'an infinite time in Parquet',
    's.parquet',
    `SELECT 'a' AS shop, 'infinity'::TIMESTAMPTZ AS event_timestamp`,
    'spine-bad-time',
    /row 1/,
  ],
  [
    'a time before all times',
    's.parquet',
    `SELECT 'a' AS shop, TIMESTAMPTZ '0001-01-01 00:00:00Z' AS event_timestamp`,
    'spine-bad-time',
    /row 1/,
  ],
  [
    'words for times',
    's.csv',
    'shop,event_timestamp\na,soon\na,later\n',
    'spine-bad-time',
    /row 1: .*received "soon" \(and 1 more row\)/,
  ],
  ['seconds for times', 's.jsonl', '{"shop":"a","event_timestamp":991353600}\n', 'spine-bad-time', /row 1|is BIGINT/],
  [
    'a column of times without a zone',
    's.parquet',
    `SELECT 'a' AS shop, TIMESTAMP '2001-06-01' AS event_timestamp`,
    'spine-bad-time',
    /is TIMESTAMP: times without a zone/,
  ],
  [
    'a time without a zone',
    's.csv',
    `shop,event_timestamp\na,${TIME}\na,2001-06-01 00:00:00\n`,
    'spine-bad-time',
    /row 2: .*received "2001-06-01 00:00:00"; it has no zone/,
  ],
  ['a date', 's.jsonl', '{"shop":"a","event_timestamp":"2001-06-01"}\n', 'spine-bad-time', /row 1: .*it is a day/],
  [
    'a column that would come out changed',
    's.parquet',
    `SELECT 'a' AS shop, now() AS event_timestamp, 1::VARIANT AS v`,
    'spine-column-altered',
    /column "v" is VARIANT/,
  ],
  [
    'a column without a name',
    's.csv',
    `,shop,event_timestamp\n0,a,${TIME}\n`,
    'spine-bad-name',
    /column 1 has no name/,
  ],
  ['another delimiter', 's.csv', `shop;event_timestamp\na;${TIME}\n`, 'spine-column-missing', /it has: shop;event_/],
  ['a key and a time at once', 's.csv', 'shop,event_timestamp\n,soon\n', 'spine-invalid', /soon[^]*null/],
];

test.each(spines)('%s is refused by name, and nothing is written', async (_, file, content, code, message) => {
  const folder = await testFolder();
  if (file.endsWith('.parquet')) await withDuckDb((duckdb) => duckdb.run(`COPY (${content}) TO '${folder}/${file}'`));
  else await writeFile(join(folder, file), content);
  await expect(exportSmall(folder, file)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(/./),
  });
  expect(await filesIn(folder)).toEqual([file, 'orders.jsonl'].toSorted());
});
