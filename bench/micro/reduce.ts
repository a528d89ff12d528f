/** Prints ns of CPU per operation of the reducers, for a flights-like view. Usage: node bench/micro/reduce.ts [events] */
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import {
  ENGINE_SEMANTICS,
  type AggregateName,
  type FeatureLayout,
  type SlotLayout,
  type ViewLayout,
} from '../../engine/define/view-layout.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState, ViewReducer } from '../../engine/state/view-reducer.ts';

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;
const int: ScalarType = { kind: 'int' };
const double: ScalarType = { kind: 'double' };

const slots: SlotLayout[] = [
  { partial: 'count', input: null, group: 0 },
  { partial: 'sum', input: int, group: 0 },
  { partial: 'max', input: int, group: 0 },
  { partial: 'sum', input: double, group: 0 },
  { partial: 'sum', input: int, group: 1 },
  { partial: 'last', input: int, group: 2 },
];
const tiling: Record<number, { hopUs: number | null }> = {
  0: { hopUs: HOUR_US },
  1: { hopUs: DAY_US },
  2: { hopUs: null },
};

function feature(name: string, aggregate: AggregateName, slot: number, windowUs: number | null): FeatureLayout {
  const result = aggregate === 'avg' ? double : aggregate === 'count' ? int : (slots[slot]!.input ?? int);
  return {
    name,
    aggregate,
    slot,
    windowUs,
    hopUs: tiling[slots[slot]!.group]!.hopUs,
    result,
    nullable: aggregate !== 'count',
  };
}

const six = [
  feature('flights_1d', 'count', 0, DAY_US),
  feature('delay_avg_7d', 'avg', 1, 7 * DAY_US),
  feature('delay_max_1d', 'max', 2, DAY_US),
  feature('late_share_7d', 'avg', 3, 7 * DAY_US),
  feature('miles_30d', 'sum', 4, 30 * DAY_US),
  feature('last_delay', 'last', 5, null),
];
const twelve = [
  ...six,
  feature('flights_7d', 'count', 0, 7 * DAY_US),
  feature('delay_sum_7d', 'sum', 1, 7 * DAY_US),
  feature('delay_max_7d', 'max', 2, 7 * DAY_US),
  feature('late_7d', 'sum', 3, 7 * DAY_US),
  feature('delay_avg_1d', 'avg', 1, DAY_US),
  feature('miles_7d', 'sum', 4, 7 * DAY_US),
];

function layout(features: FeatureLayout[]): ViewLayout {
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'route_delays',
    entity: 'route',
    keys: [{ name: 'origin', type: { kind: 'string' } }],
    tieBreak: 'id',
    groups: [
      { hopUs: HOUR_US, spanUs: 7 * DAY_US },
      { hopUs: DAY_US, spanUs: 30 * DAY_US },
      { hopUs: null, spanUs: null },
    ],
    slots,
    features,
  };
}

const total = Number(process.argv[2] ?? 1_000_000);
const start = Date.UTC(2001, 0, 1) * 1000;

/** A fixed pseudo-random sequence, so that two runs do the same work. */
let seed = 42;
const random = (below: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 0x100000000) * below);
};

/** Events spread over six months and `entities` entities, in nearly event-time order. `shares`: 0/1 inputs, else any double. */
function eventsFor(entities: number, shares: boolean): { entity: number; event: PreparedEvent }[] {
  const step = (181 * DAY_US) / total;
  return Array.from({ length: total }, (_, index) => {
    const delay = random(200) - 20;
    const distance = 100 + random(2500);
    const share = shares ? Number(delay > 15) : delay * 0.37 + distance / 7;
    const inputs: ScalarValue[] = [true, delay, delay, share, distance, delay];
    const eventTimeUs = Math.floor(start + index * step) + random(600_000_000);
    return {
      entity: random(entities),
      event: { keyText: '', key: [], eventTimeUs, id: `f${1e7 + index}`, partition: 0, offset: index, inputs },
    };
  });
}

function report(name: string, operations: number, run: () => void): void {
  const from = process.threadCpuUsage();
  run();
  const spent = process.threadCpuUsage(from);
  const ns = ((spent.user + spent.system) * 1000) / operations;
  console.log(`${name.padEnd(52)} ${ns < 10_000 ? `${ns.toFixed(0)} ns` : `${(ns / 1000).toFixed(1)} µs`}`);
}

function applyAll(
  reducer: ViewReducer,
  entities: number,
  events: readonly { entity: number; event: PreparedEvent }[],
): EntityState[] {
  const states = Array.from({ length: entities }, () => reducer.empty());
  for (const { entity, event } of events) reducer.apply(states[entity]!, event);
  return states;
}

for (const [entities, shares] of [
  [4000, true],
  [100, true],
  [100, false],
] as const) {
  console.log(`${total} events, ${entities} entities, ${shares ? '0/1' : 'any'} doubles`);
  const reducer = createViewReducer(layout(six));
  const wide = createViewReducer(layout(twelve));
  const events = eventsFor(entities, shares);
  applyAll(reducer, entities, events.slice(0, 50_000));
  let states: EntityState[] = [];
  report('  apply, 6 slots', total, () => {
    states = applyAll(reducer, entities, events);
  });
  const newest = Math.max(...states.map((state) => state.newestEventTimeUs));
  const rounds = Math.ceil(20_000 / entities);
  const each = (operation: (state: EntityState, index: number) => void) => () => {
    for (let round = 0; round < rounds; round++) for (const [index, state] of states.entries()) operation(state, index);
  };
  const operations = rounds * entities;
  const encoded = states.map((state) => reducer.encode(state));
  const bytes = encoded.reduce((sum, state) => sum + state.length, 0) / entities;
  for (let warm = 0; warm < 2; warm++) each((state) => wide.read(state, newest + 1))();
  report(
    '  read, 6 features',
    operations,
    each((state) => reducer.read(state, newest + 1)),
  );
  report(
    '  read, 12 features',
    operations,
    each((state) => wide.read(state, newest + 1)),
  );
  each((state) => reducer.encode(state))();
  report(
    `  encode, ${bytes.toFixed(0)} bytes on average`,
    operations,
    each((state) => reducer.encode(state)),
  );
  each((_, index) => reducer.decode(encoded[index]!))();
  report(
    '  decode',
    operations,
    each((_, index) => reducer.decode(encoded[index]!)),
  );
  const one = events.at(-1)!.event;
  report(
    '  decode, apply, encode',
    operations,
    each((_, index) => {
      const state = reducer.decode(encoded[index]!);
      reducer.apply(state, one);
      reducer.encode(state);
    }),
  );
  const singles = states.map(() => {
    const single = reducer.empty();
    reducer.apply(single, one);
    return single;
  });
  report(
    '  merge of a one-event state',
    operations,
    each((state, index) => reducer.mergeInto(state, singles[index]!)),
  );
}
