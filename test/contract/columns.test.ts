import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';

function column(schema: z.ZodType, type: string): (raw: unknown) => unknown {
  const contract = compileContract(z.object({ x: schema }));
  const decode = type === 'a text' ? contract.textDecoder('x') : contract.columnDecoder('x', type);
  return (raw) => {
    const reasons: string[] = [];
    const value = decode(raw, reasons);
    return reasons.length === 0 ? value : reasons;
  };
}

const refusal = [expect.stringMatching(/^x: expected /)];

type Case = readonly [type: string, schema: z.ZodType, pairs: readonly (readonly [raw: unknown, row: unknown])[]];

const cases: readonly Case[] = [
  [
    'BOOLEAN',
    z.boolean(),
    [
      [true, true],
      [false, false],
      [null, refusal],
    ],
  ],
  [
    'INTEGER',
    z.int().max(5).nullable(),
    [
      [5, 5],
      [6, refusal],
      [null, null],
    ],
  ],
  ['INTEGER', z.int().optional(), [[null, null]]],
  [
    'BIGINT',
    z.int(),
    [
      [5n, 5],
      [5, 5],
      [2n ** 53n - 1n, 2 ** 53 - 1],
      [2n ** 53n, refusal],
      [-(2n ** 63n), refusal],
    ],
  ],
  [
    'HUGEINT',
    z.int64(),
    [
      [2n ** 63n - 1n, 2n ** 63n - 1n],
      [2n ** 63n, refusal],
      [7, 7n],
    ],
  ],
  [
    'UBIGINT',
    z.int64(),
    [
      [2n ** 64n - 1n, refusal],
      [1n, 1n],
    ],
  ],
  [
    'BIGINT',
    z.number(),
    [
      [2n ** 53n + 1n, 2 ** 53],
      [3n, 3],
    ],
  ],
  [
    'BIGINT',
    decimal(5, 2),
    [
      [12n, '12.00'],
      [1000n, refusal],
      [-1n, '-1.00'],
      [0n, '0.00'],
    ],
  ],
  [
    'DOUBLE',
    z.number().min(0),
    [
      [0.1, 0.1],
      [-0, 0],
      [Number.NaN, refusal],
      [Number.POSITIVE_INFINITY, refusal],
    ],
  ],
  [
    'DOUBLE',
    z.int(),
    [
      [3, 3],
      [3.5, refusal],
      [2 ** 53, refusal],
      [-0, 0],
    ],
  ],
  [
    'DOUBLE',
    z.int64(),
    [
      [3, 3n],
      [3.5, refusal],
    ],
  ],
  ['FLOAT', z.float32(), [[0.10000000149011612, 0.10000000149011612]]],
  [
    'DOUBLE',
    z.float32(),
    [
      [0.1, 0.10000000149011612],
      [1e39, refusal],
    ],
  ],
  [
    'FLOAT',
    z.int(),
    [
      [2 ** 24 - 1, 2 ** 24 - 1],
      [2 ** 24, refusal],
      [0.5, refusal],
    ],
  ],
  [
    'DECIMAL(10,2)',
    decimal(10, 2),
    [
      [1250n, '12.50'],
      [-5n, '-0.05'],
      [0n, '0.00'],
    ],
  ],
  [
    'DECIMAL(10,4)',
    decimal(5, 2),
    [
      [12500n, '1.25'],
      [12501n, refusal],
      [10000000n, refusal],
    ],
  ],
  ['DECIMAL(4,1)', decimal(38, 20), [[-15n, `-1.5${'0'.repeat(19)}`]]],
  [
    'DECIMAL(10,2)',
    z.number(),
    [
      [1n, 0.01],
      [110n, 1.1],
      [0n, 0],
    ],
  ],
  [
    'DECIMAL(10,2)',
    z.int(),
    [
      [500n, 5],
      [550n, refusal],
    ],
  ],
  [
    'DECIMAL(38,0)',
    z.int64(),
    [
      [2n ** 63n, refusal],
      [9n, 9n],
    ],
  ],
  [
    'TIMESTAMP',
    z.iso.datetime({ local: true }),
    [
      [979397760000000n, 979397760000000],
      [-1n, -1],
      [2n ** 63n - 1n, refusal],
    ],
  ],
  ['TIMESTAMP WITH TIME ZONE', z.iso.datetime(), [[5, 5]]],
  [
    'TIMESTAMP_NS',
    z.iso.datetime({ local: true }),
    [
      [-5000n, -5],
      [5001n, refusal],
    ],
  ],
  ['TIMESTAMP_MS', z.iso.datetime({ local: true }), [[5000n, 5000]]],
  [
    'DATE',
    z.iso.date(),
    [
      [0, '1970-01-01'],
      [-1, '1969-12-31'],
      [11016, '2000-02-29'],
      [3_000_000, refusal],
      [-719_528, '0000-01-01'],
    ],
  ],
  [
    'VARCHAR',
    z.string().length(2),
    [
      ['ab', 'ab'],
      ['a\0', refusal],
      ['abc', refusal],
      ['', refusal],
      [null, refusal],
    ],
  ],
  [
    "ENUM('a', 'b,)')",
    z.enum(['a', 'b,)']),
    [
      ['a', 'a'],
      ['c', refusal],
    ],
  ],
  ['UUID', z.string(), [['123e4567-e89b-42d3-a456-426614174000', '123e4567-e89b-42d3-a456-426614174000']]],
  [
    'a text',
    z.int().nullable(),
    [
      ['12', 12],
      ['1.0', 1],
      ['-0', 0],
      ['1e3', 1000],
      ['007', refusal],
      [' 1', refusal],
      ['0x1F', refusal],
      ['1_000', refusal],
      ['', refusal],
      ['1.5', refusal],
      [null, null],
    ],
  ],
  [
    'a text',
    z.number(),
    [
      ['0.1', 0.1],
      ['nan', refusal],
      ['1e999', refusal],
      ['.5', refusal],
      ['1e-07', 1e-7],
      ['-0', 0],
    ],
  ],
  [
    'a text',
    z.int64(),
    [
      ['-9223372036854775808', -(2n ** 63n)],
      ['9223372036854775808', refusal],
      ['1.0', 1n],
      ['9007199254740992.0', refusal],
      ['1.5248311832002601e+18', refusal],
    ],
  ],
  [
    'a text',
    z.boolean(),
    [
      ['true', true],
      ['false', false],
      ['t', refusal],
      ['TRUE', true],
      ['False', false],
      ['tRUE', refusal],
      ['1', refusal],
    ],
  ],
  [
    'a text',
    decimal(5, 2),
    [
      ['1.5', '1.50'],
      ['1.505', refusal],
      ['1.500', '1.50'],
      ['1.0000', '1.00'],
      ['1.', refusal],
      ['1e1', refusal],
    ],
  ],
  [
    'a text',
    z.iso.date(),
    [
      ['2001-02-28', '2001-02-28'],
      ['2001-02-29', refusal],
      ['2001-2-1', refusal],
    ],
  ],
  [
    'a text',
    z.iso.datetime({ offset: true, local: true }),
    [
      ['2001-01-13T14:56:00Z', 979397760000000],
      ['2001-01-13 14:56:00', 979397760000000],
      ['2001-01-13 14:56', 979397760000000],
      ['2001-01-13 14:56:00.000001+00', 979397760000001],
      ['2001-01-13 14:56:00-05:30', 979417560000000],
      ['2001-01-13 24:00:00', refusal],
      ['2001-01-13 14:56:00.0000001', refusal],
      ['2001-01-13', refusal],
      ['2001-01-13 14:56:00 UTC', refusal],
      ['infinity', refusal],
    ],
  ],
  [
    'INTEGER[]',
    z.array(z.int().nullable()),
    [
      [
        [1, null],
        [1, null],
      ],
      [[1, 'a'], [expect.stringContaining('x[1]: expected an integer')]],
    ],
  ],
  [
    'STRUCT(a INTEGER, "b c" DECIMAL(4,1)[], d VARCHAR)',
    z.object({ a: z.int(), 'b c': z.array(decimal(4, 1)), e: z.string().optional() }),
    [
      [
        { a: 1, 'b c': [15n], d: 'no field' },
        { a: 1, 'b c': ['1.5'], e: null },
      ],
    ],
  ],
  [
    'a text',
    z.array(z.int()),
    [
      ['[1,2]', [1, 2]],
      ['[1', refusal],
      ['{}', refusal],
      [null, refusal],
    ],
  ],
  [
    'JSON',
    z.object({ a: z.int() }).nullable(),
    [
      ['{"a":1,"b":2}', { a: 1 }],
      [null, null],
    ],
  ],
];

test.each(cases)('%s column (case %#)', (type, schema, pairs) => {
  const decode = column(schema, type);
  for (const [raw, row] of pairs) expect([raw, decode(raw)]).toEqual([raw, row]);
});
