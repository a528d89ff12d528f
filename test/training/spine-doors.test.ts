import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { labelReadings } from '../../engine/training/label-columns.ts';
import { timeRule } from '../../engine/training/label-time.ts';
import { loadSpine } from '../../engine/training/load-spine.ts';
import { findSpineFile } from '../../engine/training/spine-file.ts';
import { READ_TABLE } from '../../engine/training/spine-columns.ts';
import { stageLabels } from '../../engine/training/stage-labels.ts';
import type { ScalarType } from '../../engine/values/field-type.ts';
import { HistoryCase, sourceOf } from '../history/history-case.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';

/** One verdict through both doors: what a history makes of a value and what a spine makes of the same value, in the same format. */
const files = new HistoryCase();

const KEYS = {
  string: z.string(),
  enum: z.enum(['a', '42', 'true']),
  boolean: z.boolean(),
  int: z.int(),
  int64: z.int64(),
  'decimal(6,2)': decimal(6, 2),
  'decimal(38,0)': decimal(38, 0),
  date: z.iso.date(),
  // As keys are read where a time zone is given.
  datetime: z.iso.datetime({ offset: true, local: true }),
} as const;

type Verdict = { readonly value: string } | { readonly refused: string };

const digits = fc.stringMatching(/^-?\d{1,22}$/);
const fraction = fc.stringMatching(/^-?\d{1,18}\.\d{1,6}$/);
const exponent = fc.stringMatching(/^-?\d\.?\d{0,4}e[+-]?\d{1,3}$/);
const edge = fc.constantFrom(
  '42',
  '42.0',
  '-0',
  '0',
  '9007199254740991',
  '9007199254740992',
  '9223372036854775807',
  '9223372036854775808',
  '99999999999999999999999999999999999999',
  '1.50',
  '1.505',
  '1.500',
  '16777216',
  '1e2',
  '4.2e1',
);
const dates = fc.constantFrom('2001-06-01', '2001-02-30', '2000-02-29', '0001-01-01', '9999-12-31', '20010601');
const times = fc.constantFrom(
  '2001-06-01T00:00:00Z',
  '2001-06-01 00:00:00+02',
  '2001-06-01T00:00:00.123456',
  '2001-06-01T00:00:00.1234567Z',
  '2001-06-01T00:00:00.1234560Z',
  '2001-06-01T24:00:00Z',
  '2001-06-01T00:00',
  '1600-01-01T00:00:00Z',
  '2001-06-01T00:00:00-05:30',
);
const numbers = fc.oneof(digits, fraction, exponent, edge);
const texts = fc.oneof(
  numbers,
  dates,
  times,
  fc.constantFrom(
    'a',
    'A',
    '',
    ' a',
    'true',
    'True',
    'FALSE',
    't',
    'yes',
    'NaN',
    'inf',
    'null',
    '007',
    '+1',
    '1_000',
    '0x2A',
    'é',
    '😀',
    'x\ny',
  ),
  fc.string({ unit: 'binary', maxLength: 5 }).filter((text) => !/[\0\r]/.test(text)),
);

/** A value as JSON writes it. */
const jsonValues = fc.oneof(
  texts.map((text) => JSON.stringify(text)),
  numbers.filter((text) => /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/.test(text)),
  fc.constantFrom('true', 'false', '[1]', '{"a":1}', '"a\\u0000b"'),
);

const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const whole = fc.oneof(
  fc.integer({ min: -100, max: 100 }).map(String),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).map(String),
);

/** A value of a Parquet column, as SQL. */
const parquetValues = fc.oneof(
  texts.map((text) => `${sqlText(text)}::VARCHAR`),
  fc
    .integer({ min: -128, max: 127 })
    .chain((n) =>
      fc.constantFrom(`(${n})::TINYINT`, `(${n})::INTEGER`, `(${n})::DOUBLE`, `(${n})::FLOAT`, `(${n})::DECIMAL(10,2)`),
    ),
  whole.chain((n) =>
    fc.constantFrom(`(${n})::BIGINT`, `(${n})::DECIMAL(38,0)`, `(${n})::DECIMAL(30,4)`, `(${n})::DOUBLE`),
  ),
  fc.constantFrom(
    '18446744073709551615::UBIGINT',
    '1::UBIGINT',
    '99999999999999999999999999999999999999::DECIMAL(38,0)',
    '0.1::DOUBLE',
    '0.1::FLOAT',
    `'nan'::DOUBLE`,
    '9007199254740992::DOUBLE',
    '16777216::FLOAT',
    '1.50::DECIMAL(4,2)',
    '1.505::DECIMAL(4,3)',
  ),
  fc.constantFrom(
    'true',
    `'123e4567-e89b-12d3-a456-426614174000'::UUID`,
    `DATE '2001-06-01'`,
    `'infinity'::DATE`,
    `DATE '0001-01-01'`,
    `'a'::ENUM('a','b')`,
    `'{"a":1}'::JSON`,
    '[1]',
    `{'a': 1}`,
    `'ab'::BLOB`,
  ),
  fc.constantFrom(
    `TIMESTAMP '2001-06-01 00:00:00.123456'`,
    `TIMESTAMPTZ '2001-06-01 00:00:00+02'`,
    `TIMESTAMP_NS '2001-06-01 00:00:00.123456789'`,
    `TIMESTAMP_NS '2001-06-01 00:00:00.123456'`,
    `TIMESTAMP_MS '2001-06-01 00:00:00.123'`,
    `'infinity'::TIMESTAMP`,
    `TIMESTAMP '1500-01-01'`,
  ),
);

