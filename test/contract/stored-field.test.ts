import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { contractOf } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { epoch } from '../../engine/contract/epoch.ts';
import { readSchema } from '../../engine/contract/read-schema.ts';
import { fieldOf, type StoredField, storedField } from '../../engine/contract/stored-field.ts';
import { contractWithValue } from './arbitrary-contract.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
console.log(`stored-field seed ${seed}`);

function throughJson(schema: z.ZodObject): ReturnType<typeof readSchema>['plans'] {
  const { plans, faults } = readSchema(schema);
  expect(faults).toEqual([]);
  const stored = JSON.parse(JSON.stringify(plans.map(storedField))) as StoredField[];
  return stored.map((field) => fieldOf(field));
}

test('a contract that was stored takes and refuses what its schema does, in the same words', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(contractWithValue, ({ schema, value }) => {
      const { plans } = readSchema(schema);
      const again = throughJson(schema);
      expect(JSON.parse(JSON.stringify(again))).toEqual(JSON.parse(JSON.stringify(plans)));
      const parsed: unknown = JSON.parse(JSON.stringify(value));
      const verdict = contractOf(plans).decodeValue(parsed);
      expect(contractOf(again).decodeValue(parsed)).toEqual(verdict);
      if (verdict.ok) accepted += 1;
      else refused += 1;
    }),
    { seed, numRuns: 2000 },
  );
  expect(accepted).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(100);
});

test('so does one of types with bounds that JSON has no number for', () => {
  const schema = z.object({
    big: z.int64().gte(-9_007_199_254_740_993n).lt(9_007_199_254_740_995n).multipleOf(2n),
    free: z.number().gt(Number.NEGATIVE_INFINITY),
    amount: decimal(10, 2),
    at: epoch('ms'),
    odd: z
      .string()
      .startsWith('\u0000"')
      .endsWith('\ud800')
      .regex(/[/\n]\//u),
  });
  const again = throughJson(schema);
  const { plans } = readSchema(schema);
  expect(again.map(({ expected }) => expected)).toEqual(plans.map(({ expected }) => expected));
  const big = (value: string): boolean => contractOf(again.slice(0, 1)).decodeValue({ big: value }).ok;
  expect([big('9007199254740994'), big('9007199254740995'), big('-9007199254740994'), big('3')]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test('a rule of another release is no rule', () => {
  const [field] = readSchema(z.object({ a: z.string() })).plans;
  expect(() => fieldOf({ ...storedField(field!), rules: ['sounds_like "x"'] })).toThrow('no rule of a field');
});
