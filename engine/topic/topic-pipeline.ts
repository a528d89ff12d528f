import type { CompiledSource, LogEvent } from '../define/compiled-view.ts';
import { eventIdText } from '../admission/event-id.ts';
import type { RawRecord } from './log-reader.ts';
import type { PartitionDedupe } from '../admission/partition-dedupe.ts';

/** What became of a record on its way to the views (design §5). */
export type TopicOutcome =
  | { readonly kind: 'event'; readonly event: LogEvent }
  | { readonly kind: 'tombstone' }
  | { readonly kind: 'outside-until' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'invalid'; readonly reasons: readonly string[] };

const tombstone: TopicOutcome = { kind: 'tombstone' };
const outsideUntil: TopicOutcome = { kind: 'outside-until' };
const duplicate: TopicOutcome = { kind: 'duplicate' };

/**
 * The way of one partition's records, in offset order: decode → contract → `until` → dedupe. One implementation for batch and stream;
 * what it answers depends on the log alone, never on the clock.
 */
export class TopicPipeline {
  readonly #source: CompiledSource;
  readonly #partition: number;
  readonly #dedupe: PartitionDedupe;
  readonly #untilUs: number;
  #watermarkUs: number | null;

  /** @param watermarkUs The partition's watermark so far: the history's newest event time where it has no record yet, null without any. */
  constructor(source: CompiledSource, partition: number, dedupe: PartitionDedupe, watermarkUs: number | null) {
    this.#source = source;
    this.#partition = partition;
    this.#dedupe = dedupe;
    this.#untilUs = source.history?.untilUs ?? Number.NEGATIVE_INFINITY;
    this.#watermarkUs = watermarkUs;
  }

  /** The highest event time (µs) of contract-valid records so far; null before the first. */
  get watermarkUs(): number | null {
    return this.#watermarkUs;
  }

  /** Takes the next record of the partition. The event of the outcome is the caller's to keep. */
  step(record: RawRecord): TopicOutcome {
    const { value } = record;
    if (value === null) return tombstone;
    if (value.length === 0)
      return { kind: 'invalid', reasons: ['the value is empty (zero bytes): expected a JSON object'] };
    const source = this.#source;
    const decoded = source.contract.decodeJson(value);
    if (!decoded.ok) return { kind: 'invalid', reasons: decoded.reasons };
    const { row } = decoded;
    const eventTimeUs = row[source.eventTimeField];
    if (typeof eventTimeUs !== 'number') {
      return { kind: 'invalid', reasons: [`${source.eventTimeField}: the event time is missing`] };
    }
    const aheadUs = eventTimeUs - record.timestampUs;
    if (aheadUs > source.maxAheadUs) {
      return { kind: 'invalid', reasons: [aheadReason(source, aheadUs)] };
    }
    const before = this.#watermarkUs;
    if (before === null || eventTimeUs > before) this.#watermarkUs = eventTimeUs;
    if (eventTimeUs < this.#untilUs) return outsideUntil;
    const id = source.eventIdField === null ? null : eventIdText(row[source.eventIdField]);
    if (id !== null && this.#dedupe.judge(id, eventTimeUs, before) === 'duplicate') return duplicate;
    return { kind: 'event', event: { row, eventTimeUs, id, partition: this.#partition, offset: record.offset } };
  }
}

function aheadReason(source: CompiledSource, aheadUs: number): string {
  const seconds = (us: number): string => `${us / 1_000_000} s`;
  return (
    `${source.eventTimeField}: the event time lies ${seconds(aheadUs)} ahead of the record's own timestamp: ` +
    `expected at most ${seconds(source.maxAheadUs)}`
  );
}
