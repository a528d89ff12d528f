import type { Cell } from '../values/cell.ts';
import { indexBeside } from '../define/slot-inputs.ts';
import { isOfOneEvent } from '../define/view-layout.ts';
import type { EntityState } from '../state/view-reducer.ts';
import type { EntityCase } from './entity-case.ts';
import type { EntityEvent } from './entity-events.ts';
import { ReadEvidence, StoredEvidence, tileIn } from './evidence.ts';
import { type Finding, placeOf } from './finding.ts';
import { sameCell } from './compare-values.ts';

type Seen = StoredEvidence | ReadEvidence;

/** `first`, `last`, `minBy` or `maxBy` hold the value of another event than the one whose turn it is. */
export function findOrder(of: EntityCase, evidence: Seen): Finding | null {
  const pairs = evidence instanceof StoredEvidence ? storedOrder(of, evidence) : readOrder(of, evidence);
  if (pairs === null || pairs.length === 0) return null;
  const isTie = pairs.every(({ held, right }) => held.eventTimeUs === right.eventTimeUs);
  const [{ held, right }] = pairs as [Held];
  return {
    cause: 'order',
    detail: `the value is that of ${placeOf(held)}, ${isTie ? 'which ties in event time with and comes before or after' : 'not that of'} ${placeOf(right)}, whose turn it is`,
    records: [...new Set(pairs.flatMap((pair) => [pair.held, pair.right]))],
    explains: (other) =>
      (other instanceof StoredEvidence || other instanceof ReadEvidence) && findOrder(of, other) !== null,
  };
}

interface Held {
  readonly held: EntityEvent;
  readonly right: EntityEvent;
}

function storedOrder(of: EntityCase, evidence: StoredEvidence): Held[] | null {
  const { slots: layoutSlots, groups } = of.reducer.layout;
  const expected = of.inspector.groups(evidence.expected);
  const received = of.inspector.groups(evidence.received);
  const pairs: Held[] = [];
  for (const { group, tiles } of evidence.differences) {
    for (const [index, slots] of tiles) {
      const wanted = expected[group]!.tiles.find((tile) => tile.index === index);
      const found = received[group]!.tiles.find((tile) => tile.index === index);
      if (wanted === undefined || found === undefined) return null;
      for (const slot of slots) {
        const { partial } = layoutSlots[slot]!;
        if (!isOfOneEvent(partial)) return null;
        const at = expected[group]!.slots.indexOf(slot);
        let held: EntityEvent | null = null;
        let right: EntityEvent | null = null;
        for (const event of of.upTo(evidence.seq)) {
          if (event.inputs[slot] === null || tileIn(groups[group]!.hopUs, event) !== index) continue;
          const own = of.inspector.groups(of.stateOf([event]))[group]!.tiles[0]?.partials[at];
          if (own === found.partials[at]) held = event;
          if (own === wanted.partials[at]) right = event;
        }
        if (held === null || right === null) return null;
        pairs.push({ held, right });
      }
    }
  }
  return pairs;
}

function readOrder(of: EntityCase, evidence: ReadEvidence): Held[] | null {
  const { features, slots } = of.reducer.layout;
  const values = of.reducer.read(evidence.expected, evidence.asOfUs);
  const pairs: Held[] = [];
  for (const index of evidence.features) {
    const { slot } = features[index]!;
    const layout = slots[slot];
    // A derived feature has no slot: of what it is made nobody asked.
    if (layout === undefined || !isOfOneEvent(layout.partial)) return null;
    const { partial } = layout;
    const events = of
      .upTo(evidence.seq)
      .filter((event) => event.inputs[slot] !== null && evidence.isVisible(event, index));
    const having = (cell: Cell): EntityEvent[] => events.filter((event) => sameCell(event.inputs[slot]!, cell));
    const received = evidence.served.find((served) => served.index === index)!.value;
    const [rights, helds] = [having(values[index]!), having(received)];
    const right = partial === 'last' || partial === 'maxBy' ? newest(rights) : newest(rights, -1);
    // Of minBy and maxBy only events with the same y have an order: another y is another fault.
    const y = indexBeside(slots, slot, 'order');
    const rivals =
      y < 0 ? helds : helds.filter((event) => right !== null && sameCell(event.inputs[y]!, right.inputs[y]!));
    const held = rivals.find((event) => event.eventTimeUs === right?.eventTimeUs) ?? newest(rivals);
    if (right === null || held === null) return null;
    pairs.push({ held, right });
  }
  return pairs;
}

