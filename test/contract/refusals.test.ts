import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { epoch } from '../../engine/contract/epoch.ts';
import { readSchema } from '../../engine/contract/read-schema.ts';

const flights = z.object({
  flight_id: z.string(),
  date: z.iso.datetime(),
  origin: z.string().length(3),
  delay: z.int().min(-1440).max(2880).nullable(),
  distance: z.int().positive(),
});

test('reasons say where, what was expected and what came', () => {
  const { decodeValue, decodeJson } = compileContract(flights);
  const bad = { flight_id: 7, date: '2001-01-13T14:56:00', origin: 'LASX', delay: 5000, distance: 2.5 };
  expect(decodeValue(bad)).toEqual({
    ok: false,
    reasons: [
      'flight_id: expected text, received 7',
      'date: expected an ISO datetime ending in Z, no finer than a microsecond, from 1684 to 2255, received "2001-01-13T14:56:00"; a time without a zone needs z.iso.datetime({ local: true }): it then counts as UTC',
      'origin: expected text of 3 characters, received "LASX"',
      'delay: expected an integer from -1440 to 2880, received 5000',
      'distance: expected an integer greater than 0, received 2.5',
    ],
  });
  expect(decodeJson('')).toEqual({ ok: false, reasons: ['record: expected JSON, received nothing'] });
  expect(decodeJson('{"a":')).toEqual({ ok: false, reasons: ['record: expected JSON, received "{\\"a\\":"'] });
  expect(decodeJson('[1]')).toEqual({ ok: false, reasons: ['record: expected a JSON object, received a list of 1'] });
});

test('a value of a megabyte is shortened in its reason', () => {
  const { decodeValue, decodeJson } = compileContract(flights);
  const long = 'x'.repeat(1 << 20);
  for (const result of [decodeValue({ origin: long }), decodeJson(long), decodeJson(Buffer.from(long))]) {
    expect(result.ok).toBe(false);
    for (const reason of result.ok ? [] : result.reasons) expect(reason.length).toBeLessThan(400);
  }
});

test('nested reasons have a path', () => {
  const contract = compileContract(z.object({ items: z.array(z.object({ price: decimal(5, 2) })).min(1) }));
  const result = contract.decodeValue({ items: [{ price: '1' }, { price: '1.234' }, 3] });
  expect(result).toEqual({
    ok: false,
    reasons: ['items[1].price: expected a decimal(5,2), received "1.234"', 'items[2]: expected an object, received 3'],
  });
  expect(contract.decodeValue({ items: [{ price: '-0', more: 1 }] })).toEqual({
    ok: true,
    row: { items: [{ price: '0.00' }] },
  });
});

