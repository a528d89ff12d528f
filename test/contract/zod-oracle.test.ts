import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { contractWithValue } from './arbitrary-contract.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
console.log(`zod-oracle seed ${seed}`);

/** The deliberate differences of the README that the generated values can meet. */
function isUnstorable(json: string): boolean {
  return /\\u0000|\\ud[89a-f]/i.test(json);
}

test('a JSON value is accepted exactly when zod accepts it, and gives the same row', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(contractWithValue, ({ schema, value }) => {
      const json = JSON.stringify(value);
      fc.pre(!isUnstorable(json));
      const parsed: unknown = JSON.parse(json);
      const contract = compileContract(schema);
      const ours = contract.decodeValue(parsed);
      const zods = schema.safeParse(parsed);
      expect(ours).toMatchObject({ ok: zods.success });
      expect(contract.decodeJson(json)).toEqual(ours);
      expect(contract.decodeJson(Buffer.from(json))).toEqual(ours);
      if (ours.ok) accepted += 1;
      else refused += 1;
      expect(withoutTimes(ours.ok ? ours.row : null)).toEqual(
        withoutTimes(zods.success ? filled(schema, zods.data) : null),
      );
    }),
    { seed, numRuns: 5000 },
  );
  expect(accepted).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(200);
});

/** zod's output with absent optional fields as null, as rows have them; -0 as 0; 32-bit numbers rounded. */
function filled(schema: z.ZodType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodReadonly) {
    inner = inner.unwrap() as z.ZodType;
  }
  if (typeof value === 'number')
    return (inner.def as { format?: string }).format === 'float32' ? Math.fround(value) + 0 : value + 0;
  if (inner instanceof z.ZodArray) return (value as unknown[]).map((item) => filled(inner.element as z.ZodType, item));
  if (!(inner instanceof z.ZodObject)) return value;
  return Object.fromEntries(
    Object.entries(inner.shape as Record<string, z.ZodType>).map(([name, member]) => [
      name,
      filled(member, (value as Record<string, unknown>)[name]),
    ]),
  );
}

/** Datetimes differ on purpose: text in zod, microseconds in rows. Compared by what Date makes of the text. */
function withoutTimes(value: unknown): unknown {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) {
    const fraction = /\.(\d+)/.exec(value)?.[1] ?? '';
    const zoned = /(?:Z|[+-]\d\d:\d\d)$/.test(value) ? value : `${value}Z`;
    return Math.floor(Date.parse(zoned.replace(/\.\d+/, ''))) * 1000 + Number(fraction.padEnd(6, '0'));
  }
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutTimes(member)]));
}

test('a decimal is accepted exactly when zod accepts its text, in one canonical form', () => {
  const digits = fc.string({ unit: fc.constantFrom('0', '1', '2', '5', '9'), maxLength: 6 });
  const text = fc
    .tuple(fc.constantFrom('', '-', '+'), digits, fc.constantFrom('', '.', '.', 'e'), digits)
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 6 })
        .chain((precision) => fc.tuple(fc.constant(precision), fc.integer({ min: 0, max: precision }))),
      text,
      ([precision, scale], value) => {
        const schema = z.object({ d: decimal(precision, scale) });
        const ours = compileContract(schema).decodeValue({ d: value });
        expect(ours.ok).toBe(schema.safeParse({ d: value }).success);
        if (!ours.ok) return;
        const canonical = ours.row['d'] as string;
        expect(canonical).toMatch(scale === 0 ? /^-?\d+$/ : new RegExp(`^-?\\d+\\.\\d{${scale}}$`));
        expect(canonical).not.toMatch(/^-0*\.?0*$/);
        expect(Number(canonical) + 0).toBe(Number(value) + 0);
      },
    ),
    { seed, numRuns: 3000 },
  );
});

test('an int64 comes as text or as a safe integer', () => {
  const contract = compileContract(z.object({ n: z.int64().min(-5n) }));
  const decode = (n: unknown) => contract.decodeValue({ n });
  expect(decode('9223372036854775807')).toEqual({ ok: true, row: { n: 9223372036854775807n } });
  expect(decode(-5)).toEqual({ ok: true, row: { n: -5n } });
  for (const refused of ['9223372036854775808', '-6', '1.0', '', ' 1', '1e3', '+1', '01', 2 ** 53, 0.5, true, null]) {
    expect([refused, decode(refused).ok]).toEqual([refused, false]);
  }
});

test('text that no store can hold is refused wherever it stands', () => {
  const contract = compileContract(z.object({ s: z.string(), l: z.array(z.string()).optional() }));
  expect(contract.decodeJson('{"s":"a\\u0000b"}').ok).toBe(false);
  expect(contract.decodeJson(Buffer.from('{"s":"\\ud800"}')).ok).toBe(false);
  expect(contract.decodeJson('{"s":"ok","l":["\\udc00"]}')).toEqual({
    ok: false,
    reasons: [expect.stringContaining('l[0]: expected text')],
  });
  expect(contract.decodeJson(Buffer.from('{"s":"\\ud83d\\ude00"}'))).toEqual({ ok: true, row: { s: '😀', l: null } });
  expect(contract.decodeJson(Buffer.from('{"s":"\u{FFFD}"}')).ok).toBe(true);
  expect(contract.decodeJson(Buffer.from([0x7b, 0x22, 0x73, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]))).toEqual({
    ok: false,
    reasons: ['record: expected JSON in UTF-8, received other bytes'],
  });
});
