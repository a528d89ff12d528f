import { storedFeatures, type ViewLayout } from '../define/view-layout.ts';
import type { InspectedGroup, StateInspector } from '../state/inspect-state.ts';
import { CorruptState, decodeStored, hasWrongCrc } from '../state/stored-state.ts';
import type { ViewReducer } from '../state/view-reducer.ts';
import type { AuditedEntity, StoredDifference } from './audited-entity.ts';

/** The tiles of a group whose partials are not the same in two states. */
export interface DifferingTiles {
  readonly group: number;
  /** Tile index to the layout's slots that differ in it. A tile only one state has differs in all slots. */
  readonly tiles: ReadonlyMap<number, readonly number[]>;
}

/** Group by group, what differs; groups that do not are left out. */
export function differingTiles(
  expected: readonly InspectedGroup[],
  received: readonly InspectedGroup[],
): DifferingTiles[] {
  const differences: DifferingTiles[] = [];
  for (const [group, { slots, tiles: wanted }] of expected.entries()) {
    const found = new Map(received[group]!.tiles.map((tile) => [tile.index, tile.partials]));
    const tiles = new Map<number, readonly number[]>();
    for (const { index, partials } of wanted) {
      const others = found.get(index);
      found.delete(index);
      const differing = others === undefined ? slots : slots.filter((_, at) => partials[at] !== others[at]);
      if (differing.length > 0) tiles.set(index, differing);
    }
    for (const index of found.keys()) tiles.set(index, slots);
    if (tiles.size > 0) differences.push({ group, tiles });
  }
  return differences;
}

/** The features that stand on slots which differ; all of them where the states differ in nothing a slot holds. */
export function differingFeatures(layout: ViewLayout, differences: readonly DifferingTiles[]): number[] {
  const slots = new Set(differences.flatMap(({ tiles }) => [...tiles.values()].flat()));
  const all = [...storedFeatures(layout).keys()];
  const touched = all.filter((feature) => slots.has(layout.features[feature]!.slot));
  return touched.length > 0 ? touched : all;
}

/**
 * Holds the stored row of an entity to the state that the log gives (null: no event was applied): its checksum, that it can be decoded,
 * its bytes. Null when all of it is as it should be.
 */
export function checkStored(
  entity: AuditedEntity,
  reducer: ViewReducer,
  inspector: StateInspector,
): StoredDifference | null {
  const { stored, state: expected } = entity;
  const all = [...storedFeatures(reducer.layout).keys()];
  if (stored === null) {
    if (expected === null) return null;
    return { damage: null, reason: 'the row is missing', features: all };
  }
  const decoded = decodeStored(reducer, stored.state);
  const isWhole = !hasWrongCrc(stored.state, stored.crc);
  if (decoded instanceof CorruptState) {
    const damage = !isWhole ? 'checksum' : decoded.isExpiredKept ? 'expired-kept' : 'undecodable';
    return { damage, reason: decoded.reason, features: all };
  }
  if (expected === null) {
    return { damage: isWhole ? null : 'checksum', reason: 'no record of the log belongs to it', features: all };
  }
  const isEqual = Buffer.compare(reducer.encode(expected), stored.state) === 0;
  if (isEqual && isWhole) return null;
  // Readers get nothing of a state whose checksum is wrong: all of its cells differ.
  if (!isWhole) {
    const reason = isEqual ? 'the state is right, its checksum is not' : 'the state differs';
    return { damage: 'checksum', reason, features: all };
  }
  const differences = differingTiles(inspector.groups(expected), inspector.groups(decoded));
  return { damage: null, reason: 'the state differs', features: differingFeatures(reducer.layout, differences) };
}
