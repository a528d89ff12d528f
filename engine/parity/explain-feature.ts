import { formatDateTime } from '../values/iso-time.ts';
import { type Cell, STATE_CORRUPT } from '../values/cell.ts';
import { cellJson } from '../values/cell-json.ts';
import type { ScalarType } from '../values/field-type.ts';
import { jsonValue } from '../values/json-values.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import { deriveOf } from '../state/derived-cells.ts';
import { isDerived, storedFeatures } from '../define/view-layout.ts';
import { indexBeside } from '../define/slot-inputs.ts';
import { shownInputs } from '../define/shown-inputs.ts';
import { comparisonOf, idComparisonOf } from '../values/compare.ts';
import { StateInspector } from '../state/inspect-state.ts';
import { CorruptState } from '../state/stored-state.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import { firstTileSeen, lastTileSeen } from '../state/window-tiles.ts';
import type { EntityEvent } from './entity-events.ts';
import { tileIn } from './evidence.ts';
import type { ExplainedFeature, ExplainedRecord, ExplainedTile } from './explanation.ts';

export interface FeatureSubject {
  readonly view: CompiledView;
  readonly reducer: ViewReducer;
  /** Index into the layout's features. */
  readonly feature: number;
  /** What the values are read from, and what the log gives. */
  readonly state: EntityState | CorruptState;
  readonly replayed: EntityState;
  readonly atUs: number;
  readonly events: readonly EntityEvent[];
  readonly maxRecords: number;
  readonly maxTiles: number;
}

/** One feature, with its tiles and the records in them. */
export function explainFeature(subject: FeatureSubject): ExplainedFeature {
  const { view, feature, state, replayed, maxRecords, maxTiles } = subject;
  const { layout } = view;
  if (isDerived(layout.features[feature]!)) return explainDerived(subject);
  const { name, aggregate, windowUs, hopUs, agoUs, result, default: fill } = layout.features[feature]!;
  const tiles = tilesOf(subject);
  const behind = listedOf(subject, recordsOf(subject));
  const shown = behind.slice(0, maxRecords).map((event) => record(subject, event));
  const one = result.kind === 'map' ? undefined : deciding(subject)?.(behind)[0];
  return {
    name,
    aggregate,
    input: shownInputs(view, feature),
    windowSeconds: windowUs === null ? null : windowUs / 1_000_000,
    hopSeconds: hopUs === null ? null : hopUs / 1_000_000,
    ...(agoUs === undefined ? {} : { agoSeconds: agoUs / 1_000_000 }),
    ...(fill === undefined ? {} : { default: fill }),
    value: cellJson(result, cellOf(subject, state)),
    replayed: cellJson(result, cellOf(subject, replayed)),
    tiles: tiles.slice(0, maxTiles),
    moreTiles: Math.max(0, tiles.length - maxTiles),
    records: shown,
    moreRecords: behind.length - shown.length,
    deciding: one === undefined ? null : record(subject, one),
  };
}

/** Whether a read finds what the values are read from: what has expired has nothing behind it. */
function isFound({ reducer, state, replayed, atUs }: FeatureSubject): boolean {
  return reducer.finds(state instanceof CorruptState ? replayed : state, atUs);
}

/** A derived feature: no record stands behind it but those of what it is made of. */
function explainDerived(subject: FeatureSubject): ExplainedFeature {
  const { view, feature, state, replayed, reducer, atUs } = subject;
  const { name, aggregate, result } = view.layout.features[feature]!;
  const nothing = { tiles: [], moreTiles: 0, records: [], moreRecords: 0, deciding: null };
  const explained: ExplainedFeature = {
    name,
    aggregate,
    input: shownInputs(view, feature),
    windowSeconds: null,
    hopSeconds: null,
    value: cellJson(result, cellOf(subject, state)),
    replayed: cellJson(result, cellOf(subject, replayed)),
    ...nothing,
  };
  if (state instanceof CorruptState) return explained;
  const read = new Set<string>();
  let failure: string | null = null;
  const note = (of: string, what: string): unknown => of === name && read.add(what);
  const cells = reducer.read(state, atUs);
  // Once more, with somebody who looks on.
  const { features } = view.layout;
  const derive = deriveOf(view.layout, view.derived, note);
  derive?.(cells.slice(0, storedFeatures(view.layout).length), atUs, (found) => {
    if (found.feature === name) failure = found.reason;
  });
  const values = features.flatMap((each, index) =>
    read.has(each.name) ? [[each.name, cellJson(each.result, cells[index]!)] as const] : [],
  );
  return { ...explained, derivedFrom: { values: Object.fromEntries(values), failure } };
}

