import type { Collection } from './tile-rows.ts';

/** An object, an array, and the room that an array takes when it first grows. */
const OWN_BYTES = 232;
/** Two numbers, and the half more that V8 makes room for. */
const BYTES_PER_BUCKET = 24;

/** The most bytes of memory that one value adds. */
export const MOST_COUNTED_BYTES = OWN_BYTES + BYTES_PER_BUCKET;

/** How many values lie in each bucket. Of more than the most buckets there may be, only that fact is kept. */
export class BucketCounts implements Collection {
  /** bucket, count, bucket, count, … ascending by bucket; null: there are too many. */
  #pairs: number[] | null;

  /** @param pairs become its own */
  constructor(pairs: number[] | null) {
    this.#pairs = pairs;
  }

  /** Not to be changed: bucket, count, bucket, count, … ascending by bucket; null: there are too many. */
  get pairs(): readonly number[] | null {
    return this.#pairs;
  }

  add(bucket: number, most: number): void {
    const pairs = this.#pairs;
    if (pairs === null) return;
    let low = 0;
    let high = pairs.length >>> 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (pairs[2 * middle]! < bucket) low = middle + 1;
      else high = middle;
    }
    if (pairs[2 * low] === bucket) pairs[2 * low + 1]!++;
    else if (pairs.length === 2 * most) this.#pairs = null;
    else if (2 * low === pairs.length) pairs.push(bucket, 1);
    else pairs.splice(2 * low, 0, bucket, 1);
  }

  merge({ pairs }: BucketCounts, most: number): void {
    if (this.#pairs === null) return;
    const merged = pairs === null ? null : mergedPairs(this.#pairs, pairs);
    this.#pairs = merged === null || merged.length > 2 * most ? null : merged;
  }

  copy(): BucketCounts {
    return new BucketCounts(this.#pairs === null ? null : this.#pairs.slice());
  }

  bytes(): number {
    return OWN_BYTES + ((this.#pairs?.length ?? 0) / 2) * BYTES_PER_BUCKET;
  }
}

/** Both ascend by bucket. */
function mergedPairs(a: readonly number[], b: readonly number[]): number[] {
  const merged: number[] = [];
  let inA = 0;
  let inB = 0;
  while (inA < a.length && inB < b.length) {
    const bucketA = a[inA]!;
    const bucketB = b[inB]!;
    if (bucketA < bucketB) {
      merged.push(bucketA, a[inA + 1]!);
      inA += 2;
    } else if (bucketA > bucketB) {
      merged.push(bucketB, b[inB + 1]!);
      inB += 2;
    } else {
      merged.push(bucketA, a[inA + 1]! + b[inB + 1]!);
      inA += 2;
      inB += 2;
    }
  }
  for (; inA < a.length; inA++) merged.push(a[inA]!);
  for (; inB < b.length; inB++) merged.push(b[inB]!);
  return merged;
}
