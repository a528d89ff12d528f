import { BlockTags } from './block-tags.ts';
import type { SealedClaims } from './claim-block.ts';
import type { HeldTags, VisitClaim } from './claim-segment.ts';
import { ClaimTable } from './claim-table.ts';

/** Of the heap, for a block and those who hold it; above what was measured. */
const BLOCK_BYTES = 320;

/** Claims in a pool, for as long as somebody holds them. */
export interface ClaimBlock {
  readonly tag: number;
  /** Of its claims, µs. */
  readonly newestUs: number;
  readonly digest: string;
  holders: number;
}

/**
 * Blocks of claims that several holders share, each there once: a block is known by the digest of its bytes, so that those are shared whose claims are equal,
 * and no others. A holder sees the blocks it holds.
 */
export class ClaimPool {
  #tags = new BlockTags();
  #table = new ClaimTable(this.#tags);
  readonly #blocks = new Map<string, ClaimBlock>();
  #holders = 0;

  /** Of those that hold blocks of it, or may come to. */
  get holders(): number {
    return this.#holders;
  }

  /** What it takes of memory, counted once. */
  get bytes(): number {
    return this.#table.bytes + this.#tags.bytes + this.#blocks.size * BLOCK_BYTES;
  }

  join(): void {
    this.#holders++;
  }

  leave(): void {
    this.#holders--;
  }

  /** Whether a block of `held` has a claim of this id at or after `fromUs`. */
  has(id: Uint32Array, fromUs: number, held: HeldTags): boolean {
    return this.#table.has(id, fromUs, held);
  }

  /** Holds the block of these claims, which is made where nobody holds it. */
  take(claims: SealedClaims): ClaimBlock {
    const known = this.#blocks.get(claims.digest);
    if (known !== undefined) {
      known.holders++;
      return known;
    }
    const { words, timesUs, baseUs, newestUs, digest } = claims;
    const tag = this.#tags.take(baseUs);
    for (let claim = 0, at = 0; claim < timesUs.length; claim++, at += 4)
      this.#table.add(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, timesUs[claim]! - baseUs, tag);
    const block = { tag, newestUs, digest, holders: 1 };
    this.#blocks.set(digest, block);
    return block;
  }

  /** Holds a block no longer. Its claims lie there, where nobody else holds it, until a sweep or until their room is needed. */
  drop(block: ClaimBlock): void {
    if (--block.holders > 0) return;
    this.#blocks.delete(block.digest);
    this.#tags.end(block.tag);
    if (this.#blocks.size > 0) return;
    this.#tags = new BlockTags();
    this.#table = new ClaimTable(this.#tags);
  }

  /** Drops claims that nobody holds from up to so many segments (of about a thousand claims), while they are more than an eighth of all. */
  sweep(segments: number): void {
    this.#table.sweep(segments);
  }

  /** Calls `visit` with each claim of a block of `held`, in no order. */
  forEach(held: HeldTags, visit: VisitClaim): void {
    this.#table.forEach(held, visit);
  }
}