const refused: readonly [string, z.ZodType, RegExp][] = [
  ['transform', z.string().transform(Number), /a pipe/],
  ['pipe', z.string().pipe(z.string()), /a pipe/],
  ['preprocess', z.preprocess(String, z.string()), /a pipe/],
  ['stringbool', z.stringbool(), /a pipe/],
  ['codec', z.codec(z.string(), z.int(), { decode: Number, encode: String }), /a pipe/],
  ['default', z.int().default(1), /z\.default/],
  ['prefault', z.int().prefault(1), /z\.prefault/],
  ['catch', z.int().catch(1), /z\.catch/],
  ['nested optional of default', z.int().default(1).nullable(), /z\.default/],
  ['coerced string', z.coerce.string(), /z\.coerce\.string/],
  ['coerced number', z.coerce.number(), /z\.coerce\.number/],
  ['coerced boolean', z.coerce.boolean(), /z\.coerce\.boolean/],
  ['refine', z.string().refine((text) => text !== ''), /custom check/],
  ['superRefine', z.int().superRefine(() => undefined), /custom check/],
  ['check with a function', z.int().check(() => undefined), /custom check/],
  [
    'refine on a wrapper',
    z
      .int()
      .nullable()
      .refine(() => true),
    /wrapper/,
  ],
  ['trim', z.string().trim(), /overwrite/],
  ['toLowerCase', z.string().toLowerCase(), /overwrite/],
  ['normalize', z.string().normalize(), /overwrite/],
  ['url', z.url(), /url/],
  ['ipv6', z.ipv6(), /ipv6/],
  ['jwt', z.jwt(), /jwt/],
  ['base64', z.base64(), /base64/],
  ['union', z.union([z.string(), z.int()]), /z\.union/],
  ['discriminated union', z.discriminatedUnion('k', [z.object({ k: z.literal('a') })]), /z\.union/],
  ['intersection', z.intersection(z.string(), z.string()), /z\.intersection/],
  ['literal', z.literal('a'), /z\.literal/],
  ['record', z.record(z.string(), z.int()), /z\.record/],
  ['map', z.map(z.string(), z.int()), /z\.map/],
  ['set', z.set(z.int()), /z\.set/],
  ['tuple', z.tuple([z.int()]), /z\.tuple/],
  ['any', z.any(), /z\.any/],
  ['unknown', z.unknown(), /z\.unknown/],
  ['date', z.date(), /z\.date/],
  ['null', z.null(), /z\.null/],
  ['nan', z.nan(), /z\.nan/],
  ['bigint', z.bigint(), /z\.bigint/],
  ['uint64', z.uint64(), /z\.uint64/],
  ['lazy', z.lazy(() => z.string()), /z\.lazy/],
  ['custom', z.custom<string>(), /custom/],
  ['template literal', z.templateLiteral(['a', z.int()]), /z\.template_literal/],
  ['promise', z.promise(z.string()), /z\.promise/],
  ['numeric enum', z.enum({ One: 1 }), /enum with numbers/],
  ['datetime precision', z.iso.datetime({ precision: 3 }), /precision/],
  ['check on a datetime', z.iso.datetime().min(5), /check on this type/],
  ['check on a date', z.iso.date().regex(/1$/), /check on this type/],
  ['check on an epoch', epoch('s').min(5), /check on this type/],
  ['check on a decimal', decimal(5, 2).startsWith('1'), /check on this type/],
  ['conditional check', z.string().check(z.minLength(2, { when: () => false } as never)), /conditional check/],
  ['strict object', z.strictObject({ a: z.int() }), /strictObject/],
  ['loose object', z.looseObject({ a: z.int() }), /looseObject/],
  ['catchall', z.object({ a: z.int() }).catchall(z.int()), /catchall/],
  ['check on an object', z.object({ a: z.int() }).refine(() => true), /checks on an object/],
  ['refused type in a list', z.array(z.any()), /z\.any/],
  ['refused type in an object', z.object({ deep: z.object({ er: z.any() }) }), /z\.any/],
];

test.each(refused)('%s is refused by name and path', (_, schema, message) => {
  const { faults } = readSchema(z.object({ fine: z.int(), field: schema }));
  expect(faults.length).toBeGreaterThan(0);
  for (const fault of faults) {
    expect(fault.path).toMatch(/^field(\[\]|\.deep\.er)?$/);
    expect(fault.remedy).not.toBe('');
  }
  expect(faults.map((fault) => fault.message).join('\n')).toMatch(message);
});

test('all faults of a schema come at once', () => {
  const schema = z.object({ a: z.any(), b: z.object({ c: z.date() }), toString: z.int(), d: z.array(z.unknown()) });
  expect(readSchema(schema).faults.map((fault) => fault.path)).toEqual(['a', 'b.c', 'toString', 'd[]']);
  expect(() => compileContract(schema)).toThrow(/b\.c: z\.date/);
  expect(() => compileContract(schema)).toThrow(expect.objectContaining({ code: 'invalid-contract' }));
  expect(() => compileContract(z.string() as never)).toThrow(/z\.object/);
});

test('decimal refuses what cannot be', () => {
  for (const [p, s] of [
    [0, 0],
    [39, 0],
    [5, 6],
    [5, -1],
    [1.5, 0],
  ] as const)
    expect(() => decimal(p, s)).toThrow(expect.objectContaining({ code: 'invalid-decimal' }));
  const kept = decimal(5, 2).describe('a price');
  expect(compileContract(z.object({ kept })).fields[0]?.type).toEqual({ kind: 'decimal', precision: 5, scale: 2 });
});

test('an epoch in a unit that is none is refused', () => {
  expect(() => epoch('minutes' as never)).toThrow(expect.objectContaining({ code: 'invalid-epoch' }));
});
