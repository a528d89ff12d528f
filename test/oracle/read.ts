/** Feature values of one entity at a time, in training and in serving, written from design §5 alone. */
import { dividedValue } from './divided.ts';
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
import { compareByType, type OracleScalar } from './order.ts';
import { type OracleEvent, type OracleFeature, type OracleView, spanOf } from './view.ts';
import { covers, tileOf } from './window.ts';

/** A training set's values at a label's time: of the windows' tiles, the events with `event_time < t`. */
export function trainingValues<Row>(
  view: OracleView<Row>,
  events: readonly OracleEvent[],
  atUs: number,
): OracleValue[] {
  const before = unexpired(
    view,
    events.filter(({ eventTimeUs }) => eventTimeUs < atUs),
    atUs,
  );
  return view.features.map((feature, index) => {
    const span = spanOf(feature);
    const seen = before.filter(({ eventTimeUs }) => span === null || covers(span, eventTimeUs, atUs));
    return windowValue(view, index, seen);
  });
}

/** "expired iff newest ≤ t − expire, even inside a longer window": as if there were no event. */
function unexpired<Row>(
  { expireUs }: OracleView<Row>,
  events: readonly OracleEvent[],
  atUs: number,
): readonly OracleEvent[] {
  return expireUs !== undefined && newestOf(events) <= atUs - expireUs ? [] : events;
}

/** What `read(state, t)` answers, the state being that of these events. */
export interface OracleServed {
  readonly found: boolean;
  /** `t` is not after the newest applied event: the values are what the state still has. */
  readonly ahead: boolean;
  readonly values: readonly OracleValue[];
}

/** Serving: whole tiles, those that the state still has. */
export function servedValues<Row>(view: OracleView<Row>, applied: readonly OracleEvent[], atUs: number): OracleServed {
  const events = unexpired(view, applied, atUs);
  const newestUs = newestOf(events);
  const values = view.features.map((feature, index) => {
    const span = spanOf(feature);
    const seen = events.filter(
      ({ eventTimeUs }) =>
        span === null || (covers(span, eventTimeUs, atUs) && keeps(view, span.hopUs, eventTimeUs, newestUs)),
    );
    return windowValue(view, index, seen);
  });
  return { found: events.length > 0, ahead: atUs <= newestUs, values };
}

/** Which arrivals, in their order, fall into no tile that any window can still see. */
export function lateArrivals<Row>(view: OracleView<Row>, arrivals: readonly OracleEvent[]): boolean[] {
  const spans = view.features.map(spanOf);
  return arrivals.map(({ eventTimeUs }, index) => {
    const newestUs = newestOf(arrivals.slice(0, index + 1));
    return spans.every((span) => span !== null && !keeps(view, span.hopUs, eventTimeUs, newestUs));
  });
}

/** Whether a tile is kept: some window over tiles of that length sees it at some `t ≥` the entity's newest event. */
function keeps<Row>(view: OracleView<Row>, hopUs: number, eventTimeUs: number, newestUs: number): boolean {
  return view.features.some((feature) => {
    const span = spanOf(feature);
    // The window's first tile only moves forward, so the newest event's own time sees the most: "the span kept is w + ago".
    if (span?.hopUs !== hopUs) return false;
    return tileOf(newestUs - (span.agoUs ?? 0) - span.windowUs, hopUs) <= tileOf(eventTimeUs, hopUs);
  });
}

function newestOf(events: readonly OracleEvent[]): number {
  return events.reduce((newest, { eventTimeUs }) => Math.max(newest, eventTimeUs), Number.NEGATIVE_INFINITY);
}

/** A feature over the events its window has, its default in place of null. */
export function windowValue<Row>(view: OracleView<Row>, index: number, seen: readonly OracleEvent[]): OracleValue {
  // "default replaces the feature's null where there is no error"
  const feature: OracleFeature<Row> = view.features[index]!;
  // "events with x and y both non-null"
  const nonNull = seen.filter(
    ({ inputs, orders }) => inputs[index] !== null && (feature.order === undefined || orders![index] !== null),
  );
  const of = (events: readonly OracleEvent[]): OracleValue => aggregateOf(view, index, events);
  const value = feature.by === undefined ? of(nonNull) : dividedValue(feature, index, nonNull, of);
  return value ?? feature.fill ?? null;
}