function newest(events: readonly EntityEvent[], sign = 1): EntityEvent | null {
  return events.reduce<EntityEvent | null>(
    (best, event) => (best === null || sign * (event.eventTimeUs - best.eventTimeUs) >= 0 ? event : best),
    null,
  );
}

/** What one tile should hold is found at another index. */
export function findShiftedTile(of: EntityCase, evidence: Seen): Finding | null {
  return evidence instanceof StoredEvidence ? storedShift(of, evidence) : readShift(of, evidence);
}

/** The tile may have gone on growing at its own place since: what moved are its events up to some commit. */
function storedShift(of: EntityCase, evidence: StoredEvidence): Finding | null {
  // A tile moves alone: where the newest event is another one, records are missing or other tiles have expired.
  if (evidence.received.newestEventTimeUs !== evidence.expected.newestEventTimeUs) return null;
  const moves: { group: number; from: number; to: number; events: readonly EntityEvent[] }[] = [];
  const expected = of.inspector.groups(evidence.expected);
  const received = of.inspector.groups(evidence.received);
  for (const { group, tiles } of evidence.differences) {
    const indexes = [...tiles.keys()];
    const has = (side: typeof expected, index: number): readonly string[] | undefined =>
      side[group]!.tiles.find((tile) => tile.index === index)?.partials;
    const to = indexes.find((index) => has(expected, index) === undefined);
    const from = indexes.find((index) => index !== to);
    const { hopUs } = of.reducer.layout.groups[group]!;
    if (hopUs === null || indexes.length !== 2 || to === undefined || from === undefined) return null;
    const inTile = of.upTo(evidence.seq).filter((event) => tileIn(hopUs, event) === from);
    const stayed = has(received, from)?.join('|');
    const moved = has(received, to)?.join('|');
    const count = movedCount(of, group, inTile, moved, stayed);
    if (count === 0) return null;
    moves.push({ group, from, to, events: inTile.slice(0, count) });
  }
  const [first] = moves;
  if (first === undefined) return null;
  return shifted(of, first, [...new Set(moves.flatMap(({ events }) => events))], (state) =>
    moves.every(({ group, from, to }) => of.inspector.moveTile(state, group, from, to)),
  );
}

/** How many of a tile's events give the partials that moved, while the others give those that stayed; 0 where no number does. */
function movedCount(
  of: EntityCase,
  group: number,
  inTile: readonly EntityEvent[],
  moved: string | undefined,
  stayed: string | undefined,
): number {
  const partialsOf = (state: EntityState): string | undefined =>
    of.inspector.groups(state)[group]!.tiles[0]?.partials.join('|');
  const state = of.reducer.empty();
  for (let count = 1; count <= inTile.length && !of.budget.isSpent; count++) {
    of.apply(state, [inTile[count - 1]!]);
    if (partialsOf(state) === moved && partialsOf(of.stateOf(inTile.slice(count))) === stayed) return count;
  }
  return 0;
}

function readShift(of: EntityCase, evidence: ReadEvidence): Finding | null {
  for (const group of groupsOf(of, evidence)) {
    const { hopUs } = of.reducer.layout.groups[group]!;
    if (hopUs === null) continue;
    for (const { index } of of.inspector.groups(evidence.expected)[group]!.tiles.toReversed()) {
      for (const to of [index - 1, index + 1]) {
        if (of.budget.isSpent) return null;
        const state = of.copy(evidence.expected);
        if (!of.inspector.moveTile(state, group, index, to) || !evidence.matches(state)) continue;
        const events = of.upTo(evidence.seq).filter((event) => tileIn(hopUs, event) === index);
        return shifted(of, { group, from: index, to }, events, (other) =>
          of.inspector.moveTile(other, group, index, to),
        );
      }
    }
  }
  return null;
}

