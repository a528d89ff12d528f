import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { type Cell, TOO_MANY_DISTINCT } from '../../engine/values/cell.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import type { AggregateName, FeatureLayout, ViewLayout } from '../../engine/define/view-layout.ts';

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;

/** A worked example of engine/state/README.md: its layout, events and bytes. */
export interface GoldenState {
  readonly layout: ViewLayout;
  readonly events: readonly PreparedEvent[];
  readonly readAtUs: number;
  readonly values: readonly Cell[];
  readonly hex: string;
  /** The tag of the same layout under the semantics before: how states of the previous release begin. */
  readonly tagBefore: string;
}

function event(eventTimeUs: number, id: string | null, offset: number, inputs: ScalarValue[]): PreparedEvent {
  return { keyText: 'k', key: ['k'], eventTimeUs, id, partition: 0, offset, inputs };
}

const start = Date.UTC(2001, 0, 1) * 1000;

/** Hours and a lifetime; ties by id. */
export const goldenById: GoldenState = {
  layout: {
    semantics: 2,
    view: 'v',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'id',
    groups: [
      { hopUs: HOUR_US, spanUs: DAY_US },
      { hopUs: null, spanUs: null },
    ],
    slots: [
      { partial: 'count', input: null, group: 0 },
      { partial: 'sum', input: { kind: 'int' }, group: 0 },
      { partial: 'sum', input: { kind: 'double' }, group: 0 },
      { partial: 'last', input: { kind: 'int' }, group: 1 },
    ],
    features: [
      {
        name: 'n_1d',
        aggregate: 'count',
        slot: 0,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: { kind: 'int' },
        nullable: false,
      },
      {
        name: 'delay_sum_1d',
        aggregate: 'sum',
        slot: 1,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: { kind: 'int' },
        nullable: true,
      },
      {
        name: 'fare_avg_1d',
        aggregate: 'avg',
        slot: 2,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: { kind: 'double' },
        nullable: true,
      },
      {
        name: 'last_delay',
        aggregate: 'last',
        slot: 3,
        windowUs: null,
        hopUs: null,
        result: { kind: 'int' },
        nullable: true,
      },
    ],
  },
  events: [
    event(start + 1, 'a', 0, [true, -14, 0.5, -14]),
    event(start + 2 * HOUR_US, 'b', 1, [true, null, null, null]),
    event(start + 2 * HOUR_US + 5, 'c', 2, [true, 90, 0.1, 90]),
    event(start + 2 * HOUR_US + 6, 'd', 3, [true, 90, 0.2, 90]),
  ],
  readAtUs: start + 3 * HOUR_US,
  values: [4, 166, 0.8 / 3, 90],
  hex: '0147c950d18ca0d3a4b2f1bc030190962101011b010201010302e80202ce99b3e6cc99b3266db5018ca0d3a4b2f1bc030164',
  tagBefore: 'b9901654',
};

const MINUTE_US = 60_000_000;
const money = { kind: 'decimal', precision: 12, scale: 2 } as const;

/** Minutes before 1970; ties by position. */
export const goldenByOffset: GoldenState = {
  layout: {
    semantics: 2,
    view: 'w',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'offset',
    groups: [{ hopUs: MINUTE_US, spanUs: 60 * MINUTE_US }],
    slots: [
      { partial: 'sum', input: money, group: 0 },
      { partial: 'max', input: { kind: 'string' }, group: 0 },
      { partial: 'min', input: { kind: 'double' }, group: 0 },
      { partial: 'first', input: { kind: 'boolean' }, group: 0 },
    ],
    features: [
      {
        name: 'paid_1h',
        aggregate: 'sum',
        slot: 0,
        windowUs: 60 * MINUTE_US,
        hopUs: MINUTE_US,
        result: { kind: 'decimal', precision: 38, scale: 2 },
        nullable: true,
      },
      {
        name: 'best_1h',
        aggregate: 'max',
        slot: 1,
        windowUs: 60 * MINUTE_US,
        hopUs: MINUTE_US,
        result: { kind: 'string' },
        nullable: true,
      },
      {
        name: 'least_1h',
        aggregate: 'min',
        slot: 2,
        windowUs: 60 * MINUTE_US,
        hopUs: MINUTE_US,
        result: { kind: 'double' },
        nullable: true,
      },
      {
        name: 'first_30m',
        aggregate: 'first',
        slot: 3,
        windowUs: 30 * MINUTE_US,
        hopUs: MINUTE_US,
        result: { kind: 'boolean' },
        nullable: true,
      },
    ],
  },
  events: [
    event(-59 * MINUTE_US - 1, null, 7, ['-0.50', 'é', -6, null]),
    event(-1, null, 8, ['12.34', null, 0, true]),
    event(-1, null, 9, ['1.00', '', null, false]),
  ],
  readAtUs: 0,
  values: ['12.84', 'é', -6, true],
  hex: '018b622b60010177016303c3a90602003a02ec14010102ff8dce1c0008',
  tagBefore: 'dd945d24',
};

const double = { kind: 'double' } as const;

