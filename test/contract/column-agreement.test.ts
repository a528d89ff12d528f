import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { epoch } from '../../engine/contract/epoch.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
console.log(`column-agreement seed ${seed}`);

const mismatches: readonly (readonly [string, z.ZodType])[] = [
  ['BIGINT', z.string()],
  ['BIGINT', z.iso.datetime()],
  ['BIGINT', z.boolean()],
  ['DOUBLE', decimal(5, 2)],
  ['DATE', z.iso.datetime()],
  ['TIMESTAMP', z.iso.date()],
  ['TIMESTAMP', z.int()],
  ['BOOLEAN', z.int()],
  ['FLOAT', z.number()],
  ['FLOAT', epoch('s')],
  ['TIMESTAMP', z.iso.datetime()],
  ['TIMESTAMP', epoch('us')],
  ['INT96', z.iso.datetime({ local: true })],
  ['VARCHAR', z.int()],
  ['VARCHAR', z.number()],
  ['VARCHAR', z.boolean()],
  ['VARCHAR', z.array(z.int())],
  ['INTEGER', z.enum(['1'])],
  ['BLOB', z.string()],
  ['TIME', z.iso.datetime()],
  ['INTERVAL', z.int()],
  ['INTEGER', z.array(z.int())],
  ['BLOB[]', z.array(z.string())],
  ['STRUCT(a INTEGER)', z.object({ a: z.int(), b: z.int() })],
  ['MAP(VARCHAR, INTEGER)', z.object({ a: z.int() })],
];

test.each(mismatches)('%s column that can never be the field (case %#)', (type, schema) => {
  const { columnDecoder } = compileContract(z.object({ x: schema }));
  expect(() => columnDecoder('x', type)).toThrow(expect.objectContaining({ code: 'column-type-mismatch' }));
  expect(() => columnDecoder('y', type)).toThrow(expect.objectContaining({ code: 'unknown-field' }));
});

test('a value and its column agree with its JSON', () => {
  const schema = z.object({
    i: z.int().min(-50),
    l: z.int64(),
    d: z.number().max(1e6),
    p: decimal(12, 3),
    t: z.iso.datetime({ local: true }),
    s: z.string().max(3),
    b: z.boolean(),
  });
  const contract = compileContract(schema);
  const types = {
    i: 'BIGINT',
    l: 'BIGINT',
    d: 'DOUBLE',
    p: 'DECIMAL(12,3)',
    t: 'TIMESTAMP',
    s: 'VARCHAR',
    b: 'BOOLEAN',
  };
  const decoders = Object.entries(types).map(([name, type]) => [name, contract.columnDecoder(name, type)] as const);
  const raws = fc.record({
    i: fc.maxSafeInteger(),
    l: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    d: fc.double({ noNaN: true, noDefaultInfinity: true }),
    p: fc.bigInt({ min: -999_999_999_999n, max: 999_999_999_999n }),
    t: fc.integer({ min: -8_000_000_000_000_000, max: 8_000_000_000_000_000 }),
    s: fc.string({ maxLength: 4 }),
    b: fc.boolean(),
  });
  fc.assert(
    fc.property(raws, (raw) => {
      fc.pre(!raw.s.includes('\0'));
      const unsigned = (raw.p < 0n ? -raw.p : raw.p).toString().padStart(4, '0');
      const micros = ((raw.t % 1_000_000) + 1_000_000) % 1_000_000;
      const seconds = new Date((raw.t - micros) / 1000).toISOString().slice(0, 19);
      const json = {
        ...raw,
        l: raw.l.toString(),
        p: `${raw.p < 0n ? '-' : ''}${unsigned.slice(0, -3)}.${unsigned.slice(-3)}`,
        t: `${seconds}.${String(micros).padStart(6, '0')}Z`,
      };
      const columns: Record<string, unknown> = { ...raw, i: BigInt(raw.i), t: BigInt(raw.t) };
      const reasons: string[] = [];
      const row = Object.fromEntries(decoders.map(([name, decode]) => [name, decode(columns[name], reasons)]));
      const decoded = contract.decodeValue(json);
      expect(reasons.length === 0).toBe(decoded.ok);
      expect(decoded).toMatchObject(decoded.ok ? { row } : {});
    }),
    { seed, numRuns: 2000 },
  );
});
