import fc from 'fast-check';
import { decimal } from 'millrace';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { readSchema } from '../../engine/contract/read-schema.ts';
import { requestReader } from '../../engine/define/request-fields.ts';
import { jsonTree } from '../../engine/values/composite-text.ts';
import type { ScalarType } from '../../engine/values/field-type.ts';
import { valuesOf } from '../laws/arbitraries.ts';
import { lawRuns } from '../laws/law-seed.ts';

const { plans } = readSchema(
  z.object({
    text: z.string(),
    flag: z.boolean(),
    whole: z.int(),
    wide: z.int64(),
    price: decimal(12, 2),
    ratio: z.number(),
    small: z.float32(),
    at: z.iso.datetime(),
    day: z.iso.date(),
    size: z.enum(['s', 'm', 'l']),
  }),
);
const [typescript, json, text] = (['typescript', 'json', 'text'] as const).map((door) =>
  requestReader('model', plans, door),
) as [ReturnType<typeof requestReader>, ReturnType<typeof requestReader>, ReturnType<typeof requestReader>];

test('a request is the same to the bit from a client, over HTTP and from a command line', () => {
  const given = fc
    .record(Object.fromEntries(plans.map(({ spec }) => [spec.name, valuesOf(spec.type as ScalarType)] as const)))
    .filter(({ small, text: note }) => Number.isFinite(Math.fround(small as number)) && !String(note).includes('\0'));
  fc.assert(
    fc.property(given, (values) => {
      const spelt = Object.fromEntries(
        plans.map(({ spec: { name, type } }) => [name, jsonTree(type as ScalarType, values[name]!)]),
      );
      const texts = Object.fromEntries(
        Object.entries(spelt).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
      );
      const read = typescript(values);
      expect(json(spelt)).toStrictEqual(read);
      expect(text(texts)).toStrictEqual(read);
      expect(read['small']).toBe(Math.fround(values['small'] as number) + 0);
    }),
    lawRuns(300),
  );
});

test('a number that no 32 bits hold is refused by a client as over HTTP', () => {
  const [small] = plans.filter(({ spec }) => spec.name === 'small');
  for (const door of ['typescript', 'json'] as const)
    expect(() => requestReader('model', [small!], door)({ small: 1e39 })).toThrow(
      expect.objectContaining({ code: 'invalid-request', message: expect.stringContaining('a 32-bit number') }),
    );
});
