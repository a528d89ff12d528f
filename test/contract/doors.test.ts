import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../cli/entity-arguments.ts';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { epoch } from '../../engine/contract/epoch.ts';
import type { CompiledContract } from '../../engine/define/compiled-view.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { chunksOf } from '../../engine/duckdb/chunks-of.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { rawColumn } from '../../engine/duckdb/raw-column.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { EntityKeys } from '../../engine/online/entity-key.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { ScalarType } from '../../engine/values/field-type.ts';
import { typedReading } from '../../engine/values/typed-reading.ts';
import { SHOWN_FIELDS } from '../../scripts/value-samples.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
console.log(`doors seed ${seed}`);
const SPELLINGS = 300;

let folder: string;
let duckdb: DuckDb;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-doors-'));
  duckdb = await openDuckDb({ memoryMb: 256, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

/** What a door made of a spelling: the row's value, or the words. */
type Verdict = readonly ['value', unknown] | readonly ['refused', string];

const schemas: readonly (readonly [name: string, schema: z.ZodType])[] = [
  ['string', z.string()],
  ['short string', z.string().max(3)],
  ['enum', z.enum(['a', 'true', '42'])],
  ['boolean', z.boolean()],
  ['int', z.int()],
  ['int in a range', z.int().min(-50).max(2000)],
  ['int64', z.int64()],
  ['number', z.number()],
  ['float32', z.float32()],
  ['decimal', decimal(12, 3)],
  ['date', z.iso.date()],
  ['datetime', z.iso.datetime({ offset: true })],
  ['strict datetime', z.iso.datetime()],
  ['local datetime', z.iso.datetime({ local: true })],
  ['epoch s', epoch('s')],
  ['epoch ms', epoch('ms')],
  ['epoch us', epoch('us')],
  ['epoch ns', epoch('ns')],
];

/** The doors of entities know types, not checks: the spelling of keys is their own. */
const keySchemas = new Set(['string', 'enum', 'boolean', 'int', 'int64', 'decimal', 'date', 'datetime']);

const digits = fc.oneof(
  fc.maxSafeInteger().map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.integer({ min: -60, max: 60 }).map(String),
  fc.constantFrom(
    '1700000000',
    '1700000000000',
    '1700000000000000',
    '1700000000000000000',
    '631152000',
    '4102444800',
    '0',
    '-1',
  ),
);
const number = fc.oneof(
  digits,
  fc.tuple(digits, fc.constantFrom('.0', '.00', '.5', 'e0', 'e3', 'E-2', '.25e2')).map((parts) => parts.join('')),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom('0.1', '-0', '-0.0', '1e39', '9007199254740993', '9007199254740992.0', '16777217'),
);
const time = fc
  .tuple(
    fc.constantFrom('2024-11-03', '2024-02-30', '1969-12-31', '2001-2-3', '2255-06-05', '2256-01-01'),
    fc.constantFrom('T', ' ', 't', ''),
    fc.constantFrom('01:30:00', '23:59:59', '24:00:00', '01:30', '12:00:60', ''),
    fc.constantFrom('', '.5', '.123456', '.123456000', '.123456789', '.'),
    fc.constantFrom('Z', '-04:00', '-05:00', '', '+00', '+0530', ' UTC'),
  )
  .map((parts) => parts.join(''));
const text = fc.oneof(
  number,
  time,
  fc.constantFrom(
    'true',
    'false',
    'True',
    'FALSE',
    't',
    'yes',
    '1',
    'a',
    'ab',
    'abcd',
    'NaN',
    'inf',
    '+1',
    '007',
    ' 42',
    '1_000',
    '0x2A',
    '.5',
    '1.',
    '1,5',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }).filter((drawn) => !drawn.includes('\0')),
);

/** Typed values: what a JSON text can hold, and the column of the same form. */
type Form = 'DOUBLE' | 'VARCHAR' | 'BOOLEAN';
const typed: Readonly<Record<Form, fc.Arbitrary<string>>> = {
  // As a double holds them: a record shows the digits that were sent, where a double has lost some.
  DOUBLE: number.filter((drawn) => Number.isFinite(JSON.parse(drawn))).map((drawn) => String(JSON.parse(drawn))),
  VARCHAR: text.map((drawn) => JSON.stringify(drawn)),
  BOOLEAN: fc.boolean().map(String),
};

/** The spellings of the page, and drawn ones. */
const shownTexts = SHOWN_FIELDS.flatMap((field) => field.text).filter((shown) => shown !== '' && !shown.includes('\0'));

function spellings(shown: readonly string[], arbitrary: fc.Arbitrary<string>): string[] {
  return [...new Set([...shown, ...fc.sample(arbitrary, { seed, numRuns: SPELLINGS })])];
}

function recordDoor(contract: CompiledContract, json: string): Verdict {
  const result = contract.decodeJson(Buffer.from(`{"at":"2001-01-01T00:00:00Z","x":${json}}`));
  return result.ok ? ['value', result.row['x']] : ['refused', result.reasons.join('\n').replace(/^x: /, '')];
}

/** The verdicts of a history whose rows hold one spelling each. */
async function historyDoor(contract: CompiledContract, path: string, rows: number): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const scan = scanHistory({
    source: {
      name: 'doors',
      contract,
      eventTimeField: 'at',
      eventIdField: null,
      topic: null,
      history: { path, untilUs: null, disjoint: false },
      dedupeHorizonUs: 0,
      maxAheadUs: Number.POSITIVE_INFINITY,
      brokerTime: 'none',
      invalidLimit: { rate: 1, window: 1000 },
    },
    order: 'any',
    duckdb,
    listings: listingsOfProcess(systemClock),
    onInvalid: (position, _file, reasons) => {
      verdicts[position] = ['refused', reasons.join('\n').replace(/^x: /, '')];
    },
  });
  for await (const events of scan) for (const { offset, row } of events) verdicts[offset] = ['value', row['x']];
  expect(verdicts.filter((verdict) => verdict !== undefined)).toHaveLength(rows);
  return verdicts;
}

