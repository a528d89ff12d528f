import { MillraceError } from '../errors/millrace-error.ts';
import { endsBlock, sealClaims } from './claim-block.ts';
import type { ClaimBlock, ClaimPool } from './claim-pool.ts';
import { PACKED_ID_BYTES, packedTimeUs } from './id-hash.ts';
import { OpenClaims } from './open-claims.ts';
import { packClaims } from './pack-claims.ts';

/** Segments made anew at once without claims that nobody holds: by the claim that ends a block, and now and then. */
const SWEPT_BY_CLAIM = 8;
const SWEPT_AT_TIMES = 512;

/**
 * The claims that one holder knows of one partition, in the order they were made: those of full blocks lie in a pool, which others who judged alike share;
 * those of the block at hand are its own. To be released.
 */
export class HeldClaims {
  readonly #pool: ClaimPool;
  readonly #open = new OpenClaims();
  #blocks: ClaimBlock[] = [];
  #held = new Uint8Array(16);
  #newestUs = Number.NEGATIVE_INFINITY;

  constructor(pool: ClaimPool) {
    this.#pool = pool;
    pool.join();
  }

  /** What they take of memory beside the pool's. */
  get bytes(): number {
    return this.#open.bytes + this.#held.byteLength;
  }

  /** Whether an id has a claim at or after `fromUs`. (Of several claims of an id the newest has the latest time: no other is asked for.) */
  has(id: Uint32Array, fromUs: number): boolean {
    if (!(fromUs <= this.#newestUs)) return false;
    if (this.#open.get(id[0] as number, id[1] as number, id[2] as number, id[3] as number) >= fromUs) return true;
    return this.#blocks.length > 0 && this.#pool.has(id, fromUs, this.#held);
  }

  /**
   * Adds a claim.
   *
   * @param floorUs the oldest blocks are forgotten whose claims were all made before
   */
  add(a: number, b: number, c: number, d: number, timeUs: number, floorUs: number): void {
    this.#open.set(a, b, c, d, timeUs);
    if (timeUs > this.#newestUs) this.#newestUs = timeUs;
    if (!endsBlock(this.#open.size, d)) return;
    this.seal();
    let gone = 0;
    while (gone < this.#blocks.length && this.#blocks[gone]!.newestUs < floorUs) this.#drop(this.#blocks[gone++]!);
    if (gone > 0) this.#blocks.splice(0, gone);
    this.#pool.sweep(SWEPT_BY_CLAIM);
  }

  /** Adds packed ids in the order they were claimed. Throws MillraceError `dedupe-ids-corrupt`. */
  load(packed: Uint8Array): void {
    if (packed.length % PACKED_ID_BYTES !== 0) {
      throw new MillraceError('dedupe-ids-corrupt', `packed ids of ${packed.length} bytes: expected a multiple of 24`, {
        remedy: 'The row in table dedupe_ids of the catalog was damaged: build the view anew (rebackfill).',
        httpStatus: 500,
      });
    }
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    for (let at = 0; at < packed.length; at += PACKED_ID_BYTES) {
      this.add(
        view.getUint32(at),
        view.getUint32(at + 4),
        view.getUint32(at + 8),
        view.getUint32(at + 12),
        packedTimeUs(view, at),
        Number.NEGATIVE_INFINITY,
      );
    }
  }

  /** Ends the block at hand: where no more will come, the rest is shared too. */
  seal(): void {
    for (const claims of sealClaims(this.#open.words, this.#open.timesUs)) {
      const block = this.#pool.take(claims);
      if (this.#held[block.tag] === 1) this.#pool.drop(block);
      else this.#hold(block);
    }
    this.#open.clear();
  }

  /** Forgets the blocks whose claims were all made before `floorUs`. */
  dropBefore(floorUs: number): void {
    const kept = this.#blocks.filter((block) => block.newestUs >= floorUs);
    for (const block of this.#blocks) if (block.newestUs < floorUs) this.#drop(block);
    this.#blocks = kept;
    this.#pool.sweep(SWEPT_AT_TIMES);
  }

  /** All that it knows, packed: read again they make the same blocks. */
  pack(): Uint8Array {
    return packClaims(this.#pool, this.#blocks, this.#open);
  }

  /** Gives its blocks back. Nothing may be asked of it from then on; safe to call twice. */
  release(): void {
    if (this.#held.length === 0) return;
    for (const block of this.#blocks) this.#drop(block);
    this.#blocks = [];
    this.#held = new Uint8Array(0);
    this.#open.clear();
    this.#newestUs = Number.NEGATIVE_INFINITY;
    this.#pool.leave();
    this.#pool.sweep(Number.POSITIVE_INFINITY);
  }

  #hold(block: ClaimBlock): void {
    while (block.tag >= this.#held.length) {
      const grown = new Uint8Array(this.#held.length * 2);
      grown.set(this.#held);
      this.#held = grown;
    }
    this.#held[block.tag] = 1;
    this.#blocks.push(block);
  }

  #drop(block: ClaimBlock): void {
    this.#held[block.tag] = 0;
    this.#pool.drop(block);
  }
}
