import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { epoch } from '../../engine/contract/epoch.ts';
import { jsonSchema } from '../../engine/contract/json-schema.ts';
import { lawRuns } from '../laws/law-seed.ts';

const contract = compileContract(
  z.object({
    name: z
      .string()
      .min(2)
      .max(4)
      .startsWith('a.')
      .regex(/^[a-z.]+$/),
    code: z.string().length(3).nullable(),
    count: z.int().min(-5).max(9).multipleOf(2),
    open: z.number().gt(0).lt(1).optional(),
    rounded: z.float32().nullish(),
    wide: z.int64(),
    price: decimal(4, 2),
    share: decimal(2, 2).nullish(),
    paid: z.boolean(),
    kind: z.enum(['x', 'y']),
    day: z.iso.date(),
    at: z.iso.datetime(),
    local: z.iso.datetime({ local: true }),
    sent: epoch('ms'),
    tags: z.array(z.string().min(1)).min(1).max(2),
    inner: z.object({ deep: z.int().nullable() }).nullish(),
  }),
);
const schema = jsonSchema(contract, { title: 'all' });
/** zod reads JSON Schema itself: a validator that knows nothing of contracts. */
const oracle = z.fromJSONSchema(schema);

const sound = {
  name: 'a.b',
  code: 'abc',
  count: 4,
  open: 0.5,
  wide: '9223372036854775807',
  price: '12.5',
  paid: true,
  kind: 'x',
  day: '2001-06-01',
  at: '2001-06-01T00:00:00Z',
  local: '2001-06-01T00:00:00',
  sent: 991_353_600_000,
  tags: ['t'],
  inner: { deep: null },
};

describe('a contract as a JSON Schema', () => {
  test('is this very one', () => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'all',
      type: 'object',
      properties: {
        name: {
          type: 'string',
          minLength: 2,
          maxLength: 4,
          pattern: '^a\\.',
          allOf: [{ type: 'string', pattern: '^[a-z.]+$' }],
        },
        code: { anyOf: [{ type: 'string', minLength: 3, maxLength: 3 }, { type: 'null' }] },
        count: { type: 'integer', minimum: -5, maximum: 9 },
        open: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
        wide: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
        price: { type: 'string', pattern: '^-?(0|[1-9][0-9]{0,1})(\\.[0-9]{1,2})?$' },
        share: { anyOf: [{ pattern: '^-?0(\\.[0-9]{1,2})?$' }, { type: 'null' }] },
        tags: { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1, maxItems: 2 },
        inner: { anyOf: [{ type: 'object', required: ['deep'] }, { type: 'null' }] },
      },
    });
    expect(schema['required']).not.toContain('open');
  });

  test.each([
    ['name', ['a', 'a.bcd', 'b.c', 'a.B', null]],
    ['code', ['ab', 'abcd', 7]],
    ['count', [-6, 10, 1.5, '4']],
    ['open', [0, 1, null]],
    ['price', ['123.4', '1.234', '01', 12.5, '+1']],
    ['share', ['1', '0.123']],
    ['paid', ['true', 1]],
    ['kind', ['z']],
    ['tags', [[], ['a', 'b', 'c'], [''], ['a', null]]],
    ['inner', [{}, { deep: 'x' }]],
  ])('both refuse wrong values of %s', (field, wrong) => {
    for (const value of wrong as unknown[]) {
      const record = { ...sound, [field]: value };
      expect([field, value, contract.decodeValue(record).ok]).toEqual([field, value, false]);
      expect([field, value, oracle.safeParse(record).success]).toEqual([field, value, false]);
    }
  });

  test('never refuses what the contract takes', () => {
    const some = fc.oneof(
      fc.constantFrom<unknown>(
        ...Object.values(sound),
        null,
        0,
        -0.5,
        1e300,
        '',
        'a.',
        'x',
        '0.25',
        '-1',
        '2001-06-01T00:00:00.000001Z',
      ),
      fc.string({ maxLength: 5 }),
      fc.integer({ min: -12, max: 12 }),
      fc.double(),
      fc.array(fc.string({ maxLength: 2 }), { maxLength: 3 }),
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(sound), 'rounded', 'share'), some, (field, value) => {
        const record = JSON.parse(JSON.stringify({ ...sound, [field]: value })) as unknown;
        if (!contract.decodeValue(record).ok) return;
        taken++;
        expect(oracle.safeParse(record).error?.issues ?? []).toEqual([]);
      }),
      lawRuns(5000),
    );
    expect(taken).toBeGreaterThan(300);
  });
});
