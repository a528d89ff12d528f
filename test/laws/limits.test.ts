import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { slotInputs } from '../../engine/define/slot-inputs.ts';
import {
  type AggregateName,
  ENGINE_SEMANTICS,
  type SlotLayout,
  type ViewLayout,
} from '../../engine/define/view-layout.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState, ViewReducer } from '../../engine/state/view-reducer.ts';
import { TOO_MANY_DISTINCT } from '../../engine/values/cell.ts';
import type { ScalarType } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import { hex, stateOf } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';

const int: ScalarType = { kind: 'int' };
const SECOND_US = 1_000_000;

/** A limit of `most` distinct things, and how the n-th of them comes in an event: as its value, in its category, as a category. */
interface Limited {
  readonly name: string;
  readonly most: number;
  readonly slot: Omit<SlotLayout, 'group'>;
  readonly aggregate: AggregateName;
  readonly result: ResultType;
  /** By the roles of the slot's inputs. */
  readonly inputs: (thing: number) => Readonly<Partial<Record<'value' | 'category', number>>>;
}

const ofValue = (thing: number) => ({ value: thing, category: 7 });
const ofCategory = (thing: number) => ({ value: 5, category: thing });
const by = { type: int, limit: 3 };
const mapOf = (value: ResultType): ResultType => ({ kind: 'map', key: int, value });

const limited: readonly Limited[] = [
  ...(['values', 'counts'] as const).flatMap((partial): Limited[] => [
    {
      name: partial,
      most: 3,
      slot: { partial, input: int, limit: 3 },
      aggregate: 'distinct',
      result: int,
      inputs: ofValue,
    },
    {
      name: `${partial}, of one category`,
      most: 3,
      slot: { partial, input: int, limit: 3, by },
      aggregate: 'distinct',
      result: mapOf(int),
      inputs: ofValue,
    },
  ]),
  {
    name: 'buckets',
    most: 64,
    slot: { partial: 'quantiles', input: int, octaveBits: 0 },
    aggregate: 'median',
    result: { kind: 'double' },
    // Below 2^53 there are no more than 53 octaves of ints: half of them lie below 0.
    inputs: (thing) => ({ value: (thing % 2 === 0 ? 1 : -1) * 2 ** Math.floor(thing / 2) }),
  },
  ...(['count', 'lastN', 'values', 'quantiles', 'approxDistinct'] as const).map(
    (partial): Limited => ({
      name: `categories of ${partial}`,
      most: 3,
      slot: {
        partial,
        input: int,
        by,
        ...(partial === 'lastN' ? { size: 2 } : {}),
        ...(partial === 'values' ? { limit: 3 } : {}),
        ...(partial === 'quantiles' ? { octaveBits: 0 } : {}),
        ...(partial === 'approxDistinct' ? { hashes: 9 } : {}),
      },
      aggregate: partial === 'values' ? 'distinct' : partial,
      result: mapOf(
        partial === 'lastN'
          ? { kind: 'list', item: int }
          : partial === 'quantiles'
            ? { kind: 'list', item: { kind: 'double' } }
            : int,
      ),
      inputs: ofCategory,
    }),
  ),
];

function layoutOf({ slot, aggregate, result }: Limited): ViewLayout {
  const windowUs = 100 * SECOND_US;
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'limited',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'offset',
    groups: [{ hopUs: SECOND_US, spanUs: windowUs }],
    slots: [{ ...slot, group: 0 }],
    features: [
      {
        name: 'f',
        aggregate,
        slot: 0,
        windowUs,
        hopUs: SECOND_US,
        result,
        nullable: true,
        ...(aggregate === 'quantiles' ? { quantiles: [0.5] } : {}),
      },
    ],
  };
}

function eventsOf(layout: ViewLayout, one: Limited, things: readonly number[], tile: number): PreparedEvent[] {
  return things.map((thing, index) => ({
    keyText: 'k',
    key: ['k'],
    eventTimeUs: tile * SECOND_US + index,
    id: null,
    partition: 0,
    offset: index,
    inputs: slotInputs(layout.slots).map(({ role }) => one.inputs(thing)[role as 'value' | 'category'] ?? null),
  }));
}

const merged = (reducer: ViewReducer, states: readonly EntityState[]): EntityState => {
  const into = reducer.empty();
  for (const state of states) reducer.mergeInto(into, state);
  return into;
};

