/**
 * The naive oracle of a read: quadratic, exact by bigints and decimal text, written from docs design §5 alone. It imports nothing of
 * engine/reduce or engine/state, so that a fault there cannot hide here.
 */
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import type { FeatureLayout, ViewLayout } from '../../engine/define/view-layout.ts';
import { OUT_OF_RANGE } from './exact.ts';

/** What the oracle needs of a layout; any `ViewLayout` will do. */
export type OracleLayout = Pick<ViewLayout, 'tieBreak' | 'groups' | 'slots' | 'features'>;

/** An applied event: `inputs[i]` is the input of slot `i`, null to skip, `true` for `count()` of rows. A `PreparedEvent` will do. */
export interface OracleEvent {
  readonly eventTimeUs: number;
  readonly id: string | null;
  readonly partition: number;
  readonly offset: number;
  readonly inputs: readonly ScalarValue[];
}

export { OUT_OF_RANGE } from './exact.ts';
export type OracleValue = ScalarValue | typeof OUT_OF_RANGE;

/** Feature values at `atUs` as a training set has them: of the windows' tiles, the events with `event_time < atUs`. */
export function oracleRead(layout: OracleLayout, events: readonly OracleEvent[], atUs: number): OracleValue[] {
  return layout.features.map((feature) =>
    evaluate(
      layout,
      feature,
      events.filter((event) => event.eventTimeUs < atUs && inWindow(feature, event, atUs)),
    ),
  );
}

/**
 * Feature values at any `atUs`, also one not after the newest event, from what a state of these events still has: the tiles that some
 * window of the same hop can see at a time from the newest event on. No event is left out for lying at or after `atUs` within the last tile.
 */
export function oracleReadOfState(layout: OracleLayout, events: readonly OracleEvent[], atUs: number): OracleValue[] {
  const newest = newestOf(events);
  return layout.features.map((feature) => {
    const { spanUs } = layout.groups[layout.slots[feature.slot]!.group]!;
    const kept = (event: OracleEvent) =>
      feature.hopUs === null ||
      tile(event.eventTimeUs, feature.hopUs) >= floorDiv(newest! - BigInt(spanUs!), BigInt(feature.hopUs));
    return evaluate(
      layout,
      feature,
      events.filter((event) => kept(event) && inWindow(feature, event, atUs)),
    );
  });
}

/** Whether `apply` reports each event, in this order of arrival, as late. */
export function oracleLate(layout: OracleLayout, arrivals: readonly OracleEvent[]): boolean[] {
  return arrivals.map((event, index) => {
    const newest = newestOf(arrivals.slice(0, index + 1))!;
    return layout.groups.every(
      ({ hopUs, spanUs }) =>
        hopUs !== null && tile(event.eventTimeUs, hopUs) < floorDiv(newest - BigInt(spanUs!), BigInt(hopUs)),
    );
  });
}

function newestOf(events: readonly OracleEvent[]): bigint | null {
  let newest: bigint | null = null;
  for (const { eventTimeUs } of events)
    if (newest === null || BigInt(eventTimeUs) > newest) newest = BigInt(eventTimeUs);
  return newest;
}

function floorDiv(a: bigint, b: bigint): bigint {
  return a >= 0n || a % b === 0n ? a / b : a / b - 1n;
}

function tile(timeUs: number, hopUs: number): bigint {
  return floorDiv(BigInt(timeUs), BigInt(hopUs));
}

function inWindow({ windowUs, hopUs }: FeatureLayout, event: OracleEvent, atUs: number): boolean {
  if (windowUs === null || hopUs === null) return true;
  const index = tile(event.eventTimeUs, hopUs);
  return floorDiv(BigInt(atUs) - BigInt(windowUs), BigInt(hopUs)) <= index && index <= tile(atUs, hopUs);
}

