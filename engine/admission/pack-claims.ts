import { isCut } from './claim-block.ts';
import type { ClaimBlock, ClaimPool } from './claim-pool.ts';
import { PACKED_ID_BYTES, packId } from './id-hash.ts';
import type { OpenClaims } from './open-claims.ts';

/** Where the claims of a block go. */
interface Place {
  claims: number;
  /** Of them, those that may end a block. */
  cuts: number;
  front: number;
  back: number;
  last: number;
}

/**
 * Packs claims so that their blocks end where they did when they are read again: by block, and in each last one that may end it. (Others that may come first,
 * as they did: where a block has not had enough claims yet, none of them ends it.)
 */
export function packClaims(pool: ClaimPool, blocks: readonly ClaimBlock[], open: OpenClaims): Uint8Array {
  const held = new Uint8Array(blocks.reduce((most, { tag }) => Math.max(most, tag), 0) + 1);
  const places = new Map<number, Place>();
  for (const { tag } of blocks) {
    held[tag] = 1;
    places.set(tag, { claims: 0, cuts: 0, front: 0, back: 0, last: 0 });
  }
  pool.forEach(held, (words, from, _timeUs, tag) => {
    const place = places.get(tag)!;
    place.claims++;
    if (isCut(words[from + 3] as number)) place.cuts++;
  });
  let count = 0;
  for (const place of places.values()) {
    place.front = count;
    count += place.claims;
    place.last = count - 1;
    place.back = place.cuts > 0 ? place.last - 1 : place.last;
  }
  const packed = new Uint8Array((count + open.size) * PACKED_ID_BYTES);
  const view = new DataView(packed.buffer);
  pool.forEach(held, (words, from, timeUs, tag) => {
    packId(view, placed(places.get(tag)!, words[from + 3] as number) * PACKED_ID_BYTES, words, timeUs, from);
  });
  const { words } = open;
  for (const [at, timeUs] of open.timesUs.entries())
    packId(view, (count + at) * PACKED_ID_BYTES, words, timeUs, at * 4);
  return packed;
}

function placed(place: Place, d: number): number {
  if (!isCut(d)) return place.back--;
  return --place.cuts === 0 ? place.last : place.front++;
}
