import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { LogBatch, LogReader, RawRecord, ReadOptions, TopicBounds } from '../../engine/topic/log-reader.ts';
import type { LogWriter, RecordToWrite } from '../../engine/topic/log-writer.ts';
import { offsetOutOfRange } from '../../engine/topic/topic-errors.ts';

/** What a send comes to: taken, written although its answer is lost, or lost before it was written. */
export type Sent = 'taken' | 'written-but-away' | 'away';

/** A topic of one partition in memory, which loses its head, answers and whole cluster as it is told. */
export class MemoryLog implements LogReader, LogWriter {
  readonly records: RawRecord[] = [];
  low = 0;
  clusterId = 'c';
  /** Decides what a send comes to. */
  outcome: (record: RecordToWrite, sends: number) => Sent | Promise<Sent> = () => 'taken';
  /** Where it is said to begin and end; null: it cannot be told. */
  onBounds: ((bounds: TopicBounds) => TopicBounds | null) | null = null;
  sends = 0;
  reads = 0;
  #woken: (() => void)[] = [];

  async send(_topic: string, records: readonly RecordToWrite[]): Promise<void> {
    for (const record of records) {
      const outcome = await this.outcome(record, ++this.sends);
      if (outcome !== 'away') this.put(record.value, record.key);
      if (outcome !== 'taken')
        throw new MillraceError('service-unreachable', 'no answer', { remedy: 'Again.', retryable: true });
    }
  }

  put(value: Uint8Array | null, key: Uint8Array | null = null): void {
    const offset = this.low + this.records.length;
    this.records.push({ partition: 0, offset, timestampUs: 0, key, value: value === null ? null : Buffer.from(value) });
    for (const wake of this.#woken.splice(0)) wake();
  }

  /** As retention, or who deletes records, does. */
  loseHead(low: number): void {
    this.records.splice(0, low - this.low);
    this.low = low;
  }

  get end(): number {
    return this.low + this.records.length;
  }

  async bounds(topic: string): Promise<TopicBounds> {
    const partitions = [{ partition: 0, lowOffset: this.low, endOffset: this.end }];
    const bounds = { topic, clusterId: this.clusterId, partitions };
    const told = this.onBounds === null ? bounds : this.onBounds(bounds);
    if (told === null) throw new Error('no network');
    return told;
  }

  async *read({ topic, positions, ends, signal }: ReadOptions): AsyncGenerator<LogBatch> {
    this.reads++;
    const end = ends?.get(0) ?? Number.POSITIVE_INFINITY;
    for (let at = positions.get(0)!; at < end; at++) {
      while (at >= this.end) {
        if (signal?.aborted) return;
        await new Promise<void>((resolve) => {
          this.#woken.push(resolve);
          signal?.addEventListener('abort', () => resolve(), { once: true });
        });
      }
      if (signal?.aborted) return;
      if (at < this.low) throw offsetOutOfRange(topic, 0, at, { low: this.low, end: this.end });
      yield { partition: 0, records: [this.records[at - this.low]!], nextOffset: at + 1, endOffset: this.end };
    }
  }

  async recordAt(): Promise<RawRecord | null> {
    return null;
  }

  async reportOffsets(): Promise<void> {}

  async close(): Promise<void> {}
}