async function jsonLinesDoor(contract: CompiledContract, values: readonly string[]): Promise<Verdict[]> {
  const path = join(folder, `${++files}.jsonl`);
  await writeFile(path, values.map((json) => `{"at":"2001-01-01T00:00:00Z","x":${json}}\n`).join(''));
  return await historyDoor(contract, path, values.length);
}

/** A column's values, and their type, as DuckDB writes them to Parquet and gives them itself. */
async function columnTable(form: Form, values: readonly string[]): Promise<string> {
  const table = `doors_${++files}`;
  const list = values.map((json, index) => {
    const value: unknown = JSON.parse(json);
    return `(${index}, '${String(value).replaceAll("'", "''")}'::${form})`;
  });
  await duckdb.run(`CREATE TABLE ${table} AS SELECT x FROM (VALUES ${list.join(', ')}) v(n, x) ORDER BY n`);
  return table;
}

async function parquetDoor(contract: CompiledContract, table: string, rows: number): Promise<Verdict[]> {
  const path = join(folder, `${++files}.parquet`);
  await duckdb.run(
    `COPY (SELECT TIMESTAMPTZ '2001-01-01 00:00:00Z' AS "at", x FROM ${table}) TO '${path}' (FORMAT parquet)`,
  );
  return await historyDoor(contract, path, rows);
}

async function sqlDoor(contract: CompiledContract, table: string, form: Form): Promise<Verdict[]> {
  const decode = contract.columnDecoder('x', form);
  const read = rawColumn(form);
  const verdicts: Verdict[] = [];
  for await (const chunk of chunksOf([`SELECT x FROM ${table}`], duckdb, undefined)) {
    const raw: unknown[] = [];
    read(chunk, 0, raw);
    for (let row = 0; row < chunk.rowCount; row++) {
      const reasons: string[] = [];
      const value = decode(raw[row], reasons);
      verdicts.push(reasons.length === 0 ? ['value', value] : ['refused', reasons.join('\n').replace(/^x: /, '')]);
    }
  }
  return verdicts;
}

