import { MillraceError } from '../errors/millrace-error.ts';
import { PACKED_ID_BYTES, packId, packedTimeUs } from './id-hash.ts';
import { IdSegment } from './id-segment.ts';

/** Ids of a segment on average, beyond which one is split: what one id can hold up, by having a segment made anew. */
const SEGMENT_IDS = 1024;

/** The most that an id takes in a table, but for the first few: what is reserved for those that are about to be loaded. */
export const MOST_BYTES_PER_ID = 34;

/**
 * Hashed ids with the event time each was first seen at, at most 32 bytes an id. It grows by a segment at a time (linear hashing: Litwin, 1980), so that
 * no id waits for the whole of it, and no more than a segment is ever held twice.
 */
export class IdTable {
  /** An id's is named by the lower bits of its first word: `#bits` of them, and one more for those segments that were split since all were. */
  readonly #segments = [new IdSegment()];
  #bits = 0;
  /** Segments before this one were split. */
  #next = 0;
  #size = 0;
  #bytes = this.#segments[0]!.bytes;

  /** How many ids it holds. */
  get size(): number {
    return this.#size;
  }

  /** What it takes of memory: at most 32 an id, but for the first few. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The event time (µs) of an id, NaN where it is unknown. */
  get(id: Uint32Array): number {
    const a = id[0] as number;
    return this.#segmentOf(a).get(a, id[1] as number, id[2] as number, id[3] as number);
  }

  /**
   * Sets the event time (µs) of an id, known or not.
   *
   * @param floorUs Ids first seen before may be forgotten, and are where that makes room.
   */
  set(id: Uint32Array, eventTimeUs: number, floorUs: number): void {
    this.#put(id[0] as number, id[1] as number, id[2] as number, id[3] as number, eventTimeUs, floorUs);
  }

  /** Keeps only ids first seen at or after `floorUs`. */
  dropBefore(floorUs: number): void {
    this.#size = 0;
    this.#bytes = 0;
    for (const segment of this.#segments) {
      segment.dropBefore(floorUs);
      this.#size += segment.size;
      this.#bytes += segment.bytes;
    }
  }

  /** Adds packed ids; a later one of the same id wins. Throws MillraceError `dedupe-ids-corrupt`. */
  load(packed: Uint8Array): void {
    if (packed.length % PACKED_ID_BYTES !== 0) {
      throw new MillraceError('dedupe-ids-corrupt', `packed ids of ${packed.length} bytes: expected a multiple of 24`, {
        remedy: 'The row in table dedupe_ids of the catalog was damaged: build the view anew (rebackfill).',
        httpStatus: 500,
      });
    }
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    for (let at = 0; at < packed.length; at += PACKED_ID_BYTES) {
      this.#put(
        view.getUint32(at),
        view.getUint32(at + 4),
        view.getUint32(at + 8),
        view.getUint32(at + 12),
        packedTimeUs(view, at),
        Number.NEGATIVE_INFINITY,
      );
    }
  }

  /** The ids first seen at or after `fromUs`, packed. */
  pack(fromUs: number): Uint8Array {
    const count = this.#segments.reduce((sum, segment) => sum + segment.countFrom(fromUs), 0);
    const packed = new Uint8Array(count * PACKED_ID_BYTES);
    const view = new DataView(packed.buffer);
    let at = 0;
    for (const segment of this.#segments) {
      segment.forEachFrom(fromUs, (words, timeUs) => {
        packId(view, at, words, timeUs);
        at += PACKED_ID_BYTES;
      });
    }
    return packed;
  }

  #segmentOf(a: number): IdSegment {
    const at = a & ((1 << this.#bits) - 1);
    return this.#segments[at < this.#next ? a & ((2 << this.#bits) - 1) : at] as IdSegment;
  }

  #put(a: number, b: number, c: number, d: number, timeUs: number, floorUs: number): void {
    const segment = this.#segmentOf(a);
    const before = segment.size;
    const bytesBefore = segment.bytes;
    segment.set(a, b, c, d, timeUs, floorUs);
    this.#size += segment.size - before;
    this.#bytes += segment.bytes - bytesBefore;
    if (this.#size > SEGMENT_IDS * this.#segments.length) this.#split();
  }

  #split(): void {
    const segment = this.#segments[this.#next]!;
    const [stays, goes] = segment.split(1 << this.#bits);
    this.#segments[this.#next] = stays;
    this.#segments.push(goes);
    this.#bytes += stays.bytes + goes.bytes - segment.bytes;
    if (++this.#next < 1 << this.#bits) return;
    this.#bits++;
    this.#next = 0;
  }
}
