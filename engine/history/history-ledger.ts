import type { CompiledSource } from '../define/compiled-view.ts';
import type { HistoryFile } from './history-files.ts';
import type { HistoryHorizon } from '../admission/history-horizon.ts';
import { hashId, PACKED_ID_BYTES, packId } from '../admission/id-hash.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';

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
  #ids: string[] = [];
  #times: number[] = [];
  #compactAt = COMPACT_FROM;

  constructor(source: CompiledSource) {
    this.#horizonUs = source.dedupeHorizonUs;
    // Only a topic's partitions ever ask for them.
    this.#hasIds = source.eventIdField !== null && source.topic !== null;
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
    const packed = new Uint8Array(this.#ids.length * PACKED_ID_BYTES);
    const view = new DataView(packed.buffer);
    const words = new Uint32Array(4);
    for (const [index, id] of this.#ids.entries()) {
      hashId(id, words);
      packId(view, index * PACKED_ID_BYTES, words, this.#times[index] as number);
    }
    const newestEventTimeUs = this.#newestUs === Number.NEGATIVE_INFINITY ? null : this.#newestUs;
    return { newestEventTimeUs, horizonIds: packed };
  }

  figures(files: readonly HistoryFile[]): HistoryFigures {
    return { rows: this.counts.records, files, counts: this.counts, ...this.horizon() };
  }

  #compact(): void {
    const from = this.#newestUs - this.#horizonUs;
    let kept = 0;
    for (let index = 0; index < this.#ids.length; index++) {
      const time = this.#times[index] as number;
      if (time < from) continue;
      this.#ids[kept] = this.#ids[index] as string;
      this.#times[kept] = time;
      kept++;
    }
    this.#ids.length = kept;
    this.#times.length = kept;
    this.#compactAt = Math.max(COMPACT_FROM, kept * 2);
  }
}
