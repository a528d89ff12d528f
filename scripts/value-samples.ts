import { decimal, epoch } from 'millrace';
import { z } from 'zod';

/** A field of a contract with spellings to show. */
export interface ShownField {
  /** As a contract writes it. */
  readonly declared: string;
  readonly schema: z.ZodType;
  /** JSON texts. */
  readonly json: readonly string[];
  /** Texts. */
  readonly text: readonly string[];
  /** What the source says beside the schema. */
  readonly finerThanMicros?: 'truncate';
}

const wholeJson = ['42', '42.0', '4.2e1', '-0', '42.5', '9007199254740992', '1e999', '"42"', 'true', 'null', 'NaN'];
const wholeText = [
  '42',
  '42.0',
  '4.2e1',
  '42.5',
  '007',
  '+42',
  ' 42',
  '1_000',
  '0x2A',
  '9007199254740993',
  '9007199254740993.0',
  'NaN',
];
const numberJson = ['0.1', '42', '-0', '1e999', '"0.1"', 'null', 'NaN', '-Infinity'];
const numberText = ['0.1', '1e-07', '42', '-0', '.5', '0,1', '1e999', 'nan', 'inf'];
const times = [
  '2024-11-03T06:30:00Z',
  '2024-11-03T06:30:00.123456Z',
  '2024-11-03T06:30:00.123456000Z',
  '2024-11-03T06:30:00.123456789Z',
  '2024-11-03T01:30:00-05:00',
  '2024-11-03T06:30:00',
  '2024-11-03T06:30:00+00:00',
];
const timeTexts = [
  ...times,
  '2024-11-03 06:30:00',
  '2024-11-03 06:30:00+00',
  '2024-11-03 06:30Z',
  '2024-11-03',
  '2024-11-03T24:00:00Z',
];
const timeJson = [...times.map((text) => JSON.stringify(text)), '"2024-11-03 06:30:00Z"', '1700000000000', 'null'];

/** Every kind of field, in the order of the page. */
export const SHOWN_FIELDS: readonly ShownField[] = [
  {
    declared: 'z.string()',
    schema: z.string(),
    json: ['"a"', '""', '"a\\u0000b"', '"\\ud800"', '7', 'null'],
    text: ['a', '42', ' a ', 'a\0b'],
  },
  {
    declared: "z.enum(['a', 'b'])",
    schema: z.enum(['a', 'b']),
    json: ['"a"', '"A"', '"c"', '1'],
    text: ['a', 'A', ' a'],
  },
  {
    declared: 'z.boolean()',
    schema: z.boolean(),
    json: ['true', 'false', '"true"', '1', 'null'],
    text: ['true', 'True', 'FALSE', 't', '1', 'yes', ''],
  },
  { declared: 'z.int()', schema: z.int(), json: wholeJson, text: wholeText },
  {
    declared: 'z.int64()',
    schema: z.int64(),
    json: [...wholeJson, '"9223372036854775807"', '"9223372036854775808"', '"42.0"'],
    text: [...wholeText, '9223372036854775808'],
  },
  { declared: 'z.number()', schema: z.number(), json: numberJson, text: numberText },
  { declared: 'z.float32()', schema: z.float32(), json: [...numberJson, '1e39'], text: numberText },
  {
    declared: 'decimal(10, 2)',
    schema: decimal(10, 2),
    json: ['"12.5"', '"12.50"', '"-0"', '"12.505"', '"1e1"', '"012"', '12.5', '12', 'null'],
    text: ['12.5', '12.500', '42', '42.0', '12.505', '1e1', '012', '+1', '1,5'],
  },
  {
    declared: 'z.iso.date()',
    schema: z.iso.date(),
    json: ['"2024-02-29"', '"2023-02-29"', '"2024-2-1"', '"2024-02-29T00:00:00Z"', '19782'],
    text: ['2024-02-29', '2023-02-29', '29.02.2024', '2024-02-29 00:00:00'],
  },
  { declared: 'z.iso.datetime()', schema: z.iso.datetime(), json: timeJson, text: timeTexts },
  {
    declared: 'z.iso.datetime({ offset: true })',
    schema: z.iso.datetime({ offset: true }),
    json: timeJson,
    text: timeTexts,
  },
  {
    declared: 'z.iso.datetime({ local: true })',
    schema: z.iso.datetime({ local: true }),
    json: timeJson,
    text: timeTexts,
  },
  {
    declared: "z.iso.datetime() with finerThanMicros: 'truncate' on the source",
    schema: z.iso.datetime(),
    json: ['"2024-11-03T06:30:00.123456789Z"', '"1969-12-31T23:59:59.999999999Z"'],
    text: ['2024-11-03T06:30:00.123456789Z'],
    finerThanMicros: 'truncate',
  },
  {
    declared: "epoch('ms')",
    schema: epoch('ms'),
    json: [
      '1700000000000',
      '"1700000000000"',
      '1.7e12',
      '0',
      '1700000000',
      '1700000000000000',
      '1700000000000.5',
      '"2023-11-14T22:13:20Z"',
      'null',
    ],
    text: ['1700000000000', '1700000000000.0', '1700000000', '1700000000000000000', '2023-11-14T22:13:20Z'],
  },
  {
    declared: "epoch('ns')",
    schema: epoch('ns'),
    json: ['"1700000000000000000"', '"1700000000000000001"', '1700000000000000000'],
    text: ['1700000000000000000', '1700000000000000001', '1.7e18'],
  },
  {
    declared: "epoch('ns') with finerThanMicros: 'truncate' on the source",
    schema: epoch('ns'),
    json: ['"1700000000000000999"', '"-1"'],
    text: ['1700000000000000999'],
    finerThanMicros: 'truncate',
  },
  {
    declared: 'z.array(z.int())',
    schema: z.array(z.int()),
    json: ['[1,2]', '[1,"2"]', '{}', '"[1,2]"'],
    text: ['[1,2]', '[1', '1,2'],
  },
  {
    declared: 'z.object({ a: z.int() })',
    schema: z.object({ a: z.int() }),
    json: ['{"a":1,"b":2}', '{"a":"1"}', '[]'],
    text: ['{"a":1}', '{a:1}'],
  },
];