function layoutOf(type: ScalarType): ViewLayout {
  return {
    semantics: 0,
    view: 'doors',
    entity: 'door',
    keys: [{ name: 'x', type }],
    tieBreak: 'offset',
    groups: [],
    slots: [],
    features: [],
  };
}

/** A door of entities: its error carries the words among others. */
function keyDoor(read: () => readonly unknown[]): Verdict {
  try {
    return ['value', read()[0]];
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return ['refused', error.message];
  }
}

function agree(spelling: string, expected: Verdict, door: string, verdict: Verdict): void {
  if (expected[0] === 'value' || verdict[0] === 'value')
    expect([door, spelling, verdict]).toEqual([door, spelling, expected]);
  else expect([door, spelling, verdict[1]]).toEqual([door, spelling, expect.stringContaining(expected[1])]);
}

describe.each(schemas)('%s', (name, schema) => {
  const contract = compileContract(z.object({ at: z.iso.datetime(), x: schema }));
  const type = contract.fields[1]?.type as ScalarType;

  test.each(['DOUBLE', 'VARCHAR', 'BOOLEAN'] as const)('a typed value has one verdict: %s', async (form) => {
    const values = spellings(form === 'VARCHAR' ? shownTexts.map((shown) => JSON.stringify(shown)) : [], typed[form]);
    const verdicts = values.map((json) => recordDoor(contract, json));
    const lines = await jsonLinesDoor(contract, values);
    values.forEach((json, index) => agree(json, verdicts[index]!, 'JSONL', lines[index]!));
    if (keySchemas.has(name)) {
      const keys = new EntityKeys(layoutOf(type));
      values.forEach((json, index) =>
        agree(
          json,
          verdicts[index]!,
          'HTTP',
          keyDoor(() => keys.ofObject({ x: JSON.parse(json) as unknown }, typedReading)),
        ),
      );
    }
    let isForm = true;
    try {
      contract.columnDecoder('x', form);
    } catch (error) {
      expect(error).toMatchObject({ code: 'column-type-mismatch', remedy: expect.stringMatching(/./) });
      isForm = false;
    }
    if (!isForm) {
      // A column is refused as a whole where none of its values can ever be the field.
      expect(verdicts.filter(([verdict]) => verdict === 'value')).toEqual([]);
      return;
    }
    const table = await columnTable(form, values);
    const columns = await parquetDoor(contract, table, values.length);
    const rows = await sqlDoor(contract, table, form);
    values.forEach((json, index) => {
      agree(json, verdicts[index]!, 'Parquet', columns[index]!);
      agree(json, verdicts[index]!, 'SQL', rows[index]!);
    });
  });

  test('a text has one verdict', async () => {
    const values = spellings(shownTexts, text);
    const decode = contract.textDecoder('x');
    const verdicts = values.map((given): Verdict => {
      const reasons: string[] = [];
      const value = decode(given, reasons);
      return reasons.length === 0 ? ['value', value] : ['refused', reasons.join('\n').replace(/^x: /, '')];
    });
    const path = join(folder, `${++files}.csv`);
    const cells = values.map((given) => `2001-01-01T00:00:00Z,"${given.replaceAll('"', '""')}"\n`);
    await writeFile(path, `at,x\n${cells.join('')}`);
    const rows = await historyDoor(contract, path, values.length);
    values.forEach((given, index) => {
      agree(given, verdicts[index]!, 'CSV', rows[index]!);
      if (!keySchemas.has(name)) return;
      agree(
        given,
        verdicts[index]!,
        'CLI',
        keyDoor(() => keyOf(layoutOf(type), [`x=${given}`])),
      );
    });
    // What a record and a text both spell is the same value.
    values.forEach((given, index) => {
      const [typedVerdict, value] = recordDoor(contract, JSON.stringify(given));
      const [textVerdict, textValue] = verdicts[index]!;
      if (typedVerdict === 'value') expect([given, textVerdict, textValue]).toEqual([given, 'value', value]);
    });
    expect(verdicts.some(([verdict]) => verdict === 'value')).toBe(true);
  });
});
