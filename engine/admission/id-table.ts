import { MillraceError } from '../errors/millrace-error.ts';
import { PACKED_ID_BYTES, packId, packedTimeUs } from './id-hash.ts';

const SMALLEST = 1024;

/**
 * Hashed ids with the event time each was first seen at: 24 bytes an id in flat arrays (open addressing, linear probing), so that
 * millions of them cost the garbage collector nothing.
 */
export class IdTable {
  #mask = SMALLEST - 1;
  #words = new Uint32Array(SMALLEST * 4);
  /** NaN: free. */
  #times = new Float64Array(SMALLEST).fill(Number.NaN);
  #size = 0;

  /** How many ids it holds. */
  get size(): number {
    return this.#size;
  }

  /** The event time (µs) of an id, NaN where it is unknown. */
  get(id: Uint32Array): number {
    return this.#times[this.#slot(id[0] as number, id[1] as number, id[2] as number, id[3] as number)] as number;
  }

  /** Sets the event time of an id, known or not. */
  set(id: Uint32Array, eventTimeUs: number): void {
    this.#put(id[0] as number, id[1] as number, id[2] as number, id[3] as number, eventTimeUs);
  }

  /** True when the next new id makes the arrays grow: the moment to drop those that have expired. */
  get isFull(): boolean {
    return this.#size * 2 > this.#mask;
  }

  /** Keeps only ids first seen at or after `fromUs`. */
  dropBefore(fromUs: number): void {
    let kept = 0;
    for (const time of this.#times) if (time >= fromUs) kept++;
    if (kept < this.#size) this.#rebuild(kept, fromUs);
  }

  /** Adds packed ids; a later one of the same id wins. Throws MillraceError `dedupe-ids-corrupt`. */
  load(packed: Uint8Array): void {
    if (packed.length % PACKED_ID_BYTES !== 0) {
      throw new MillraceError('dedupe-ids-corrupt', `packed ids of ${packed.length} bytes: expected a multiple of 24`, {
        remedy: 'The row in millrace_catalog.dedupe_ids was damaged: build the view anew (rebackfill).',
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
      );
    }
  }

  /** The ids first seen at or after `fromUs`, packed. */
  pack(fromUs: number): Uint8Array {
    let count = 0;
    for (const time of this.#times) if (time >= fromUs) count++;
    const packed = new Uint8Array(count * PACKED_ID_BYTES);
    const view = new DataView(packed.buffer);
    let at = 0;
    for (let slot = 0; slot < this.#times.length; slot++) {
      const time = this.#times[slot] as number;
      if (!(time >= fromUs)) continue;
      packId(view, at, this.#words.subarray(slot * 4, slot * 4 + 4), time);
      at += PACKED_ID_BYTES;
    }
    return packed;
  }

  #slot(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    const times = this.#times;
    let slot = a & this.#mask;
    for (;;) {
      const time = times[slot] as number;
      if (time !== time) return slot;
      const at = slot * 4;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  #put(a: number, b: number, c: number, d: number, time: number): void {
    let slot = this.#slot(a, b, c, d);
    const before = this.#times[slot] as number;
    if (before !== before) {
      if (this.isFull) {
        this.#rebuild(this.#size * 2, Number.NEGATIVE_INFINITY);
        slot = this.#slot(a, b, c, d);
      }
      this.#size++;
      const at = slot * 4;
      this.#words[at] = a;
      this.#words[at + 1] = b;
      this.#words[at + 2] = c;
      this.#words[at + 3] = d;
    }
    this.#times[slot] = time;
  }

  #rebuild(expected: number, fromUs: number): void {
    const words = this.#words;
    const times = this.#times;
    let capacity = SMALLEST;
    while (capacity < expected * 2) capacity *= 2;
    this.#mask = capacity - 1;
    this.#words = new Uint32Array(capacity * 4);
    this.#times = new Float64Array(capacity).fill(Number.NaN);
    this.#size = 0;
    for (let slot = 0; slot < times.length; slot++) {
      const time = times[slot] as number;
      if (!(time >= fromUs)) continue;
      const at = slot * 4;
      const target = this.#slot(
        words[at] as number,
        words[at + 1] as number,
        words[at + 2] as number,
        words[at + 3] as number,
      );
      this.#words.set(words.subarray(at, at + 4), target * 4);
      this.#times[target] = time;
      this.#size++;
    }
  }
}
