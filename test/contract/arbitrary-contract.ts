import fc from 'fast-check';
import { z } from 'zod';

/** A schema with JSON values likely to be near its edges. */
export interface FieldCase {
  readonly schema: z.ZodType;
  readonly near: fc.Arbitrary<unknown>;
  readonly label: string;
}

const safe = Number.MAX_SAFE_INTEGER;
const small = [0, -0, 1, -1, 0.1, 5e-324];
const large = [
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 32 - 1,
  2 ** 32,
  safe,
  safe + 1,
  -safe - 1,
  1e308,
];
const hugeOrEdge = fc.constantFrom<unknown>(...small, ...large);
const anyNumber = fc.oneof(
  hugeOrEdge,
  fc.integer({ min: -20, max: 20 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const anyText = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
  fc.constantFrom('', 'a', 'abc', 'ABC', '😀', '😀😀', 'x😀', 'a\nb', 'AB12'),
);
const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(null, true, 'true', '1', [], {}),
);

const twoDigits = (max: number) => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, '0'));
/** Texts close to ISO datetimes, valid and not, within the years that microseconds can hold. */
const anyDateTime = fc
  .tuple(
    fc.integer({ min: 1700, max: 2250 }),
    twoDigits(13),
    twoDigits(32),
    fc.constantFrom('T', 'T', 'T', ' ', 't'),
    twoDigits(25),
    twoDigits(61),
    fc.constantFrom(':00', ':59', ':60', '', ':5', ':07.5', ':07.123456', ':07.', ':07.000001', ':07,5'),
    fc.constantFrom('Z', 'Z', 'z', '', '+05:30', '-23:59', '+24:00', '+0530', '-00:00', '+05', ' Z'),
  )
  .map(
    ([year, month, day, t, hour, minute, second, zone]) =>
      `${year}-${month}-${day}${t}${hour}:${minute}${second}${zone}`,
  );

const someRegexes = [/^[A-Z]{3}$/, /a/, /a/g, /^b/y, /😀/u, /^$/];
const bound = fc.integer({ min: -5, max: 5 });

const strings: fc.Arbitrary<FieldCase> = fc
  .tuple(
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 0, max: 4 }),
    fc.constantFrom(...someRegexes),
    fc.constantFrom(...Array.from({ length: 13 }, (_, index) => index)),
  )
  .map(([m, n, regex, which]) => {
    const schemas = [
      z.string(),
      z.string().min(m),
      z.string().max(m),
      z.string().length(m),
      z.string().min(m).max(n),
      z.string().regex(regex),
      z.string().startsWith('a').endsWith('b'),
      z.string().includes('a', { position: 1 }),
      z.string().lowercase(),
      z.string().uppercase().min(m),
      z.string().nonempty(),
      z.email(),
      z
        .string()
        .length(3)
        .regex(/^[A-Z]+$/),
    ];
    return { schema: schemas[which] as z.ZodType, near: anyText, label: `string #${which} ${m} ${n} ${String(regex)}` };
  });

const numbers: fc.Arbitrary<FieldCase> = fc
  .tuple(
    bound,
    bound,
    fc.integer({ min: 1, max: 5 }),
    fc.constantFrom(...Array.from({ length: 14 }, (_, index) => index)),
  )
  .map(([low, high, step, which]) => {
    const schemas = [
      z.int(),
      z.int().min(low).max(high),
      z.int().gt(low).lt(high),
      z.int().positive(),
      z.int().nonnegative().multipleOf(step),
      z.int32(),
      z.uint32(),
      z.number().int().lte(high),
      z.number(),
      z.number().gt(low).max(high),
      z
        .number()
        .min(low + 0.5)
        .min(low),
      z.number().multipleOf(step / 10),
      z.float32(),
      z
        .number()
        .negative()
        .gt(low)
        .gt(low - 1),
    ];
    return { schema: schemas[which] as z.ZodType, near: anyNumber, label: `number #${which} ${low} ${high} ${step}` };
  });

const others: fc.Arbitrary<FieldCase> = fc.constantFrom<FieldCase>(
  { schema: z.boolean(), near: fc.boolean(), label: 'boolean' },
  { schema: z.enum(['a', 'b', '']), near: fc.constantFrom('a', 'b', 'c', ''), label: 'enum' },
  { schema: z.iso.datetime(), near: anyDateTime, label: 'datetime' },
  { schema: z.iso.datetime({ offset: true }), near: anyDateTime, label: 'datetime with offset' },
  { schema: z.iso.datetime({ local: true }), near: anyDateTime, label: 'local datetime' },
  { schema: z.iso.date(), near: anyDateTime.map((text) => text.slice(0, 10)), label: 'date' },
);

const scalars = fc.oneof(strings, numbers, others);

const wrapped = (inner: fc.Arbitrary<FieldCase>): fc.Arbitrary<FieldCase> =>
  fc
    .tuple(inner, fc.constantFrom('plain', 'nullable', 'optional', 'nullish', 'readonly'))
    .map(([{ schema, near, label }, wrapper]) => {
      const wrap = {
        plain: schema,
        nullable: schema.nullable(),
        optional: schema.optional(),
        nullish: schema.nullish(),
        readonly: schema.readonly(),
      };
      return { schema: wrap[wrapper], near, label: `${wrapper} ${label}` };
    });

const nested = (depth: number): fc.Arbitrary<FieldCase> => {
  if (depth === 0) return wrapped(scalars);
  const inner = nested(depth - 1);
  const lists = fc.tuple(inner, fc.integer({ min: 0, max: 3 })).map(([item, most]) => ({
    schema: z.array(item.schema).max(most + 1),
    near: fc.array(item.near, { maxLength: most + 2 }),
    label: `list of ${item.label}`,
  }));
  const objects = fc.tuple(inner, inner).map(([a, b]) => ({
    schema: z.object({ a: a.schema, b: b.schema }),
    near: fc.record({ a: a.near, b: b.near, extra: fc.boolean() }, { requiredKeys: [] }),
    label: `{ a: ${a.label}, b: ${b.label} }`,
  }));
  return wrapped(fc.oneof({ weight: 4, arbitrary: scalars }, lists, objects));
};

/** A contract of a few fields with a JSON value that often satisfies it. */
export const contractWithValue = fc.array(nested(2), { minLength: 1, maxLength: 4 }).chain((fields) =>
  fc.record({
    schema: fc.constant(z.object(Object.fromEntries(fields.map((field, index) => [`f${index}`, field.schema])))),
    label: fc.constant(fields.map((field) => field.label).join('; ')),
    value: fc.oneof(
      {
        weight: 20,
        arbitrary: fc.record(
          Object.fromEntries(
            fields.map((field, index) => [
              `f${index}`,
              fc.oneof(
                { weight: 8, arbitrary: field.near },
                { weight: 1, arbitrary: fc.constant(null) },
                { weight: 1, arbitrary: anyJson },
              ),
            ]),
          ),
          { requiredKeys: [] },
        ),
      },
      { weight: 1, arbitrary: anyJson },
    ),
  }),
);