async function historyVerdict(folder: string, file: string, schema: z.ZodType): Promise<Verdict> {
  const source = sourceOf(
    { x: schema, at: z.iso.datetime() },
    { path: `${folder}/${file}`, disjoint: true },
    { maxAhead: false },
  );
  try {
    const { rows, invalid } = await files.scan(source);
    if (rows.length === 1) return { value: String(rows[0]!['x']) };
    return { refused: invalid[0]!.reasons.join('; ').replace(/^x: /, '') };
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return { refused: `${error.code}: ${error.remedy}` };
  }
}

async function spineVerdict(folder: string, file: string, type: ScalarType): Promise<Verdict> {
  const { duckdb } = files;
  const signal = new AbortController().signal;
  await duckdb.run(`DROP TABLE IF EXISTS training_spine; DROP TABLE IF EXISTS ${READ_TABLE}`);
  const entity = { name: 'e', keys: [{ name: 'x', type }], table: 'training_entity_0' };
  try {
    const found = await findSpineFile(`${folder}/${file}`);
    const columns = await loadSpine(duckdb, found, new Set(['x']), folder, signal);
    const readings = await labelReadings(
      duckdb,
      columns,
      [{ number: 0, entity, columns: ['x'] }],
      null,
      timeRule('UTC', null),
    );
    const [fault] = [...readings.faults, ...(await stageLabels(duckdb, readings, null, signal)).faults];
    if (fault !== undefined) {
      const isOfColumn = !/\), row 1: /.test(fault.message);
      return {
        refused: isOfColumn ? `column-type-mismatch: ${fault.remedy}` : fault.message.replace(/^.*?\), row 1: /s, ''),
      };
    }
    const [row] = await duckdb.query<{ v: unknown }>(`SELECT p0k0 AS v FROM ${READ_TABLE}`);
    return { value: String(row!.v) };
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return { refused: `${error.code}: ${error.message}` };
  }
}

/** Holds the verdicts of both doors against each other; of times the words are each door's own. */
async function compare(content: string | Buffer, format: string, name: keyof typeof KEYS): Promise<boolean> {
  const file = `x.${format}`;
  const folder = await files.files({ [file]: content });
  const schema = KEYS[name];
  const type = compileContract(z.object({ x: schema })).fields[0]!.type as ScalarType;
  const history = await historyVerdict(folder, file, schema);
  const spine = await spineVerdict(folder, file, type);
  if ('value' in history || 'value' in spine || name !== 'datetime') expect(spine).toEqual(history);
  return 'value' in history;
}

const names = fc.constantFrom(...(Object.keys(KEYS) as (keyof typeof KEYS)[]));
const AT = '2001-01-01T00:00:00Z';

test(`a cell of CSV (LAW_SEED=${lawSeed})`, async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(
      texts.filter((text) => text !== ''),
      names,
      async (text, name) => {
        if (await compare(`x,at\n"${text.replaceAll('"', '""')}",${AT}\n`, 'csv', name)) taken++;
      },
    ),
    lawRuns(250),
  );
  expect(taken).toBeGreaterThan(8);
});

test(`a value of JSONL (LAW_SEED=${lawSeed})`, async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(jsonValues, names, async (value, name) => {
      if (await compare(`{"x":${value},"at":"${AT}"}\n`, 'jsonl', name)) taken++;
    }),
    lawRuns(250),
  );
  expect(taken).toBeGreaterThan(8);
});

test(`a column of Parquet (LAW_SEED=${lawSeed})`, async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(parquetValues, names, async (value, name) => {
      if (await compare(`SELECT ${value} AS x, TIMESTAMPTZ '${AT}' AS at`, 'parquet', name)) taken++;
    }),
    lawRuns(250),
  );
  expect(taken).toBeGreaterThan(8);
});
