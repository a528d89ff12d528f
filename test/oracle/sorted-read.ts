/**
 * Training values over an entity's events in their order, by bisection: the reads of millions of events that `trainingValues` would take hours for.
 * A test holds the two together.
 */
import {
  exactAvg,
  exactSum,
  exactStddev,
  exactVariance,
  nearQuantile,
  nearQuantiles,
  type OracleValue,
} from './exact.ts';
import { countedValue, listed, listText } from './lists.ts';
import { compareByType, type OracleScalar, type OracleType } from './order.ts';
import { windowValue } from './read.ts';
import { type OracleEvent, type OracleView, spanOf } from './view.ts';
import { tileOf } from './window.ts';

type Additive = 'count' | 'sum' | 'avg' | 'min' | 'max';

/** An entity's events by (event time, id, else partition and offset); what ties still has one order only, being equal. */
export function sortedEvents<Row>({ idType }: OracleView<Row>, events: readonly OracleEvent[]): OracleEvent[] {
  return events.toSorted(
    (a, b) =>
      a.eventTimeUs - b.eventTimeUs ||
      (idType === null ? a.partition - b.partition || a.offset - b.offset : compareByType(idType, a.id!, b.id!)),
  );
}

/** What `trainingValues` gives, of events as `sortedEvents` gave them. */
export function sortedTrainingValues<Row>(
  view: OracleView<Row>,
  sorted: readonly OracleEvent[],
  atUs: number,
): OracleValue[] {
  const before = firstFrom(sorted, atUs);
  const { expireUs } = view;
  const isExpired = expireUs !== undefined && before > 0 && sorted[before - 1]!.eventTimeUs <= atUs - expireUs;
  const past = isExpired ? 0 : before;
  const values = view.features.map((feature, index): OracleValue => {
    const span = spanOf(feature);
    const endUs = atUs - (span?.agoUs ?? 0);
    const from =
      span === null ? 0 : Math.min(past, firstFrom(sorted, tileOf(endUs - span.windowUs, span.hopUs) * span.hopUs));
    const until =
      span === null ? past : Math.min(past, firstFrom(sorted, (tileOf(endUs, span.hopUs) + 1) * span.hopUs));
    const { aggregate, input, where, by } = feature;
    // Few events of an entity are in a window: what is divided takes the way of `trainingValues`.
    if (by !== undefined) return windowValue(view, index, sorted.slice(from, until));
    if (input === null) return where === undefined ? until - from : valuesOf(sorted, index, from, until).length;
    const { type } = input;
    if (aggregate === 'first' || aggregate === 'last') return endOf(sorted, index, from, until, aggregate);
    if (aggregate === 'minBy' || aggregate === 'maxBy')
      return extremeOf(sorted.slice(from, until), index, feature.order!.type, aggregate);
    if (aggregate === 'distinct' || aggregate === 'topK' || aggregate === 'histogram') {
      const rule = { kind: aggregate, k: feature.top ?? 0, limit: feature.limit ?? 1000 };
      return countedValue(type, valuesOf(sorted, index, from, until), rule);
    }
    if (aggregate === 'firstN' || aggregate === 'lastN') {
      const inTheirOrder = valuesOf(sorted, index, from, until);
      const rule = { kind: aggregate, n: feature.size!, distinct: feature.distinct ?? false };
      return inTheirOrder.length === 0 ? null : listText(type, listed(type, inTheirOrder, rule));
    }
    if (aggregate === 'approxDistinct') return new Set(valuesOf(sorted, index, from, until)).size;
    if (aggregate === 'variance' || aggregate === 'stddev') {
      const exact = aggregate === 'variance' ? exactVariance : exactStddev;
      return exact(type, valuesOf(sorted, index, from, until), feature.population ?? false);
    }
    if (aggregate === 'quantiles' || aggregate === 'median') {
      const values = valuesOf(sorted, index, from, until);
      const accuracy = feature.accuracy ?? 0.01;
      if (values.length === 0) return null;
      return aggregate === 'median'
        ? nearQuantile(type, values, 0.5, accuracy)
        : nearQuantiles(type, values, feature.quantiles!, accuracy);
    }
    return type.kind === 'int'
      ? ofSmallIntegers(sorted, index, from, until, aggregate)
      : ofValues(type, aggregate, valuesOf(sorted, index, from, until));
  });
  return values.map((value, index) => value ?? view.features[index]!.fill ?? null);
}

function valuesOf(sorted: readonly OracleEvent[], index: number, from: number, until: number): OracleScalar[] {
  const inputs = sorted.slice(from, until).map(({ inputs }) => inputs[index]!);
  return inputs.filter((value) => value !== null);
}

function ofValues(type: OracleType, aggregate: Additive, values: readonly OracleScalar[]): OracleValue {
  if (aggregate === 'count') return values.length;
  if (aggregate === 'sum') return exactSum(type, values);
  if (aggregate === 'avg') return exactAvg(type, values);
  if (values.length === 0) return null;
  const sign = aggregate === 'min' ? 1 : -1;
  return values.reduce((best, value) => (sign * compareByType(type, value, best) < 0 ? value : best));
}

/** The same in one pass: whole numbers add up exactly while they are safe, and far faster than bigints. */
function ofSmallIntegers(
  sorted: readonly OracleEvent[],
  index: number,
  from: number,
  until: number,
  aggregate: Additive,
): OracleValue {
  let count = 0;
  let sum = 0;
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  for (let at = from; at < until; at++) {
    const value = sorted[at]!.inputs[index] as number | null;
    if (value === null) continue;
    count++;
    sum += value;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
    if (Math.abs(sum) > 2 ** 52) return ofValues({ kind: 'int' }, aggregate, valuesOf(sorted, index, from, until));
  }
  if (aggregate === 'count') return count;
  if (count === 0) return null;
  return { sum: sum + 0, avg: sum / count + 0, min: least, max: greatest }[aggregate];
}

/** Of equal ones the first of a minBy and the last of a maxBy: the events are in their order. */
function extremeOf(events: readonly OracleEvent[], index: number, order: OracleType, kind: 'minBy' | 'maxBy') {
  const both = events.filter(({ inputs, orders }) => inputs[index] !== null && orders![index] !== null);
  const better = (a: OracleEvent, b: OracleEvent): boolean => {
    const compared = compareByType(order, a.orders![index]!, b.orders![index]!);
    return kind === 'minBy' ? compared < 0 : compared >= 0;
  };
  const best = both.reduce<OracleEvent | null>(
    (held, event) => (held === null || better(event, held) ? event : held),
    null,
  );
  return best === null ? null : best.inputs[index]!;
}

/** How many events come before an instant. */
function firstFrom(sorted: readonly OracleEvent[], atUs: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.eventTimeUs < atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first or last input that is not null. */
function endOf(sorted: readonly OracleEvent[], index: number, from: number, until: number, end: 'first' | 'last') {
  const step = end === 'first' ? 1 : -1;
  for (let at = end === 'first' ? from : until - 1; at >= from && at < until; at += step) {
    const value = sorted[at]!.inputs[index]!;
    if (value !== null) return value;
  }
  return null;
}
