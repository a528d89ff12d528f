import type { ScalarType } from '../values/field-type.ts';
import { LeastHashes, leastOf, MOST_HASHED_BYTES } from './least-hashes.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';
import { HASHES, valueHash } from './value-hash.ts';

/** One ref: the least hashes of the tile's values; null: nothing yet. */
export const approxDistinctShape: PartialShape = { emptyCells: [], emptyRefs: [null], eventBytes: MOST_HASHED_BYTES };

/** How many distinct values there are: exactly while they have fewer hashes than are kept, else by how far the least reach. */
export function createApproxDistinct(input: ScalarType, most: number, { ref, refStride }: RowPlace): PartialReducer {
  const hash = valueHash(input);
  const at = (rows: TileRows, row: number): LeastHashes | null =>
    rows.refs[row * refStride + ref] as LeastHashes | null;
  return {
    add(rows, row, _event, value) {
      const held = at(rows, row);
      if (held === null) rows.refs[row * refStride + ref] = new LeastHashes([hash(value)]);
      else held.add(hash(value), most);
    },
    merge(rows, row, from, fromRow) {
      const held = at(rows, row);
      const offered = at(from, fromRow);
      if (offered === null) return;
      if (held === null) rows.refs[row * refStride + ref] = offered.copy();
      else held.merge(offered, most);
    },
    encode(rows, row, writer) {
      const hashes = at(rows, row)?.hashes ?? [];
      writer.unsigned(hashes.length);
      let before = -1;
      for (const own of hashes) {
        writer.unsigned(own - before - 1);
        before = own;
      }
    },
    decode(rows, row, reader) {
      const length = reader.unsigned();
      if (length === 0) return;
      if (length > most) reader.corrupt('there are more hashes than are kept');
      if (length > reader.remaining) reader.corrupt('there are fewer hashes than it says');
      const hashes: number[] = [];
      let own = -1;
      for (let read = 0; read < length; read++) {
        own += reader.unsigned() + 1;
        if (own >= HASHES) reader.corrupt('a hash is out of range');
        hashes.push(own);
      }
      // A copy has no more room than it needs.
      rows.refs[row * refStride + ref] = new LeastHashes(hashes.slice());
    },
    reader() {
      return (rows, from, to) => {
        // Neighbours are merged by twos, then these, so that no hash is met more often than the tiles can be halved.
        let runs: (readonly number[])[] = [];
        for (let row = from; row < to; row++) {
          const held = at(rows, row);
          if (held !== null) runs.push(held.hashes);
        }
        while (runs.length > 1) {
          const merged: (readonly number[])[] = [];
          for (let run = 0; run < runs.length; run += 2) {
            const next = runs[run + 1];
            merged.push(next === undefined ? runs[run]! : leastOf(runs[run]!, next, most));
          }
          runs = merged;
        }
        const [least = []] = runs;
        return least.length < most ? least.length : distinctOf(least[most - 1]!, most);
      };
    },
  };
}

/**
 * How many distinct values there are where `most` hashes reach up to `last`: (most - 1) · 2^53 / (last + 1), the nearest whole number, and no
 * fewer than there are for sure. Always safe: `last` is at least `most` - 1.
 */
function distinctOf(last: number, most: number): number {
  const under = BigInt(last) + 1n;
  const estimate = (2n * BigInt(most - 1) * BigInt(HASHES) + under) / (2n * under);
  return Math.max(most, Number(estimate));
}
