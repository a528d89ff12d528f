import type { AggregateName } from '../engine/define/view-layout.ts';
import type { ErrorCode } from '../engine/values/cell.ts';

/** What one aggregate is: its line in the table of docs/features.md. A test holds it to what is compiled and read. */
export interface AggregateFacts {
  readonly call: string;
  /** The type of its value; x: that of its input. */
  readonly result:
    | 'int'
    | 'double'
    | 'x'
    | 'x, of decimals decimal(38, s)'
    | 'list of x'
    | 'list of double'
    | 'map of x to int';
  /** Fewer values in the window than these, and it is null; 0: it is never null, but 0. */
  readonly fewest: 0 | 1 | 2;
  /** With `{ population: true }`. */
  readonly fewestOfAll?: 1 | undefined;
  readonly errors: readonly ErrorCode[];
  /** What a tile keeps of its events, and what bounds it. */
  readonly keeps: string;
  /** What was measured (`scripts/aggregate-cases.ts`), by what it was measured of. */
  readonly measured: Readonly<Record<string, string>>;
}

const OUT_OF_RANGE = 'value-out-of-range';
const TOO_MANY = 'too-many-distinct';
const SUM = 'exact sum, and how many; of doubles up to 2,200 bits, of cents 106 and more';
const MOMENTS = 'as `sum`, which it serves too, and the exact sum of squares, of doubles up to 4,300 bits';
const ONE_EVENT = 'value, time and id of one event';
const BY = 'both values, time and id of one event';
const LISTED = 'value, time and id of each event of the list: n at most, n up to 1,000';
const TALLIED = 'the distinct values and how often each is there: `limit` at most, beyond it that fact alone';
const BUCKETS =
  'how many values lie in each bucket that has one: those of 64 doublings at most, beyond them that fact alone';

/** Every aggregate of the builder, in the order of the guide. */
export const AGGREGATE_FACTS: Readonly<Record<AggregateName, AggregateFacts>> = {
  count: {
    call: 'count(x?)',
    result: 'int',
    fewest: 0,
    errors: [],
    keeps: 'how many',
    measured: { rows: 'count()' },
  },
  sum: {
    call: 'sum(x)',
    result: 'x, of decimals decimal(38, s)',
    fewest: 1,
    errors: [OUT_OF_RANGE],
    keeps: SUM,
    measured: { int: 'sum of int', double: 'sum of double' },
  },
  avg: {
    call: 'avg(x)',
    result: 'double',
    fewest: 1,
    errors: [OUT_OF_RANGE],
    keeps: 'as `sum`, one for both',
    measured: { double: 'avg of double' },
  },
  min: { call: 'min(x)', result: 'x', fewest: 1, errors: [], keeps: 'one value', measured: { int: 'min of int' } },
  max: { call: 'max(x)', result: 'x', fewest: 1, errors: [], keeps: 'one value', measured: { text: 'max of string' } },
  first: { call: 'first(x)', result: 'x', fewest: 1, errors: [], keeps: ONE_EVENT, measured: { int: 'first of int' } },
  last: { call: 'last(x)', result: 'x', fewest: 1, errors: [], keeps: ONE_EVENT, measured: { text: 'last of string' } },
  minBy: {
    call: 'minBy(x, y)',
    result: 'x',
    fewest: 1,
    errors: [],
    keeps: BY,
    measured: { 'text by double': 'minBy of string by double' },
  },
  maxBy: {
    call: 'maxBy(x, y)',
    result: 'x',
    fewest: 1,
    errors: [],
    keeps: BY,
    measured: { 'int by int': 'maxBy of int by int' },
  },
  firstN: {
    call: 'firstN(x, n, { distinct? })',
    result: 'list of x',
    fewest: 1,
    errors: [],
    keeps: LISTED,
    measured: { 'int, 10': 'firstN of int, 10' },
  },
  lastN: {
    call: 'lastN(x, n, { distinct? })',
    result: 'list of x',
    fewest: 1,
    errors: [],
    keeps: LISTED,
    measured: {
      'int, 10': 'lastN of int, 10',
      'text, 10': 'lastN of string, 10',
      'text, 10 distinct': 'lastN of string, 10 distinct',
    },
  },
  distinct: {
    call: 'distinct(x, { limit? })',
    result: 'int',
    fewest: 0,
    errors: [TOO_MANY],
    keeps: 'the distinct values: `limit` at most, beyond it that fact alone',
    measured: { int: 'distinct of int', text: 'distinct of string' },
  },
  topK: {
    call: 'topK(x, k, { limit? })',
    result: 'list of x',
    fewest: 1,
    errors: [TOO_MANY],
    keeps: TALLIED,
    measured: { 'int, 5': 'topK of int, 5', 'text, 5': 'topK of string, 5' },
  },
  histogram: {
    call: 'histogram(x, { limit? })',
    result: 'map of x to int',
    fewest: 1,
    errors: [TOO_MANY],
    keeps: 'as `topK`, one for both',
    measured: { text: 'histogram of string' },
  },
  variance: {
    call: 'variance(x, { population? })',
    result: 'double',
    fewest: 2,
    fewestOfAll: 1,
    errors: [OUT_OF_RANGE],
    keeps: MOMENTS,
    measured: { int: 'variance of int', double: 'variance of double' },
  },
  stddev: {
    call: 'stddev(x, { population? })',
    result: 'double',
    fewest: 2,
    fewestOfAll: 1,
    errors: [OUT_OF_RANGE],
    keeps: 'as `variance`, one for both',
    measured: { int: 'stddev of int', double: 'stddev of double' },
  },
  quantiles: {
    call: 'quantiles(x, [q, …], { accuracy? })',
    result: 'list of double',
    fewest: 1,
    errors: [TOO_MANY],
    keeps: BUCKETS,
    measured: { double: 'quantiles of double', 'double at 0.001': 'quantiles of double, 0.1 %' },
  },
  median: {
    call: 'median(x, { accuracy? })',
    result: 'double',
    fewest: 1,
    errors: [TOO_MANY],
    keeps: 'as `quantiles` of the same accuracy, one for both',
    measured: { int: 'median of int', double: 'median of double' },
  },
  approxDistinct: {
    call: 'approxDistinct(x, { error? })',
    result: 'int',
    fewest: 0,
    errors: [],
    keeps: 'the least hashes of the distinct values, 6 to 8 bytes each: 1.25/`error`² at most',
    measured: { int: 'approxDistinct of int', text: 'approxDistinct of string' },
  },
};

/** What is measured of `.by`, by what it is of: with any aggregate. */
export const DIVIDED_MEASURED: Readonly<Record<string, string>> = {
  'count()': 'count() by 20 categories',
  'sum of int': 'sum of int by 20 categories',
  'last of text': 'last of string by 20',
};
