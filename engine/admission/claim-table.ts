import type { BlockTags } from './block-tags.ts';
import { ClaimSegment, type HeldTags, type VisitClaim } from './claim-segment.ts';

/** Claims of a segment on average, beyond which one is split: what one claim can hold up, by having a segment made anew. */
const SEGMENT_CLAIMS = 1024;

/** While ended blocks have more than this share of the claims, segments are made anew without them. */
const DEAD_SHARE = 1 / 8;

/**
 * Claims of many blocks, at most 32 bytes each. It grows by a segment at a time (linear hashing: Litwin, 1980), so that no claim waits for the whole of it,
 * and no more than a segment is ever held twice.
 */
export class ClaimTable {
  readonly #tags: BlockTags;
  /** An id's is named by the lower bits of its first word: `#bits` of them, and one more for those segments that were split since all were. */
  readonly #segments = [new ClaimSegment()];
  #bits = 0;
  /** Segments before this one were split. */
  #next = 0;
  #size = 0;
  #bytes = this.#segments[0]!.bytes;
  #swept = 0;

  constructor(tags: BlockTags) {
    this.#tags = tags;
  }

  /** What it takes of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a block of `held` has a claim of this id at or after `fromUs`. */
  has(id: Uint32Array, fromUs: number, held: HeldTags): boolean {
    const a = id[0] as number;
    const segment = this.#segments[this.#indexOf(a)] as ClaimSegment;
    return segment.has(a, id[1] as number, id[2] as number, id[3] as number, fromUs, held, this.#tags);
  }

  /** Adds a claim of a block. `sinceBaseUs`: its time since the block's base. */
  add(a: number, b: number, c: number, d: number, sinceBaseUs: number, tag: number): void {
    const segment = this.#segments[this.#indexOf(a)] as ClaimSegment;
    const { size, bytes } = segment;
    segment.add(a, b, c, d, sinceBaseUs, tag, this.#tags);
    this.#size += segment.size - size;
    this.#bytes += segment.bytes - bytes;
    if (this.#size - this.#tags.dead > SEGMENT_CLAIMS * this.#segments.length) this.#split();
  }

  /** Makes up to so many segments anew without the claims of ended blocks, while these have more than their share. */
  sweep(segments: number): void {
    for (let left = Math.min(segments, this.#segments.length); left > 0; left--) {
      if (this.#tags.dead <= this.#size * DEAD_SHARE) return;
      this.#swept = (this.#swept + 1) % this.#segments.length;
      const segment = this.#segments[this.#swept] as ClaimSegment;
      const { size, bytes } = segment;
      segment.keepLive(this.#tags);
      this.#size += segment.size - size;
      this.#bytes += segment.bytes - bytes;
    }
  }

  /** Calls `visit` with each claim of a block of `held`, in no order. */
  forEach(held: HeldTags, visit: VisitClaim): void {
    for (const segment of this.#segments) segment.forEach(held, this.#tags, visit);
  }

  #indexOf(a: number): number {
    const at = a & ((1 << this.#bits) - 1);
    return at < this.#next ? a & ((2 << this.#bits) - 1) : at;
  }

  #split(): void {
    const segment = this.#segments[this.#next]!;
    const [stays, goes] = segment.split(1 << this.#bits, this.#tags);
    this.#segments[this.#next] = stays;
    this.#segments.push(goes);
    this.#size += stays.size + goes.size - segment.size;
    this.#bytes += stays.bytes + goes.bytes - segment.bytes;
    if (++this.#next < 1 << this.#bits) return;
    this.#bits++;
    this.#next = 0;
  }
}