function evaluate(layout: OracleLayout, feature: FeatureLayout, events: readonly OracleEvent[]): OracleValue {
  const input = layout.slots[feature.slot]!.input;
  const seen = events.filter((event) => event.inputs[feature.slot] !== null);
  const values = seen.map((event) => event.inputs[feature.slot]!);
  if (feature.aggregate === 'count') return values.length;
  if (values.length === 0 || input === null) return null;
  switch (feature.aggregate) {
    case 'sum':
      return exactSum(input, values);
    case 'avg': {
      const sum = roundedSum(input, values);
      return Number.isFinite(sum) ? sum / values.length + 0 : OUT_OF_RANGE;
    }
    case 'min':
      return values.toSorted((a, b) => compareValues(input, a, b))[0]!;
    case 'max':
      return values.toSorted((a, b) => compareValues(input, b, a))[0]!;
    case 'first':
    case 'last': {
      const ordered = seen.toSorted((a, b) => compareEvents(layout, feature, a, b));
      return ordered.at(feature.aggregate === 'first' ? 0 : -1)!.inputs[feature.slot]!;
    }
  }
}

/** The scaled integer of a decimal's text; of an integer itself. */
function integerOf(value: ScalarValue): bigint {
  return typeof value === 'string' ? BigInt(value.replace('.', '')) : BigInt(value as number | bigint);
}

/** An integer divided by 10^scale, as text. */
function decimalText(integer: bigint, scale: number): string {
  const digits = (integer < 0n ? -integer : integer).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return integer < 0n ? `-${text}` : text;
}

/** Doubles as integer counts of 2^-1074, found by doubling until whole. */
function countOfLeast(value: number): bigint {
  let whole = value;
  let doublings = 0n;
  while (!Number.isInteger(whole)) {
    whole *= 2;
    doublings++;
  }
  return BigInt(whole) << (1074n - doublings);
}

/** The exact sum rounded once to a double: its exact decimal text (2^-1074 = 5^1074 / 10^1074), as JavaScript parses it. */
function roundedSum(type: ScalarType, values: readonly ScalarValue[]): number {
  if (type.kind === 'double') {
    const sum = values.reduce<bigint>((total, value) => total + countOfLeast(value as number), 0n);
    return Number(decimalText(sum * 5n ** 1074n, 1074)) + 0;
  }
  const sum = values.reduce<bigint>((total, value) => total + integerOf(value), 0n);
  return Number(decimalText(sum, type.kind === 'decimal' ? type.scale : 0)) + 0;
}

function exactSum(type: ScalarType, values: readonly ScalarValue[]): OracleValue {
  if (type.kind === 'double') {
    const sum = roundedSum(type, values);
    return Number.isFinite(sum) ? sum : OUT_OF_RANGE;
  }
  const sum = values.reduce<bigint>((total, value) => total + integerOf(value), 0n);
  const magnitude = sum < 0n ? -sum : sum;
  if (type.kind === 'decimal') return magnitude < 10n ** 38n ? decimalText(sum, type.scale) : OUT_OF_RANGE;
  if (type.kind === 'int64') return BigInt.asIntN(64, sum) === sum ? sum : OUT_OF_RANGE;
  return magnitude < 2n ** 53n ? Number(sum) : OUT_OF_RANGE;
}

function compareValues(type: ScalarType, a: ScalarValue, b: ScalarValue): number {
  if (type.kind === 'decimal') return integerOf(a) < integerOf(b) ? -1 : integerOf(a) > integerOf(b) ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a! < b! ? -1 : a! > b! ? 1 : 0;
}

/** (event time, then event id or partition and offset); what ties still: by value, the greater the later. */
function compareEvents(layout: OracleLayout, { slot }: FeatureLayout, a: OracleEvent, b: OracleEvent): number {
  const byKey =
    layout.tieBreak === 'id'
      ? Buffer.compare(Buffer.from(a.id ?? ''), Buffer.from(b.id ?? ''))
      : a.partition - b.partition || a.offset - b.offset;
  return (
    a.eventTimeUs - b.eventTimeUs ||
    byKey ||
    compareValues(layout.slots[slot]!.input!, a.inputs[slot]!, b.inputs[slot]!)
  );
}
