import {
  ENGINE_SEMANTICS,
  type AggregateName,
  type SlotLayout,
  type ViewLayout,
} from '../engine/define/view-layout.ts';
import type { ScalarType } from '../engine/values/field-type.ts';
import type { ResultType } from '../engine/values/result-type.ts';

export const HOUR_US = 3_600_000_000;
/** What is read: 169 tiles of an hour. */
export const WINDOW_US = 7 * 24 * HOUR_US;
const int: ScalarType = { kind: 'int' };
const double: ScalarType = { kind: 'double' };
const text: ScalarType = { kind: 'string' };
/** `category 0` to `category 19`. */
const few = { type: text, limit: 1000 };

/** A feature that is measured alone. */
export type AggregateCase = readonly [name: string, aggregate: AggregateName, slot: Omit<SlotLayout, 'group'>];

export const AGGREGATE_CASES: readonly AggregateCase[] = [
  ['count()', 'count', { partial: 'count', input: null }],
  ['sum of int', 'sum', { partial: 'sum', input: int }],
  ['sum of double', 'sum', { partial: 'sum', input: double }],
  ['avg of double', 'avg', { partial: 'sum', input: double }],
  ['min of int', 'min', { partial: 'min', input: int }],
  ['max of string', 'max', { partial: 'max', input: text }],
  ['first of int', 'first', { partial: 'first', input: int }],
  ['last of string', 'last', { partial: 'last', input: text }],
  ['minBy of string by double', 'minBy', { partial: 'minBy', input: text, order: double }],
  ['maxBy of int by int', 'maxBy', { partial: 'maxBy', input: int, order: int }],
  ['firstN of int, 10', 'firstN', { partial: 'firstN', input: int, size: 10 }],
  ['lastN of int, 10', 'lastN', { partial: 'lastN', input: int, size: 10 }],
  ['lastN of string, 10', 'lastN', { partial: 'lastN', input: text, size: 10 }],
  ['lastN of string, 10 distinct', 'lastN', { partial: 'lastN', input: text, size: 10, distinct: true }],
  ['distinct of int', 'distinct', { partial: 'values', input: int, limit: 1000 }],
  ['distinct of string', 'distinct', { partial: 'values', input: text, limit: 1000 }],
  ['topK of int, 5', 'topK', { partial: 'counts', input: int, limit: 1000 }],
  ['topK of string, 5', 'topK', { partial: 'counts', input: text, limit: 1000 }],
  ['histogram of string', 'histogram', { partial: 'counts', input: text, limit: 1000 }],
  ['variance of int', 'variance', { partial: 'moments', input: int }],
  ['variance of double', 'variance', { partial: 'moments', input: double }],
  ['stddev of int', 'stddev', { partial: 'moments', input: int }],
  ['stddev of double', 'stddev', { partial: 'moments', input: double }],
  ['median of int', 'median', { partial: 'quantiles', input: int, octaveBits: 6 }],
  ['median of double', 'median', { partial: 'quantiles', input: double, octaveBits: 6 }],
  ['quantiles of double', 'quantiles', { partial: 'quantiles', input: double, octaveBits: 6 }],
  ['approxDistinct of int', 'approxDistinct', { partial: 'approxDistinct', input: int, hashes: 3127 }],
  ['approxDistinct of string', 'approxDistinct', { partial: 'approxDistinct', input: text, hashes: 3127 }],
  ['quantiles of double, 0.1 %', 'quantiles', { partial: 'quantiles', input: double, octaveBits: 9 }],
  ['count() by 20 categories', 'count', { partial: 'count', input: null, by: few }],
  ['sum of int by 20 categories', 'sum', { partial: 'sum', input: int, by: few }],
  ['last of string by 20', 'last', { partial: 'last', input: text, by: few }],
];

function resultOf(aggregate: AggregateName, input: ScalarType): ResultType {
  switch (aggregate) {
    case 'firstN':
    case 'lastN':
    case 'topK':
      return { kind: 'list', item: input };
    case 'quantiles':
      return { kind: 'list', item: double };
    case 'histogram':
      return { kind: 'map', key: input, value: int };
    case 'count':
    case 'distinct':
    case 'approxDistinct':
      return int;
    case 'median':
    case 'variance':
    case 'stddev':
    case 'avg':
      return double;
    default:
      return input;
  }
}

/** The view of one feature, over a window of seven days in tiles of an hour. */
export function layoutOf([, aggregate, slot]: AggregateCase): ViewLayout {
  const whole = resultOf(aggregate, slot.input ?? int);
  const result: ResultType = slot.by === undefined ? whole : { kind: 'map', key: slot.by.type, value: whole };
  const more = {
    ...(aggregate === 'quantiles' ? { quantiles: [0.5, 0.9, 0.99] } : {}),
    ...(aggregate === 'topK' ? { top: 5 } : {}),
  };
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'bench',
    entity: 'e',
    keys: [{ name: 'k', type: text }],
    tieBreak: 'id',
    groups: [{ hopUs: HOUR_US, spanUs: WINDOW_US }],
    slots: [{ ...slot, group: 0 }],
    features: [{ name: 'f', aggregate, slot: 0, windowUs: WINDOW_US, hopUs: HOUR_US, result, nullable: true, ...more }],
  };
}
