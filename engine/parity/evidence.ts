import { STATE_CORRUPT } from '../values/cell.ts';
import { isDerived, type SlotLayout, storedFeatures } from '../define/view-layout.ts';
import type { EntityState } from '../state/view-reducer.ts';
import { firstTileSeen, lastTileSeen } from '../state/window-tiles.ts';
import type { ServedValue } from '../served/served-read.ts';
import { type DifferingTiles, differingTiles } from './check-stored.ts';
import { countDiffering, sameCell } from './compare-values.ts';
import type { EntityCase, Evidence } from './entity-case.ts';
import type { EntityEvent } from './entity-events.ts';

/** A stored state: every bit of it is known. */
export class StoredEvidence implements Evidence {
  readonly seq: number;
  readonly received: EntityState;
  readonly expected: EntityState;
  readonly differences: readonly DifferingTiles[];
  readonly missingRows: number | null;
  readonly #case: EntityCase;
  readonly #bytes: Uint8Array;

  constructor(of: EntityCase, seq: number, expected: EntityState, received: EntityState) {
    this.#case = of;
    this.seq = seq;
    this.expected = expected;
    this.received = received;
    this.#bytes = of.reducer.encode(received);
    const { inspector } = of;
    this.differences = differingTiles(inspector.groups(expected), inspector.groups(received));
    this.missingRows = this.#countMissing();
  }

  matches(state: EntityState): boolean {
    return Buffer.compare(this.#case.reducer.encode(state), this.#bytes) === 0;
  }

  concerns(event: EntityEvent): boolean {
    if (event.eventTimeUs > this.received.newestEventTimeUs) return true;
    return this.differences.every(({ group, tiles }) => tiles.has(this.tileOf(event, group)));
  }

  touches(event: EntityEvent): boolean {
    if (event.eventTimeUs > this.received.newestEventTimeUs) return true;
    return (
      this.differences.some(({ group, tiles }) => tiles.has(this.tileOf(event, group))) || this.#isUncovered(event)
    );
  }

  /** Where newest events are missing, older tiles are not expired: what fell into them counts, too, though it shows in neither state. */
  #isUncovered(event: EntityEvent): boolean {
    const [from, until] = [this.received.newestEventTimeUs, this.expected.newestEventTimeUs];
    if (from >= until) return false;
    const { inspector, reducer } = this.#case;
    return reducer.layout.groups.some(({ hopUs }, group) => {
      if (hopUs === null) return false;
      const tile = this.tileOf(event, group);
      return tile < inspector.oldestTile(group, until) && tile >= inspector.oldestTile(group, from);
    });
  }

  tileOf(event: EntityEvent, group: number): number {
    return tileIn(this.#case.reducer.layout.groups[group]!.hopUs, event);
  }

  #countMissing(): number | null {
    const { layout } = this.#case.reducer;
    // The lifetime group, the last one, has seen every row; others have seen all that differ unless tiles expired otherwise.
    const isSameNewest = this.received.newestEventTimeUs === this.expected.newestEventTimeUs;
    for (const { group, tiles } of this.differences.toReversed()) {
      if (layout.groups[group]!.hopUs !== null && !isSameNewest) return null;
      const slot = layout.slots.findIndex((candidate) => candidate.group === group && countsRows(candidate));
      if (slot < 0) continue;
      const expected = this.#case.inspector.groups(this.expected)[group]!;
      const received = this.#case.inspector.groups(this.received)[group]!;
      const total = ({ slots, tiles: all }: typeof expected): number =>
        all.reduce(
          (sum, tile) => (tiles.has(tile.index) ? sum + unsigned(tile.partials[slots.indexOf(slot)]!) : sum),
          0,
        );
      return total(expected) - total(received);
    }
    return null;
  }
}

/** A logged read: only its values are known. */
export class ReadEvidence implements Evidence {
  readonly seq: number;
  readonly asOfUs: number;
  readonly expected: EntityState;
  readonly served: readonly ServedValue[];
  /** Indexes of the stored features that differ; where none of those does, of the derived ones. */
  readonly features: readonly number[];
  /** Whether derived features alone differ. What they are made of may not have been asked for. */
  readonly isOfDerivedAlone: boolean;
  /** Whether what derived features are made of was served, all of it, and as it should be. */
  readonly isOfRightInputs: boolean;
  readonly missingRows: number | null;
  readonly #case: EntityCase;

  constructor(of: EntityCase, seq: number, asOfUs: number, expected: EntityState, served: readonly ServedValue[]) {
    this.#case = of;
    this.seq = seq;
    this.asOfUs = asOfUs;
    this.expected = expected;
    this.served = served;
    const cells = of.reducer.read(expected, asOfUs);
    const { features, slots } = of.reducer.layout;
    const all = served.filter(({ index, value }) => !sameCell(cells[index]!, value));
    const stored = all.filter(({ index }) => !isDerived(features[index]!));
    this.isOfDerivedAlone = all.length > 0 && stored.length === 0;
    const storedServed = served.filter(({ index }) => !isDerived(features[index]!)).length;
    this.isOfRightInputs = stored.length === 0 && storedServed === storedFeatures(of.reducer.layout).length;
    const differing = this.isOfDerivedAlone ? all : stored;
    this.features = differing.map(({ index }) => index);
    const count = stored.find(({ index }) => countsRows(slots[features[index]!.slot]!));
    const [wanted, found] = count === undefined ? [] : [cells[count.index], count.value];
    this.missingRows = typeof wanted === 'number' && typeof found === 'number' ? wanted - found : null;
  }

  /** The read found a stored state that was corrupt: it says nothing of the entity's records. */
  get isCorrupt(): boolean {
    return this.served.some(({ value }) => value === STATE_CORRUPT);
  }

  matches(state: EntityState): boolean {
    return countDiffering(this.#case.reducer, state, this.asOfUs, this.served) === 0;
  }

  concerns(event: EntityEvent): boolean {
    return this.features.every((feature) => this.isVisible(event, feature));
  }

  touches(event: EntityEvent): boolean {
    return this.features.some((feature) => this.isVisible(event, feature));
  }

  /** Whether the event's tile lies in the feature's window. */
  isVisible(event: EntityEvent, feature: number): boolean {
    const layout = this.#case.reducer.layout.features[feature]!;
    const { windowUs, hopUs } = layout;
    if (windowUs === null || hopUs === null) return true;
    const tile = tileIn(hopUs, event);
    return (
      tile >= firstTileSeen(layout, windowUs, hopUs, this.asOfUs) && tile <= lastTileSeen(layout, hopUs, this.asOfUs)
    );
  }
}

/** Whether a slot counts every row, as one number: of those with a `where` or categories nobody can say how many rows are missing. */
function countsRows({ partial, input, conditional, by }: SlotLayout): boolean {
  return partial === 'count' && input === null && conditional === undefined && by === undefined;
}

/** The tile of an event; 0 in the lifetime group. */
export function tileIn(hopUs: number | null, { eventTimeUs }: { readonly eventTimeUs: number }): number {
  return hopUs === null ? 0 : Math.floor(eventTimeUs / hopUs);
}

/** `u(n)` of the state codec, from Latin-1 text. */
function unsigned(text: string): number {
  let value = 0;
  for (let at = 0; at < text.length; at++) value += (text.charCodeAt(at) & 0x7f) * 2 ** (7 * at);
  return value;
}
