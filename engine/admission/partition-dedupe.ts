import { ClaimPool } from './claim-pool.ts';
import { HeldClaims } from './held-claims.ts';
import { hashId, PACKED_ID_BYTES, packId } from './id-hash.ts';

/**
 * The oldest claim of its id that a record repeats (design §5): the later of the watermark before it and its own event time, less the horizon, inclusive.
 * Of several claims of an id the newest has the latest time, so that a record repeats one where it repeats any. All in µs.
 */
export function oldestRepeatedUs(watermarkUs: number | null, eventTimeUs: number, horizonUs: number): number {
  return (watermarkUs === null || eventTimeUs > watermarkUs ? eventTimeUs : watermarkUs) - horizonUs;
}

/** Whether a record is older than any claim that is still known: it counts, and cannot be told from a repeat. */
export function isBeyondHorizon(watermarkUs: number | null, eventTimeUs: number, horizonUs: number): boolean {
  return watermarkUs !== null && eventTimeUs < watermarkUs - horizonUs;
}

/** The ids of a history's last horizon, known to every partition: loaded before any record is judged, then never changed. */
export class HistoryIds {
  readonly #claims: HeldClaims;

  /**
   * @param chunks Packed ids as `HistoryFigures.horizonIds` and the rows of `dedupe_ids` with partition -1 hold them.
   * @param pool Shared with others who may know the same ones; to be released then.
   */
  constructor(chunks: Iterable<Uint8Array> = [], pool = new ClaimPool()) {
    this.#claims = new HeldClaims(pool);
    for (const chunk of chunks) this.load(chunk);
  }

  /** Adds a chunk. Throws MillraceError `dedupe-ids-corrupt`. */
  load(chunk: Uint8Array): void {
    this.#claims.load(chunk);
  }

  /** No more chunks will come. */
  seal(): void {
    this.#claims.seal();
  }

  /** What they take of memory beside the pool's. */
  get bytes(): number {
    return this.#claims.bytes;
  }

  /** Whether an id was claimed at or after `fromUs`. */
  has(words: Uint32Array, fromUs: number): boolean {
    return this.#claims.has(words, fromUs);
  }

  release(): void {
    this.#claims.release();
  }
}

/** Of ids that `takeNew` has not given out there is room for so many at first. */
const FIRST_FRESH = 64;

/** New ids of a stretch of a partition, as a row of `dedupe_ids` keeps them. */
export interface PackedIds {
  readonly ids: Uint8Array;
  /** The newest first-seen event time among them, µs. */
  readonly newestEventTimeUs: number;
}

/** The claims of one partition: its own and the history's. Which record repeats one is `oldestRepeatedUs`' to say. */
export class PartitionDedupe {
  readonly #horizonUs: number;
  readonly #history: HistoryIds | null;
  readonly #own: HeldClaims;
  readonly #keepsNew: boolean;
  readonly #words = new Uint32Array(4);
  #fresh = emptyFresh();
  #freshBytes = 0;
  #freshNewestUs = Number.NEGATIVE_INFINITY;

  /**
   * @param pool Shared with others who judge the same partition; to be released then.
   * @param keepsNew Whether `takeNew` is to have them: whoever never asks would hold every id twice.
   */
  constructor(horizonUs: number, history: HistoryIds | null, pool = new ClaimPool(), keepsNew = true) {
    this.#keepsNew = keepsNew;
    this.#horizonUs = horizonUs;
    this.#history = history;
    this.#own = new HeldClaims(pool);
  }

  /**
   * Judges an id, and claims it when it is new. `undeduped`: new as far as can be told, and older than what can be.
   *
   * @param watermarkUs The partition's watermark before this record; null where none has reached dedupe yet.
   */
  judge(id: string, eventTimeUs: number, watermarkUs: number | null): 'new' | 'undeduped' | 'duplicate' {
    const words = this.#words;
    hashId(id, words);
    const fromUs = oldestRepeatedUs(watermarkUs, eventTimeUs, this.#horizonUs);
    if (this.#own.has(words, fromUs) || this.#history?.has(words, fromUs) === true) return 'duplicate';
    // A claim this old is forgotten before any record could repeat it.
    if (isBeyondHorizon(watermarkUs, eventTimeUs, this.#horizonUs)) return 'undeduped';
    this.#own.add(words[0]!, words[1]!, words[2]!, words[3]!, eventTimeUs, this.#floorUs(watermarkUs));
    if (!this.#keepsNew) return 'new';
    if (this.#freshBytes === this.#fresh.byteLength) this.#growFresh();
    packId(this.#fresh, this.#freshBytes, words, eventTimeUs);
    this.#freshBytes += PACKED_ID_BYTES;
    if (eventTimeUs > this.#freshNewestUs) this.#freshNewestUs = eventTimeUs;
    return 'new';
  }

  /** The ids claimed since the last call, packed in the order they were claimed; null if none. */
  takeNew(): PackedIds | null {
    if (this.#freshBytes === 0) return null;
    const ids = new Uint8Array(this.#fresh.buffer, 0, this.#freshBytes);
    const taken = { ids, newestEventTimeUs: this.#freshNewestUs };
    this.#fresh = emptyFresh();
    this.#freshBytes = 0;
    this.#freshNewestUs = Number.NEGATIVE_INFINITY;
    return taken;
  }

  /** Loads packed own ids, oldest rows first: an id claimed again later stands with its later time. */
  load(packed: Uint8Array): void {
    this.#own.load(packed);
  }

  /** What its own ids take of memory beside the pool's, those included that `takeNew` has not given out yet. */
  get bytes(): number {
    return this.#own.bytes + this.#fresh.byteLength;
  }

  /** Forgets ids that no record can be a duplicate of any more. Changes no judgement. */
  expire(watermarkUs: number): void {
    this.#own.dropBefore(this.#floorUs(watermarkUs));
  }

  /** All own ids that a record can still repeat at this watermark, packed, with those that were claimed about the same time. */
  snapshot(watermarkUs: number | null): Uint8Array {
    this.#own.dropBefore(this.#floorUs(watermarkUs));
    return this.#own.pack();
  }

  /** Gives its ids back. Nothing may be asked of it from then on. */
  release(): void {
    this.#own.release();
  }

  /** Claims before it no record can repeat any more. */
  #floorUs(watermarkUs: number | null): number {
    return watermarkUs === null ? Number.NEGATIVE_INFINITY : watermarkUs - this.#horizonUs;
  }

  #growFresh(): void {
    const grown = new Uint8Array(this.#fresh.byteLength * 2);
    grown.set(new Uint8Array(this.#fresh.buffer));
    this.#fresh = new DataView(grown.buffer);
  }
}

function emptyFresh(): DataView<ArrayBuffer> {
  return new DataView(new ArrayBuffer(PACKED_ID_BYTES * FIRST_FRESH));
}
