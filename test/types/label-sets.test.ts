import { decisions, labelSet, outcomes, source } from 'millrace';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';

const choices = decisions('choices', { context: z.object({ flight_id: z.string(), seats: z.int().nullable() }) });
const clicks = outcomes('clicks', { value: z.boolean(), entity: z.object({ user: z.string() }) });
const departures = source('departures', {
  schema: z.object({ flight_id: z.string(), at: z.iso.datetime(), delay: z.int() }),
  eventTime: 'at',
  topic: 'departures',
});

test('both sides of a label set are typed, and so is what it makes of them', () => {
  const late = labelSet('late', {
    decisions: choices,
    outcomes: departures,
    on: { decision: (d) => d.context.flight_id, outcome: (o) => o.flight_id },
    value: (d, o) => {
      expectTypeOf(d.context.seats).toEqualTypeOf<number | null>();
      expectTypeOf(d.action).toEqualTypeOf<string>();
      expectTypeOf(o.delay).toEqualTypeOf<number>();
      return o.delay > 15 ? 1 : 0;
    },
    reduce: 'sum',
    matureAfter: '3d',
    absent: 'leave-out',
  });
  expectTypeOf<ReturnType<typeof late.options.value>>().toExtend<number | null>();
  expectTypeOf(late.options.decisions).toEqualTypeOf<typeof choices>();
  labelSet('clicked', {
    decisions: choices,
    outcomes: clicks,
    value: (_, o) => {
      expectTypeOf(o.value).toEqualTypeOf<boolean>();
      expectTypeOf(o.entity).toEqualTypeOf<{ readonly user: string } | null>();
      return o.value;
    },
    reduce: (values) => {
      expectTypeOf(values).toEqualTypeOf<readonly boolean[]>();
      return values.some(Boolean);
    },
    matureAfter: '1h',
    absent: 0,
  });
  const rest = { decisions: choices, outcomes: clicks, matureAfter: '1h', absent: 0 } as const;
  // @ts-expect-error a sum is of numbers
  labelSet('clicked', { ...rest, value: (_, o) => o.value, reduce: 'sum' });
  // @ts-expect-error the context has no such field
  labelSet('clicked', { ...rest, value: (d) => d.context.origin });
  // @ts-expect-error decisions are no ordinary source
  labelSet('clicked', { ...rest, decisions: departures, value: () => 1 });
  // @ts-expect-error a duration has a unit
  labelSet('clicked', { ...rest, matureAfter: '3', value: () => 1 });
  // @ts-expect-error absence means 0, null, or no row
  labelSet('clicked', { ...rest, absent: 1, value: () => 1 });
  // @ts-expect-error an object is no label
  labelSet('clicked', { ...rest, value: () => ({}) });
  expect(late.kind).toBe('label-set');
});
