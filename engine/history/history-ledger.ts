import type { CompiledSource } from '../define/compiled-view.ts';
import type { HistoryFile } from './history-files.ts';
import type { HistoryHorizon } from '../admission/history-horizon.ts';
import { hashId, PACKED_ID_BYTES, packedTimeUs, packId } from '../admission/id-hash.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { HistoryPoint } from './history-place.ts';

/** What a scan of a history came to; final once the scan has ended. */
export interface HistoryFigures extends HistoryHorizon {
  /** Rows of all files, valid or not. */
  readonly rows: number;
  readonly files: readonly HistoryFile[];
  /** The final watermark: the newest event time among the rows that reach dedupe, µs; null without any. */
  readonly newestEventTimeUs: number | null;
  /** `records`, `invalid`, `outsideUntil` and `duplicates`. */
  readonly counts: LogCounts;
}

const COMPACT_FROM = 65_536;

/** Keeps the figures of a history while it is scanned. */
export class HistoryLedger {
  readonly counts = emptyCounts();
  readonly #horizonUs: number;
  readonly #hasIds: boolean;
  #newestUs = Number.NEGATIVE_INFINITY;
  /** Claimed before the scan that this one goes on from was given up; older than all others. */
  #savedIds: readonly Uint8Array[] = [];
  #ids: string[] = [];
  #times: number[] = [];
  #compactAt = COMPACT_FROM;
  /** Of the ids, those that were given out as new. */
  #taken = 0;

  constructor(source: CompiledSource) {
    this.#horizonUs = source.dedupeHorizonUs;
    // Only a topic's partitions ever ask for them.
    this.#hasIds = source.eventIdField !== null && source.topic !== null;
  }

  /** The newest event time so far, µs; null without any. */
  get newestUs(): number | null {
    return this.#newestUs === Number.NEGATIVE_INFINITY ? null : this.#newestUs;
  }

  /** Goes on from what another scan had counted. `ids`: what it gave out as new, in order. */
  goOnFrom({ counts, newestUs }: Pick<HistoryPoint, 'counts' | 'newestUs'>, ids: readonly Uint8Array[]): void {
    Object.assign(this.counts, counts);
    this.#newestUs = newestUs ?? Number.NEGATIVE_INFINITY;
    this.#savedIds = ids;
  }

  /** Counts the event time of a row that reaches dedupe. */
  seen(eventTimeUs: number): void {
    if (eventTimeUs > this.#newestUs) this.#newestUs = eventTimeUs;
  }

  /** Remembers the id of an event while it lies in the last horizon. */
  claimed(id: string, eventTimeUs: number): void {
    if (!this.#hasIds || eventTimeUs < this.#newestUs - this.#horizonUs) return;
    this.#ids.push(id);
    this.#times.push(eventTimeUs);
    if (this.#ids.length >= this.#compactAt) this.#compact();
  }

  /** What a topic's dedupe needs of the rows so far. */
  horizon(): HistoryHorizon {
    this.#compact();
    const own = this.#packed(0);
    const horizonIds =
      this.#savedIds.length === 0
        ? own
        : new Uint8Array(Buffer.concat([...this.#savedIds.map((ids) => idsFrom(ids, this.#fromUs)), own]));
    return { newestEventTimeUs: this.newestUs, horizonIds };
  }

  /** Ids in the last horizon that were claimed since the last call, packed in the order they were claimed. */
  takeNewIds(): Uint8Array {
    this.#compact();
    const packed = this.#packed(this.#taken);
    this.#taken = this.#ids.length;
    return packed;
  }

  figures(files: readonly HistoryFile[]): HistoryFigures {
    return { rows: this.counts.records, files, counts: this.counts, ...this.horizon() };
  }

  get #fromUs(): number {
    return this.#newestUs - this.#horizonUs;
  }

  #packed(first: number): Uint8Array {
    const packed = new Uint8Array((this.#ids.length - first) * PACKED_ID_BYTES);
    const view = new DataView(packed.buffer);
    const words = new Uint32Array(4);
    for (let index = first; index < this.#ids.length; index++) {
      hashId(this.#ids[index] as string, words);
      packId(view, (index - first) * PACKED_ID_BYTES, words, this.#times[index] as number);
    }
    return packed;
  }

  #compact(): void {
    const from = this.#fromUs;
    let kept = 0;
    let taken = 0;
    for (let index = 0; index < this.#ids.length; index++) {
      const time = this.#times[index] as number;
      if (time < from) continue;
      if (index < this.#taken) taken++;
      this.#ids[kept] = this.#ids[index] as string;
      this.#times[kept] = time;
      kept++;
    }
    this.#ids.length = kept;
    this.#times.length = kept;
    this.#taken = taken;
    this.#compactAt = Math.max(COMPACT_FROM, kept * 2);
  }
}

/** The packed ids first seen at or after `fromUs`, in their order. */
function idsFrom(packed: Uint8Array, fromUs: number): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const kept = new Uint8Array(packed.length);
  let to = 0;
  for (let at = 0; at < packed.length; at += PACKED_ID_BYTES) {
    if (packedTimeUs(view, at) < fromUs) continue;
    kept.set(packed.subarray(at, at + PACKED_ID_BYTES), to);
    to += PACKED_ID_BYTES;
  }
  return kept.subarray(0, to);
}