/** Columns of every form, each with raw values as the scanner gives them, and these as a file shows them. */
export const SHOWN_COLUMNS: readonly {
  readonly type: string;
  readonly values: readonly (readonly [raw: unknown, shown: string])[];
}[] = [
  { type: 'BOOLEAN', values: [[true, 'true']] },
  { type: 'INTEGER', values: [[42, '42']] },
  {
    type: 'BIGINT',
    values: [
      [42n, '42'],
      [9_007_199_254_740_993n, '9007199254740993'],
      [1_700_000_000_000n, '1700000000000'],
      [1_700_000_000_000_000_000n, '1700000000000000000'],
    ],
  },
  { type: 'UBIGINT', values: [[18_446_744_073_709_551_615n, '18446744073709551615']] },
  {
    type: 'DOUBLE',
    values: [
      [42, '42.0'],
      [0.1, '0.1'],
      [2 ** 53, '9007199254740992.0'],
      [Number.NaN, 'NaN'],
      [1_700_000_000_000, '1700000000000.0'],
    ],
  },
  {
    type: 'FLOAT',
    values: [
      [42, '42.0'],
      [Math.fround(0.1), '0.1'],
      [2 ** 24, '16777216.0'],
    ],
  },
  {
    type: 'DECIMAL(10,2)',
    values: [
      [4200n, '42.00'],
      [4250n, '42.50'],
    ],
  },
  {
    type: 'DECIMAL(10,4)',
    values: [
      [425_000n, '42.5000'],
      [425_001n, '42.5001'],
    ],
  },
  {
    type: 'TIMESTAMP WITH TIME ZONE',
    values: [
      [1_730_615_400_123_456n, '2024-11-03T06:30:00.123456Z'],
      [2n ** 63n - 1n, 'infinity'],
    ],
  },
  { type: 'TIMESTAMP', values: [[1_730_615_400_123_456n, '2024-11-03T06:30:00.123456']] },
  {
    type: 'TIMESTAMPTZ_NS',
    values: [
      [1_730_615_400_123_456_000n, '2024-11-03T06:30:00.123456000Z'],
      [1_730_615_400_123_456_789n, '2024-11-03T06:30:00.123456789Z'],
    ],
  },
  { type: 'TIMESTAMP_NS', values: [[1_730_615_400_123_456_000n, '2024-11-03T06:30:00.123456000']] },
  { type: 'INT96', values: [[1_730_615_400_123_456n, '2024-11-03T06:30:00.123456789']] },
  {
    type: 'DATE',
    values: [
      [19_782, '2024-02-29'],
      [3_000_000, 'year 10183'],
    ],
  },
  {
    type: 'VARCHAR',
    values: [
      ['a', '"a"'],
      ['42', '"42"'],
      ['12.5', '"12.5"'],
      ['2024-02-29', '"2024-02-29"'],
      ['2024-11-03T06:30:00Z', '"2024-11-03T06:30:00Z"'],
    ],
  },
  {
    type: 'JSON',
    values: [
      ['[1,2]', '[1,2]'],
      ['{"a":1}', '{"a":1}'],
    ],
  },
  { type: 'INTEGER[]', values: [[[1, 2], '[1, 2]']] },
  { type: 'STRUCT(a INTEGER)', values: [[{ a: 1 }, '{a: 1}']] },
  { type: 'BLOB', values: [] },
];
