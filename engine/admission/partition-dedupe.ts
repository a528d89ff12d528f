import { hashId, PACKED_ID_BYTES, packId } from './id-hash.ts';
import { IdTable } from './id-table.ts';

/**
 * Whether a record repeats a claim of its id (design §5): while the later of the watermark before it and its own event time is at most the
 * claim's time plus the horizon, inclusive. False for a claim at NaN: an unknown id. All in µs.
 */
export function repeatsClaim(
  claimedAtUs: number,
  watermarkUs: number | null,
  eventTimeUs: number,
  horizonUs: number,
): boolean {
  const nowUs = watermarkUs === null || eventTimeUs > watermarkUs ? eventTimeUs : watermarkUs;
  return nowUs <= claimedAtUs + horizonUs;
}

/** Whether a record is older than any claim that is still known: it counts, and cannot be told from a repeat. */
export function isBeyondHorizon(watermarkUs: number | null, eventTimeUs: number, horizonUs: number): boolean {
  return watermarkUs !== null && eventTimeUs < watermarkUs - horizonUs;
}

/** The ids of a history's last horizon, known to every partition: loaded before any record is judged, shared, never changed. */
export class HistoryIds {
  readonly #table = new IdTable();

  /** @param chunks Packed ids as `HistoryFigures.horizonIds` and the rows of `dedupe_ids` with partition -1 hold them. */
  constructor(chunks: Iterable<Uint8Array> = []) {
    for (const chunk of chunks) this.load(chunk);
  }

  /** Adds a chunk. Throws MillraceError `dedupe-ids-corrupt`. */
  load(chunk: Uint8Array): void {
    this.#table.load(chunk);
  }

  get size(): number {
    return this.#table.size;
  }

  /** What they take of memory. */
  get bytes(): number {
    return this.#table.bytes;
  }

  /** The event time (µs) an id was first seen at, NaN where it is unknown. */
  get(words: Uint32Array): number {
    return this.#table.get(words);
  }
}

/** New ids of a stretch of a partition, as a row of `dedupe_ids` keeps them. */
export interface PackedIds {
  readonly ids: Uint8Array;
  /** The newest first-seen event time among them, µs. */
  readonly newestEventTimeUs: number;
}

/** The claims of one partition: its own, and below them the history's. Which record repeats one is `repeatsClaim`'s to say. */
export class PartitionDedupe {
  readonly #horizonUs: number;
  readonly #history: HistoryIds | null;
  readonly #own = new IdTable();
  readonly #words = new Uint32Array(4);
  #fresh = new DataView(new ArrayBuffer(PACKED_ID_BYTES * 256));
  #freshBytes = 0;
  #freshNewestUs = Number.NEGATIVE_INFINITY;

  constructor(horizonUs: number, history: HistoryIds | null) {
    this.#horizonUs = horizonUs;
    this.#history = history;
  }

  /**
   * Judges an id, and claims it when it is new. `undeduped`: new as far as can be told, and older than what can be.
   *
   * @param watermarkUs The partition's watermark before this record; null where none has reached dedupe yet.
   */
  judge(id: string, eventTimeUs: number, watermarkUs: number | null): 'new' | 'undeduped' | 'duplicate' {
    const words = this.#words;
    hashId(id, words);
    let claimedAt = this.#own.get(words);
    if (claimedAt !== claimedAt && this.#history !== null) claimedAt = this.#history.get(words);
    if (repeatsClaim(claimedAt, watermarkUs, eventTimeUs, this.#horizonUs)) return 'duplicate';
    // A claim this old is forgotten before any record could repeat it.
    if (isBeyondHorizon(watermarkUs, eventTimeUs, this.#horizonUs)) return 'undeduped';
    this.#own.set(words, eventTimeUs, this.#floorUs(watermarkUs));
    if (this.#freshBytes === this.#fresh.byteLength) this.#growFresh();
    packId(this.#fresh, this.#freshBytes, words, eventTimeUs);
    this.#freshBytes += PACKED_ID_BYTES;
    if (eventTimeUs > this.#freshNewestUs) this.#freshNewestUs = eventTimeUs;
    return 'new';
  }

  /** The ids claimed since the last call, packed in the order they were claimed; null if none. */
  takeNew(): PackedIds | null {
    if (this.#freshBytes === 0) return null;
    const taken = { ids: this.#freshIds(), newestEventTimeUs: this.#freshNewestUs };
    this.#freshBytes = 0;
    this.#freshNewestUs = Number.NEGATIVE_INFINITY;
    return taken;
  }

  /** Loads packed own ids, oldest rows first: an id claimed again later stands with its later time. */
  load(packed: Uint8Array): void {
    this.#own.load(packed);
  }

  /** What its own ids take of memory, those included that `takeNew` has not given out yet. */
  get bytes(): number {
    return this.#own.bytes + this.#fresh.byteLength;
  }

  /** Forgets ids that no record can be a duplicate of any more. Changes no judgement. */
  expire(watermarkUs: number): void {
    this.#own.dropBefore(this.#floorUs(watermarkUs));
  }

  /** All own ids that are still known at this watermark, packed. */
  snapshot(watermarkUs: number | null): Uint8Array {
    return this.#own.pack(this.#floorUs(watermarkUs));
  }

  /** Claims before it no record can repeat any more. */
  #floorUs(watermarkUs: number | null): number {
    return watermarkUs === null ? Number.NEGATIVE_INFINITY : watermarkUs - this.#horizonUs;
  }

  #freshIds(): Uint8Array {
    return new Uint8Array(this.#fresh.buffer.slice(0, this.#freshBytes));
  }

  #growFresh(): void {
    const grown = new Uint8Array(this.#fresh.byteLength * 2);
    grown.set(new Uint8Array(this.#fresh.buffer));
    this.#fresh = new DataView(grown.buffer);
  }
}