/** Their results are 0 where there is nothing. */
const COUNTS: ReadonlySet<string> = new Set(['count', 'distinct', 'approxDistinct']);

/** What the feature reads from a state. */
function cellOf({ reducer, feature, atUs }: FeatureSubject, state: EntityState | CorruptState): Cell {
  return state instanceof CorruptState ? STATE_CORRUPT : reducer.read(state, atUs)[feature]!;
}

/** The tiles the feature's window sees, [from, to]; null for a lifetime feature. */
function windowOf({ view, feature, atUs }: FeatureSubject): { from: number; to: number; hopUs: number } | null {
  const layout = view.layout.features[feature]!;
  const { windowUs, hopUs } = layout;
  if (windowUs === null || hopUs === null) return null;
  return { from: firstTileSeen(layout, windowUs, hopUs, atUs), to: lastTileSeen(layout, hopUs, atUs), hopUs };
}

/** Newest first; those that hold nothing for the feature are left out. */
function tilesOf(subject: FeatureSubject): ExplainedTile[] {
  const { view, feature, state } = subject;
  if (state instanceof CorruptState || !isFound(subject)) return [];
  const { slot, result, aggregate } = view.layout.features[feature]!;
  const inspector = new StateInspector(view.layout);
  const window = windowOf(subject);
  const tiles: ExplainedTile[] = [];
  for (const { index } of inspector.groups(state)[view.layout.slots[slot]!.group]!.tiles.toReversed()) {
    if (window !== null && (index < window.from || index > window.to)) continue;
    // A tile alone may hold what the whole does not: a value too large for the feature's type.
    const cell = inspector.readTiles(state, feature, index, index);
    if (cell === null || (COUNTS.has(aggregate) && cell === 0)) continue;
    tiles.push({
      index,
      from: window === null ? null : formatDateTime(index * window.hopUs),
      until: window === null ? null : formatDateTime((index + 1) * window.hopUs),
      value: cellJson(result, cell),
    });
  }
  return tiles;
}

/** The events whose input is in the value, newest first: those in the window's tiles that the state still keeps. */
function recordsOf(subject: FeatureSubject): EntityEvent[] {
  const { view, feature, events, replayed } = subject;
  if (!isFound(subject)) return [];
  const { slot } = view.layout.features[feature]!;
  const { group } = view.layout.slots[slot]!;
  const window = windowOf(subject);
  const oldest = window === null ? 0 : new StateInspector(view.layout).oldestTile(group, replayed.newestEventTimeUs);
  return events
    .filter((event) => {
      if (event.inputs[slot] === null) return false;
      if (window === null) return true;
      const tile = tileIn(window.hopUs, event);
      return tile >= Math.max(window.from, oldest) && tile <= window.to;
    })
    .toSorted((a, b) => compareOrder(view, b, a));
}

type Picked = (behind: readonly EntityEvent[]) => readonly EntityEvent[];

/** Of a list, the records in it; of a map, those that its categories' values are of; of other features all. They come newest first. */
function listedOf(subject: FeatureSubject, behind: readonly EntityEvent[]): readonly EntityEvent[] {
  const { slots, features } = subject.view.layout;
  const { slot } = features[subject.feature]!;
  const pick = listing(subject);
  if (slots[slot]!.by === undefined) return pick?.(behind) ?? behind;
  const ofCategory = pick ?? deciding(subject);
  if (ofCategory === null) return behind;
  const at = indexBeside(slots, slot, 'category');
  const kept = new Set([...Map.groupBy(behind, ({ inputs }) => inputs[at]).values()].flatMap(ofCategory));
  return behind.filter((event) => kept.has(event));
}

