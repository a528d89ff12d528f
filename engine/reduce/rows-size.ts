import type { TileRows } from './tile-rows.ts';

/** A number, and the half more that V8 makes room for when an array grows. */
export const BYTES_PER_CELL = 12;
/** The same for a reference. */
export const BYTES_PER_REF = 12;
/** The text or big integer a reference may hold. */
export const BYTES_PER_HELD_REF = 32;

/** Integers of fewer bits are counted with the reference that holds them. */
const COUNTED = 1n << BigInt((BYTES_PER_HELD_REF / 2) * 8);

/** What a text takes of memory beyond what is counted for every one. */
export function longTextBytes(text: string): number {
  return text.length > BYTES_PER_HELD_REF / 2 ? text.length * 2 : 0;
}

/** About how many bytes rows take, long texts and integers as short ones. */
export function rowsBytes({ cells, refs }: TileRows): number {
  let bytes = cells.length * BYTES_PER_CELL + refs.length * BYTES_PER_REF;
  for (const ref of refs) {
    if (ref !== null) bytes += typeof ref === 'object' ? ref.bytes() : BYTES_PER_HELD_REF;
  }
  return bytes;
}

/** What long texts and integers of rows take beyond that; those of collections are in `rowsBytes`. */
export function longRefsBytes({ refs }: TileRows): number {
  let bytes = 0;
  for (const ref of refs) {
    if (typeof ref === 'string') bytes += longTextBytes(ref);
    else if (typeof ref === 'bigint') bytes += integerBytes(ref);
  }
  return bytes;
}

/** A sum of doubles whose exponents lie far apart has hundreds of bytes. */
function integerBytes(integer: bigint): number {
  return integer < COUNTED && integer > -COUNTED ? 0 : integer.toString(16).length / 2;
}
