import type { ServedRead } from '../served/served-read.ts';
import { hashOf, readBytes } from './served-sample.ts';

/** What bounds it. */
export interface HeldBounds {
  readonly maxRecords: number;
  /** What records and reads may take of the heap. */
  readonly maxBytes: number;
}

/**
 * Requests to a service that are held whole: its records, and the reads that they are made of. What is too much is halved by the hash of the requests' ids;
 * one request stays, however large.
 *
 * @example
 * const held = new HeldRequests({ maxRecords: 10_000, maxBytes: 2 ** 28 });
 * held.addRecord(record);
 * held.addRead(read);
 */
export class HeldRequests {
  readonly #bounds: HeldBounds;
  readonly #reads = new Map<string, ServedRead[]>();
  #records: ServedRead[] = [];
  #bytes = 0;
  #leftOut = 0;
  #below = 2 ** 32;
  #smallest = 2 ** 32;

  constructor(bounds: HeldBounds) {
    this.#bounds = bounds;
  }

  /** In the order they came in. */
  get records(): readonly ServedRead[] {
    return this.#records;
  }

  /** Records that are not held. */
  get leftOut(): number {
    return this.#leftOut;
  }

  readsOf({ requestId }: ServedRead): readonly ServedRead[] {
    return this.#reads.get(requestId) ?? [];
  }

  addRecord(record: ServedRead): void {
    const hash = hashOf(record.requestId);
    if (hash >= this.#below) {
      this.#leftOut++;
      return;
    }
    this.#smallest = Math.min(this.#smallest, hash);
    this.#records.push(record);
    this.#bytes += readBytes(record);
    this.#shrink();
  }

  /** A read of a request that a record was added of: once all records were. */
  addRead(read: ServedRead): void {
    const { requestId } = read;
    if (hashOf(requestId) >= this.#below) return;
    const own = this.#reads.get(requestId);
    if (own === undefined) this.#reads.set(requestId, [read]);
    else own.push(read);
    this.#bytes += readBytes(read);
    this.#shrink();
  }

  #shrink(): void {
    const { maxRecords, maxBytes } = this.#bounds;
    while (this.#below > this.#smallest + 1 && (this.#records.length > maxRecords || this.#bytes > maxBytes)) {
      this.#below = Math.max(this.#below / 2, this.#smallest + 1);
      const kept = this.#records.filter(({ requestId }) => hashOf(requestId) < this.#below);
      this.#leftOut += this.#records.length - kept.length;
      this.#records = kept;
      for (const requestId of this.#reads.keys()) if (hashOf(requestId) >= this.#below) this.#reads.delete(requestId);
      this.#bytes = [kept, ...this.#reads.values()].flat().reduce((sum, one) => sum + readBytes(one), 0);
    }
  }
}