describe.each(limited.map((one) => [one.name, one] as const))('the limit on %s', (_, one) => {
  const layout = layoutOf(one);
  const reducer = createViewReducer(layout);
  const atUs = 10 * SECOND_US;
  const things = Array.from({ length: one.most + 1 }, (__, thing) => thing);

  test('is passed only by what is beyond it, in a tile and in a window', () => {
    const exactly = eventsOf(layout, one, things.slice(1), 1);
    const [more] = eventsOf(layout, one, things, 1);
    const [later] = eventsOf(layout, one, things, 2);
    const read = (events: readonly PreparedEvent[]): unknown => reducer.read(stateOf(reducer, events), atUs)[0];
    expect(read([...exactly, ...exactly])).not.toBe(TOO_MANY_DISTINCT);
    expect(read(exactly)).not.toBeNull();
    expect(read([...exactly, more!])).toBe(TOO_MANY_DISTINCT);
    expect(read([...exactly, later!])).toBe(TOO_MANY_DISTINCT);
    // In a window it leaves no trace: a read of either tile alone has its value.
    const state = stateOf(reducer, [...exactly, later!]);
    expect(reducer.read(state, 101 * SECOND_US + SECOND_US)[0]).not.toBe(TOO_MANY_DISTINCT);
  });

  test('passed by a union alone, a tile is the same whatever the tree of merges', () => {
    fc.assert(
      fc.property(
        fc.array(fc.subarray(things, { minLength: 1, maxLength: one.most }), { minLength: 2, maxLength: 5 }),
        fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
        (parts, picks) => {
          const all = [...things, ...parts.flat()];
          const whole = hex(reducer.encode(stateOf(reducer, eventsOf(layout, one, all, 1))));
          expect(reducer.read(stateOf(reducer, eventsOf(layout, one, all, 1)), atUs)[0]).toBe(TOO_MANY_DISTINCT);
          // Each part is within the limit; the last two bring what makes them pass it, in halves.
          const halves = [things.slice(0, -1), things.slice(1)];
          const states = [...parts, ...halves].map((part) => stateOf(reducer, eventsOf(layout, one, part, 1)));
          for (const state of states) expect(reducer.read(state, atUs)[0]).not.toBe(TOO_MANY_DISTINCT);
          // The newest event time is part of a state: all have that of the whole.
          states.push(stateOf(reducer, eventsOf(layout, one, all, 1).slice(-1)));
          for (let step = 0; states.length > 1; step++) {
            const [other] = states.splice(picks[step % picks.length]! % states.length, 1);
            reducer.mergeInto(states[picks[(step + 1) % picks.length]! % states.length]!, other!);
          }
          expect(hex(reducer.encode(states[0]!))).toBe(whole);
        },
      ),
      lawRuns(60),
    );
  });

  test('once passed stays passed, through bytes, merges on either side and further events', () => {
    const exceeded = (): EntityState => stateOf(reducer, eventsOf(layout, one, things, 1));
    const bytes = hex(reducer.encode(exceeded()));
    fc.assert(
      fc.property(fc.subarray(things), fc.boolean(), (more, throughBytes) => {
        const events = eventsOf(layout, one, more, 1);
        const held = throughBytes ? reducer.decode(reducer.encode(exceeded())) : exceeded();
        for (const event of events) reducer.apply(held, event);
        const other = stateOf(reducer, events);
        for (const state of [held, merged(reducer, [exceeded(), other]), merged(reducer, [other, exceeded()])])
          expect(hex(reducer.encode(state))).toBe(bytes);
      }),
      lawRuns(40),
    );
  });

  test('what was merged into another state is not changed with it', () => {
    fc.assert(
      fc.property(fc.subarray(things, { minLength: 1, maxLength: one.most }), (given) => {
        const source = stateOf(reducer, eventsOf(layout, one, given, 1));
        const before = hex(reducer.encode(source));
        const into = merged(reducer, [source]);
        for (const event of eventsOf(layout, one, things, 1)) reducer.apply(into, event);
        expect(reducer.read(into, atUs)[0]).toBe(TOO_MANY_DISTINCT);
        expect(hex(reducer.encode(source))).toBe(before);
      }),
      lawRuns(20),
    );
  });
});

test('a tile of as many categories as there may be is copied, too', () => {
  const most = 100_000;
  const last: Limited = {
    name: 'last',
    most,
    slot: { partial: 'last', input: int, by: { type: int, limit: most } },
    aggregate: 'last',
    result: mapOf(int),
    inputs: ofCategory,
  };
  const layout = layoutOf(last);
  const reducer = createViewReducer(layout);
  const state = reducer.empty();
  for (const event of eventsOf(layout, last, Array.from(Array(most).keys()), 1)) reducer.apply(state, event);
  expect(hex(reducer.encode(merged(reducer, [state])))).toBe(hex(reducer.encode(state)));
});
