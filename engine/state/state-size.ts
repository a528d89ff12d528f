import type { ViewLayout } from '../define/view-layout.ts';
import {
  BYTES_PER_CELL,
  BYTES_PER_HELD_REF,
  BYTES_PER_REF,
  longRefsBytes,
  longTextBytes,
  rowsBytes,
} from '../reduce/rows-size.ts';
import { createTileGroups } from './tile-group.ts';
import type { TileState } from './tile-state.ts';
import type { EntityState } from './view-reducer.ts';

/** An entity in memory but for its rows: a map entry, its key values and text, an empty state. */
export const BYTES_PER_ENTITY = 600;
/** The most measured of memory per byte of the packed encoding: rows in order of time, with room that expired ones left. */
const MEMORY_PER_ENCODED_BYTE = 25;
const SAMPLED_STATES = 256;
/** Beside an encoded state in a `StateStore`: its place, number and length, and its own head. */
const BYTES_PER_RECORD = 40;

/**
 * About how many bytes of memory states take, counted in a sample of them. Measured against the heap, for states of 1 to 200 tiles: 90 to
 * 115 % of it; 70 to 100 % where tiles expire all the while.
 *
 * @param states by any number, with holes where there is none
 * @param held how many there are
 * @example
 * if (statesBytes(states, states.length) > budgetBytes) await spill(states);
 */
export function statesBytes(states: readonly (EntityState | undefined)[], held: number): number {
  const step = Math.max(1, Math.floor(states.length / SAMPLED_STATES));
  let sampled = 0;
  let bytes = 0;
  for (let at = 0; at < states.length; at += step) {
    const state = states[at];
    if (state === undefined) continue;
    bytes += ofRows(state);
    sampled++;
  }
  return held * (BYTES_PER_ENTITY + (sampled === 0 ? 0 : bytes / sampled));
}

function ofRows(state: EntityState): number {
  let bytes = 0;
  for (const rows of (state as TileState).groups) bytes += rowsBytes(rows);
  return bytes;
}

/**
 * What one state takes of memory, with its entry in a map and its key's text; long texts and integers by their length.
 *
 * @example
 * held += stateBytes(state, keyText);
 */
export function stateBytes(state: EntityState, keyText = ''): number {
  let bytes = BYTES_PER_ENTITY + longTextBytes(keyText);
  for (const rows of (state as TileState).groups) bytes += rowsBytes(rows) + longRefsBytes(rows);
  return bytes;
}

/**
 * The most bytes that one event adds to a state: a row in every group, and to each collection what it says. Long texts aside, and sums of doubles whose
 * exponents lie far apart (up to 275 bytes, their squares 540): those count once a state has them, so that a limit is passed by one block of events at most.
 */
export function eventBytes(layout: ViewLayout): number {
  return createTileGroups(layout).reduce(
    (sum, { cellStride, refStride, collectedBytes }) =>
      sum + cellStride * BYTES_PER_CELL + refStride * (BYTES_PER_REF + BYTES_PER_HELD_REF) + collectedBytes,
    0,
  );
}

/** The most bytes that one event adds to an encoded state: a row in every group, a number of which takes no more than in memory; and its record. */
export function encodedEventBytes(layout: ViewLayout): number {
  return eventBytes(layout) + BYTES_PER_RECORD;
}

/** At most how many bytes of memory `entities` states will take whose encodings have `encodedBytes` in all. */
export function decodedBytes(entities: number, encodedBytes: number): number {
  return entities * BYTES_PER_ENTITY + encodedBytes * MEMORY_PER_ENCODED_BYTE;
}
