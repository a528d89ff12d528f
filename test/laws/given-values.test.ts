import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { contractOf } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { epoch } from '../../engine/contract/epoch.ts';
import { jsonGiven } from '../../engine/contract/json-given.ts';
import { readSchema } from '../../engine/contract/read-schema.ts';
import { lawRuns } from './law-seed.ts';

const { plans } = readSchema(
  z.object({
    text: z.string(),
    whole: z.int().nullable(),
    wide: z.int64().optional(),
    price: decimal(10, 2),
    number: z.number().nullish(),
    paid: z.boolean(),
    day: z.iso.date(),
    at: z.iso.datetime(),
    offset: z.iso.datetime({ offset: true }).nullable(),
    local: z.iso.datetime({ local: true }),
    seconds: epoch('s'),
    millis: epoch('ms'),
    nanos: epoch('ns'),
    list: z.array(z.object({ wide: z.int64(), at: z.iso.datetime().nullish() })),
    inner: z.object({ at: z.iso.datetime(), tags: z.array(z.string().nullable()) }).nullish(),
  }),
);
const contract = contractOf(plans);
const json = jsonGiven(plans);

const micros = fc.integer({ min: -1e15, max: 7e15 });
/** Whole seconds of this age, in µs: what every unit can say. */
const recent = fc.integer({ min: 700_000_000, max: 4_000_000_000 }).map((seconds) => seconds * 1_000_000);
const wide = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.string({ unit: 'grapheme', maxLength: 5 }).filter((one) => !one.includes('\0'));
const row = fc.record({
  text,
  whole: fc.option(fc.maxSafeInteger().map((n) => n + 0)),
  wide: fc.option(wide),
  price: fc.constantFrom('0.10', '-12.00', '12345678.90'),
  number: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0)),
  paid: fc.boolean(),
  day: fc.constantFrom('2001-02-28', '1970-01-01'),
  at: micros,
  offset: fc.option(micros),
  local: micros,
  seconds: recent,
  millis: recent,
  nanos: recent,
  list: fc.array(fc.record({ wide, at: fc.option(micros) }), { maxLength: 3 }),
  inner: fc.option(fc.record({ at: micros, tags: fc.array(fc.option(text), { maxLength: 3 }) })),
});

test('what a program gives as rows have it is read as the same row, through the bytes of its JSON', () => {
  fc.assert(
    fc.property(row, (given) => {
      const decoded = contract.decodeJson(Buffer.from(JSON.stringify(json(given))));
      expect(decoded).toEqual({ ok: true, row: given });
    }),
    lawRuns(1000),
  );
});

test('a Date is its time, what may be left out may be left out, and what no field has goes', () => {
  const given = { text: 'a', price: '1.00', paid: true, day: '2001-01-01', list: [], more: 1 };
  const at = new Date(1_000_000_000_000);
  const times = { at, local: at, seconds: at, millis: at, nanos: at };
  const decoded = contract.decodeValue(json({ ...given, ...times }));
  const us = 1_000_000_000_000_000;
  expect(decoded).toEqual({
    ok: true,
    row: Object.assign(
      { text: 'a', price: '1.00', paid: true, day: '2001-01-01', list: [] },
      { at: us, local: us, seconds: us, millis: us, nanos: us },
      { whole: null, wide: null, number: null, offset: null, inner: null },
    ),
  });
});

test('what is none of a field stays, for the contract to refuse', () => {
  const decoded = contract.decodeValue(json({ text: 5n, seconds: 1_500_000, inner: [], list: {}, at: 0.5 }));
  expect(decoded.ok).toBe(false);
});