function aggregateOf<Row>(view: OracleView<Row>, index: number, nonNull: readonly OracleEvent[]): OracleValue {
  const feature: OracleFeature<Row> = view.features[index]!;
  if (feature.aggregate === 'count') return nonNull.length;
  // "exact up to 1/error² values": the tests of laws have no more.
  if (feature.aggregate === 'approxDistinct') return new Set(nonNull.map(({ inputs }) => inputs[index])).size;
  if (feature.aggregate === 'distinct' || feature.aggregate === 'topK' || feature.aggregate === 'histogram') {
    const rule = { kind: feature.aggregate, k: feature.top ?? 0, limit: feature.limit ?? 1000 };
    return countedValue(
      feature.input!.type,
      nonNull.map(({ inputs }) => inputs[index]!),
      rule,
    );
  }
  if (nonNull.length === 0) return null;
  const { type } = feature.input!;
  const values = nonNull.map(({ inputs }) => inputs[index]!);
  const least = (order: (a: OracleScalar, b: OracleScalar) => number) =>
    values.reduce((best, value) => (order(value, best) < 0 ? value : best));
  switch (feature.aggregate) {
    case 'sum':
      return exactSum(type, values);
    case 'avg':
      return exactAvg(type, values);
    case 'variance':
      return exactVariance(type, values, feature.population ?? false);
    case 'stddev':
      return exactStddev(type, values, feature.population ?? false);
    case 'quantiles':
      return nearQuantiles(type, values, feature.quantiles!, feature.accuracy ?? 0.01);
    case 'median':
      return nearQuantile(type, values, 0.5, feature.accuracy ?? 0.01);
    case 'min':
      return least((a, b) => compareByType(type, a, b));
    case 'max':
      return least((a, b) => compareByType(type, b, a));
    case 'first':
      return nonNull.reduce((best, event) => (inOrder(view, index, event, best) < 0 ? event : best)).inputs[index]!;
    case 'last':
      return nonNull.reduce((best, event) => (inOrder(view, index, event, best) > 0 ? event : best)).inputs[index]!;
    case 'firstN':
    case 'lastN': {
      // "in the order of §5, ascending; distinct keeps each value's latest (first) place"
      const inTheirOrder = nonNull.toSorted((a, b) => inOrder(view, index, a, b)).map(({ inputs }) => inputs[index]!);
      const rule = { kind: feature.aggregate, n: feature.size!, distinct: feature.distinct ?? false };
      return listText(type, listed(type, inTheirOrder, rule));
    }
    case 'minBy':
      return nonNull.reduce((best, event) => (byOrder(view, index, event, best) < 0 ? event : best)).inputs[index]!;
    case 'maxBy':
      return nonNull.reduce((best, event) => (byOrder(view, index, event, best) > 0 ? event : best)).inputs[index]!;
  }
}

/** "the least or greatest of (y, order of §5): minBy the earliest event, maxBy the latest" */
function byOrder<Row>(view: OracleView<Row>, index: number, a: OracleEvent, b: OracleEvent): number {
  const { type } = view.features[index]!.order!;
  return compareByType(type, a.orders![index]!, b.orders![index]!) || inOrder(view, index, a, b);
}

/** (event time, event id if declared, else partition and offset); what ties still (one id at one time in two partitions), by value. */
function inOrder<Row>(view: OracleView<Row>, index: number, a: OracleEvent, b: OracleEvent): number {
  const byKey =
    view.idType === null ? a.partition - b.partition || a.offset - b.offset : compareByType(view.idType, a.id!, b.id!);
  const { type } = view.features[index]!.input!;
  return a.eventTimeUs - b.eventTimeUs || byKey || compareByType(type, a.inputs[index]!, b.inputs[index]!);
}