/** What `firstN` and `lastN` list; null of other aggregates. */
function listing({ view, feature }: FeatureSubject): Picked | null {
  const { slot } = view.layout.features[feature]!;
  const { partial, size, distinct } = view.layout.slots[slot]!;
  if (partial !== 'firstN' && partial !== 'lastN') return null;
  const isLast = partial === 'lastN';
  return (behind) => {
    const values = new Set<unknown>();
    const listed = (isLast ? behind : behind.toReversed()).filter(
      ({ inputs }) => distinct !== true || values.size < values.add(inputs[slot]).size,
    );
    return isLast ? listed.slice(0, size) : listed.slice(0, size).toReversed();
  };
}

/** The order of `first` and `last`: event time, then event id or position. */
function compareOrder({ layout }: CompiledView, a: EntityEvent, b: EntityEvent): number {
  if (a.eventTimeUs !== b.eventTimeUs) return a.eventTimeUs - b.eventTimeUs;
  if (layout.tieBreak !== 'offset') return idComparisonOf(layout.tieBreak)(a.id ?? '', b.id ?? '');
  return a.partition - b.partition || a.offset - b.offset;
}

/** Of first, last, min, max, minBy and maxBy the one record whose value it is; null of other aggregates. */
function deciding({ view, feature }: FeatureSubject): Picked | null {
  const { aggregate, slot } = view.layout.features[feature]!;
  const { slots } = view.layout;
  const { input, order } = slots[slot]!;
  switch (aggregate) {
    case 'last':
      return (behind) => behind.slice(0, 1);
    case 'first':
      return (behind) => behind.slice(-1);
    // Of several with the least or greatest value the newest.
    case 'min':
    case 'max':
      return greatest(slot, input!, aggregate === 'max' ? 1 : -1, 'newest');
    case 'minBy':
      return greatest(indexBeside(slots, slot, 'order'), order!, -1, 'oldest');
    case 'maxBy':
      return greatest(indexBeside(slots, slot, 'order'), order!, 1, 'newest');
    case 'count':
    case 'sum':
    case 'avg':
    case 'variance':
    case 'stddev':
    case 'derived':
    case 'firstN':
    case 'lastN':
    case 'quantiles':
    case 'median':
    case 'approxDistinct':
    case 'distinct':
    case 'topK':
    case 'histogram':
      return null;
  }
}

/** The event with the greatest (`sign` 1) or least (-1) of its inputs at an index. */
function greatest(at: number, type: ScalarType, sign: 1 | -1, ofEqual: 'newest' | 'oldest'): Picked {
  const compare = comparisonOf(type);
  return (behind) => {
    const [best, ...others] = ofEqual === 'newest' ? behind : behind.toReversed();
    if (best === undefined) return [];
    return [
      others.reduce((most, event) => (sign * compare(event.inputs[at]!, most.inputs[at]!) > 0 ? event : most), best),
    ];
  };
}

function record({ view, feature }: FeatureSubject, event: EntityEvent): ExplainedRecord {
  const { slot } = view.layout.features[feature]!;
  const { slots } = view.layout;
  const { input, order, by } = slots[slot]!;
  const { partition, offset, eventTimeUs, id, inputs, seq } = event;
  return {
    partition,
    offset,
    eventTime: formatDateTime(eventTimeUs),
    eventId: id,
    value: input === null ? true : jsonValue(input, inputs[slot]!),
    ...(order === undefined ? {} : { order: jsonValue(order, inputs[indexBeside(slots, slot, 'order')]!) }),
    ...(by === undefined ? {} : { category: jsonValue(by.type, inputs[indexBeside(slots, slot, 'category')]!) }),
    seq,
  };
}
