import type { LogCounts } from '../admission/log-counts.ts';
import { eventIdText } from '../admission/event-id.ts';
import { type OverlapCheck, overlapCheck } from '../admission/overlap.ts';
import type { PartitionDedupe } from '../admission/partition-dedupe.ts';
import type { CompiledSource, LogEvent } from '../define/compiled-view.ts';
import type { RawRecord } from './log-reader.ts';
import { type JudgedRecord, recordJudge } from './record-judge.ts';

/** What became of a record on its way to the views (design §5). */
export type TopicOutcome =
  | { readonly kind: 'event' | 'undeduped'; readonly event: LogEvent }
  | { readonly kind: 'duplicate' }
  | Exclude<JudgedRecord, { readonly kind: 'row' }>;

const duplicate: TopicOutcome = { kind: 'duplicate' };

/** Where a partition stands between its records. */
export interface PartitionStart {
  /** The partition's watermark so far: the history's final one where it has no record yet, null without any. Epoch µs. */
  readonly watermarkUs: number | null;
  /** Whether a record of it has reached dedupe. */
  readonly begun: boolean;
  /** The history's final watermark. */
  readonly historyNewestUs: number | null;
}

/**
 * The way of one partition's records, in offset order: decode → contract → time guard → `until` → dedupe. One implementation for batch and
 * stream; what it answers depends on the log alone, never on the clock. What stops before dedupe moves no watermark and claims no id.
 */
export class TopicPipeline {
  readonly #source: CompiledSource;
  readonly #partition: number;
  readonly #dedupe: PartitionDedupe;
  readonly #judge: (record: RawRecord) => JudgedRecord;
  #overlap: OverlapCheck | null;
  #begun: boolean;
  #watermarkUs: number | null;

  constructor(source: CompiledSource, partition: number, dedupe: PartitionDedupe, start: PartitionStart) {
    this.#source = source;
    this.#partition = partition;
    this.#dedupe = dedupe;
    this.#judge = recordJudge(source);
    this.#begun = start.begun;
    this.#overlap = start.begun ? null : overlapCheck(source, start.historyNewestUs);
    this.#watermarkUs = start.watermarkUs;
  }

  /** The highest event time (µs) of what has reached dedupe; null before the first. */
  get watermarkUs(): number | null {
    return this.#watermarkUs;
  }

  /** Whether a record has reached dedupe. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Takes the next record of the partition. The event of the outcome is the caller's to keep. Throws `history-overlaps-topic`. */
  step(record: RawRecord): TopicOutcome {
    const judged = this.#judge(record);
    if (judged.kind !== 'row') return judged;
    const source = this.#source;
    const { row, eventTimeUs } = judged;
    this.#begin(eventTimeUs);
    const before = this.#watermarkUs;
    if (before === null || eventTimeUs > before) this.#watermarkUs = eventTimeUs;
    const id = source.eventIdField === null ? null : eventIdText(row[source.eventIdField]);
    const verdict = id === null ? 'new' : this.#dedupe.judge(id, eventTimeUs, before);
    if (verdict === 'duplicate') return duplicate;
    const event = { row, eventTimeUs, id, partition: this.#partition, offset: record.offset, number: 0 };
    return { kind: verdict === 'new' ? 'event' : 'undeduped', event };
  }

  #begin(eventTimeUs: number): void {
    if (this.#overlap !== null) this.#overlap(this.#partition, eventTimeUs);
    this.#overlap = null;
    this.#begun = true;
  }
}

/** Counts a record by its outcome, under the name `status` and metrics print. What a view makes of an event is the view's to count. */
export function countOutcome(counts: LogCounts, outcome: TopicOutcome): void {
  counts.records++;
  switch (outcome.kind) {
    case 'event':
      break;
    case 'undeduped':
      counts.undeduped++;
      break;
    case 'tombstone':
      counts.tombstones++;
      break;
    case 'outside-until':
      counts.outsideUntil++;
      break;
    case 'duplicate':
      counts.duplicates++;
      break;
    case 'invalid':
      counts.invalid++;
  }
}