/** Moments of doubles and of ints, and a value with what it was ordered by. */
export const goldenByMoments: GoldenState = {
  layout: {
    semantics: 2,
    view: 'm',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'id',
    groups: [{ hopUs: HOUR_US, spanUs: DAY_US }],
    slots: [
      { partial: 'moments', input: double, group: 0 },
      { partial: 'moments', input: { kind: 'int' }, group: 0 },
      { partial: 'maxBy', input: { kind: 'int' }, order: { kind: 'string' }, group: 0 },
    ],
    features: [
      {
        name: 'variance',
        aggregate: 'variance',
        slot: 0,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: double,
        nullable: true,
      },
      {
        name: 'deviation_all',
        aggregate: 'stddev',
        slot: 1,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: double,
        nullable: true,
        population: true,
      },
      { name: 'mean', aggregate: 'avg', slot: 0, windowUs: DAY_US, hopUs: HOUR_US, result: double, nullable: true },
      {
        name: 'of_greatest',
        aggregate: 'maxBy',
        slot: 2,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: { kind: 'int' },
        nullable: true,
      },
    ],
  },
  events: [
    event(start + 1, 'a', 0, [0.5, -14, 7, 'y']),
    event(start + 2, 'b', 0, [1.5, 90, 8, 'z']),
    event(start + 2 * HOUR_US + 5, 'c', 0, [0.1, null, null, null]),
  ],
  readAtUs: start + 3 * HOUR_US,
  values: [0.52, 52, 0.7000000000000001, 8],
  hex: '01ca38e2008aa0d3a4b2f1bc03019096210202020a01029801d0810111027a02016201019ab3e6cc99b3e60c6dd2f0faa8b8bd94dcc7c2eba3e1f551db010000',
  tagBefore: '2e79b32f',
};

/** Buckets of doubles, of ints in wide ones, and the least hashes of texts. */
export const goldenBySketches: GoldenState = {
  layout: {
    semantics: 2,
    view: 'q',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'id',
    groups: [{ hopUs: HOUR_US, spanUs: DAY_US }],
    slots: [
      { partial: 'quantiles', input: double, octaveBits: 6, group: 0 },
      { partial: 'quantiles', input: { kind: 'int' }, octaveBits: 0, group: 0 },
      { partial: 'approxDistinct', input: { kind: 'string' }, hashes: 2, group: 0 },
    ],
    features: [
      {
        name: 'ends',
        aggregate: 'quantiles',
        slot: 0,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: { kind: 'list', item: double },
        nullable: true,
        quantiles: [0.5, 1],
      },
      {
        name: 'middle',
        aggregate: 'median',
        slot: 1,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: double,
        nullable: true,
      },
      {
        name: 'texts',
        aggregate: 'approxDistinct',
        slot: 2,
        windowUs: DAY_US,
        hopUs: HOUR_US,
        result: { kind: 'int' },
        nullable: false,
      },
    ],
  },
  events: [
    event(start + 1, 'a', 0, [0.5, -14, 'a']),
    event(start + 2, 'b', 1, [0.501, 90, 'b']),
    event(start + 3, 'c', 2, [0, 95, 'a']),
    event(start + 2 * HOUR_US + 5, 'd', 3, [1.5, null, 'c']),
  ],
  readAtUs: start + 3 * HOUR_US,
  values: ['[0.50390625,1.5078125]', 96, 2],
  hex: '01d74ffc2b8aa0d3a4b2f1bc0301909621030001c098040203eb1001ee100202d6d5aabca6d2bc0a839d93e8cce391030102c2b20801000198a8dab2d89f75',
  tagBefore: 'b8f08996',
};

const int = { kind: 'int' } as const;
const text = { kind: 'string' } as const;

function ofDay(name: string, aggregate: AggregateName, slot: number, result: ResultType): FeatureLayout {
  return { name, aggregate, slot, windowUs: DAY_US, hopUs: HOUR_US, result, nullable: true };
}

/** A list, counts by value, more values than their limit, and a sum by category. */
export const goldenByCollections: GoldenState = {
  layout: {
    semantics: 2,
    view: 'c',
    entity: 'e',
    keys: [{ name: 'k', type: text }],
    tieBreak: 'id',
    groups: [{ hopUs: HOUR_US, spanUs: DAY_US }],
    slots: [
      { partial: 'lastN', input: int, size: 2, group: 0 },
      { partial: 'counts', input: text, limit: 2, group: 0 },
      { partial: 'values', input: int, limit: 1, group: 0 },
      { partial: 'sum', input: int, by: { type: text, limit: 2 }, group: 0 },
    ],
    features: [
      ofDay('last_2', 'lastN', 0, { kind: 'list', item: int }),
      { ...ofDay('most_frequent', 'topK', 1, { kind: 'list', item: text }), top: 1 },
      ofDay('counted', 'histogram', 1, { kind: 'map', key: text, value: int }),
      ofDay('ints', 'distinct', 2, int),
      ofDay('sums', 'sum', 3, { kind: 'map', key: text, value: int }),
    ],
  },
  events: [
    event(start + 1, 'a', 0, [7, 'y', 7, 7, 'v']),
    event(start + 2, 'b', 1, [-3, 'x', -3, -3, 'u']),
    event(start + 3, 'c', 2, [9, 'y', 9, 9, 'v']),
    event(start + 2 * HOUR_US + 5, 'd', 3, [null, 'y', null, null, 'u']),
    event(start + 2 * HOUR_US + 6, 'e', 4, [4, null, 4, 4, 'u']),
  ],
  readAtUs: start + 3 * HOUR_US,
  values: ['[9,4]', '["y"]', '{"x":1,"y":3}', TOO_MANY_DISTINCT, '{"u":1,"v":16}'],
  hex: '0195a7f7408ca0d3a4b2f1bc030190962102060201621301016303027801027902010302750105027602200101090601650202790102090202750108',
  tagBefore: '1c1d9a0d',
};