function shifted(
  of: EntityCase,
  { group, from, to }: { readonly group: number; readonly from: number; readonly to: number },
  records: readonly EntityEvent[],
  patch: (state: EntityState) => boolean,
): Finding {
  return {
    cause: 'shifted-tile',
    detail: `what belongs to tile ${from} ${tileText(of, group)} stands at index ${to}`,
    records,
    enactment: { patch },
  };
}

/** The oldest tiles are gone though windows can still see them. */
export function findExpiredTiles(of: EntityCase, evidence: Seen): Finding | null {
  return evidence instanceof StoredEvidence ? storedExpiry(of, evidence) : readExpiry(of, evidence);
}

function storedExpiry(of: EntityCase, evidence: StoredEvidence): Finding | null {
  const expected = of.inspector.groups(evidence.expected);
  const gone = new Map<number, ReadonlySet<number>>();
  for (const { group, tiles } of evidence.differences) {
    if (of.reducer.layout.groups[group]!.hopUs === null) return null;
    const oldest = expected[group]!.tiles.slice(0, tiles.size);
    if (oldest.length !== tiles.size || oldest.some(({ index }) => !tiles.has(index))) return null;
    gone.set(group, new Set(tiles.keys()));
  }
  const patch = (state: EntityState): boolean => {
    for (const [group, tiles] of gone) of.inspector.removeTiles(state, group, tiles);
    return true;
  };
  const state = of.copy(evidence.expected);
  patch(state);
  return gone.size > 0 && evidence.matches(state) ? expired(of, evidence.seq, gone, patch) : null;
}

function readExpiry(of: EntityCase, evidence: ReadEvidence): Finding | null {
  for (const group of groupsOf(of, evidence)) {
    if (of.reducer.layout.groups[group]!.hopUs === null) continue;
    const removed = new Set<number>();
    const state = of.copy(evidence.expected);
    for (const { index } of of.inspector.groups(evidence.expected)[group]!.tiles) {
      removed.add(index);
      of.inspector.removeTiles(state, group, new Set([index]));
      of.budget.spend(1);
      if (!evidence.matches(state)) continue;
      const patch = (other: EntityState): boolean => {
        of.inspector.removeTiles(other, group, removed);
        return true;
      };
      return expired(of, evidence.seq, new Map([[group, removed]]), patch);
    }
  }
  return null;
}

function expired(
  of: EntityCase,
  seq: number,
  gone: ReadonlyMap<number, ReadonlySet<number>>,
  patch: (state: EntityState) => boolean,
): Finding {
  const { groups } = of.reducer.layout;
  const records = of
    .upTo(seq)
    .filter((event) => [...gone].some(([group, tiles]) => tiles.has(tileIn(groups[group]!.hopUs, event))));
  const [[group, tiles]] = [...gone] as [[number, ReadonlySet<number>]];
  return {
    cause: 'expired-tile',
    detail: `the oldest ${tiles.size === 1 ? 'tile' : `${tiles.size} tiles`} ${tileText(of, group)} (index ${[...tiles].slice(0, 3).join(', ')}) ${tiles.size === 1 ? 'is' : 'are'} gone while a window can still see ${tiles.size === 1 ? 'it' : 'them'}`,
    records,
    enactment: { patch },
  };
}

/** The groups that the differing features stand on; all, where those are derived ones. */
function groupsOf(of: EntityCase, evidence: ReadEvidence): Set<number> {
  const { features, slots, groups } = of.reducer.layout;
  if (evidence.isOfDerivedAlone) return new Set(groups.keys());
  return new Set(evidence.features.map((feature) => slots[features[feature]!.slot]!.group));
}

function tileText(of: EntityCase, group: number): string {
  const { hopUs } = of.reducer.layout.groups[group]!;
  return hopUs === null ? 'of the lifetime group' : `of the hop of ${hopUs / 1_000_000} s`;
}
