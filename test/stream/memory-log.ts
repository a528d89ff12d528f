import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { LogBatch, LogReader, RawRecord, ReadOptions, TopicBounds } from '../../engine/topic/log-reader.ts';
import { offsetOutOfRange } from '../../engine/topic/topic-errors.ts';

/** What a test appends; timestamps default to the record's offset in seconds. */
export interface NewRecord {
  readonly key?: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestampUs?: number;
}

interface MemoryPartition {
  lowOffset: number;
  /** One past the last offset; control records take offsets too. */
  endOffset: number;
  records: RawRecord[];
}

/** A broker in memory: topics, partitions, retention, topics made again, and offsets taken by control records. */
export class MemoryBroker {
  readonly #topics = new Map<string, MemoryPartition[]>();
  clusterId = 'memory-cluster';
  /** Thrown by every call while set: the broker is away. */
  down: Error | null = null;
  #waiters: (() => void)[] = [];

  createTopic(topic: string, partitions: number): void {
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, () => ({ lowOffset: 0, endOffset: 0, records: [] })),
    );
    this.#wake();
  }

  addPartition(topic: string): void {
    this.#partitions(topic).push({ lowOffset: 0, endOffset: 0, records: [] });
  }

  append(topic: string, partition: number, records: readonly NewRecord[]): void {
    const held = this.#partition(topic, partition);
    for (const { key = null, value, timestampUs } of records) {
      const offset = held.endOffset++;
      held.records.push({ partition, offset, key, value, timestampUs: timestampUs ?? offset * 1_000_000 });
    }
    this.#wake();
  }

  /** Takes offsets that hold no data, as the markers of a transaction do. */
  appendControl(topic: string, partition: number, count = 1): void {
    this.#partition(topic, partition).endOffset += count;
    this.#wake();
  }

  /** Retention: everything before `offset` goes. */
  deleteBefore(topic: string, partition: number, offset: number): void {
    const held = this.#partition(topic, partition);
    held.lowOffset = offset;
    held.records = held.records.filter((record) => record.offset >= offset);
  }

  bounds(topic: string): TopicBounds {
    const partitions = this.#partitions(topic);
    return {
      topic,
      clusterId: this.clusterId,
      partitions: partitions.map(({ lowOffset, endOffset }, partition) => ({ partition, lowOffset, endOffset })),
    };
  }

  slice(
    topic: string,
    partition: number,
    from: number,
    count: number,
  ): { records: RawRecord[]; nextOffset: number; endOffset: number } {
    const { lowOffset, endOffset, records } = this.#partition(topic, partition);
    if (from < lowOffset || from > endOffset) {
      throw offsetOutOfRange(topic, partition, from, { low: lowOffset, end: endOffset });
    }
    const start = lowerBound(records, from);
    const found = records.slice(start, start + count);
    const after = records[start + count];
    return { records: found, nextOffset: after?.offset ?? endOffset, endOffset };
  }

  recordAt(topic: string, partition: number, offset: number): RawRecord | null {
    const held = this.#partitions(topic)[partition];
    return held?.records.find((record) => record.offset === offset) ?? null;
  }

  /** Resolves at the next append, or on abort. */
  changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Wakes readers, e.g. after `down` was set. */
  kick(): void {
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  #partition(topic: string, partition: number): MemoryPartition {
    const held = this.#partitions(topic)[partition];
    if (held === undefined)
      throw new MillraceError('topic-not-found', `${topic} has no partition ${partition}`, { remedy: 'Create it.' });
    return held;
  }

  #partitions(topic: string): MemoryPartition[] {
    if (this.down !== null) throw this.down;
    const partitions = this.#topics.get(topic);
    if (partitions === undefined)
      throw new MillraceError('topic-not-found', `no topic ${topic}`, { remedy: 'Create it.', httpStatus: 404 });
    return partitions;
  }
}

function lowerBound(records: readonly RawRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * A log reader over a broker in memory; it keeps the port's promises and passes the same conformance suite as the one over Kafka.
 *
 * @param nextSize how many records the next batch may have: a test's way to cut the log anywhere
 */
export function createMemoryLogReader(broker: MemoryBroker, nextSize: () => number = () => 100): LogReader {
  const reported = new Map<string, ReadonlyMap<number, number>>();
  const closed = new AbortController();
  return {
    bounds: async (topic) => broker.bounds(topic),
    read: (options) => readMemory(broker, options, nextSize, closed.signal),
    recordAt: async (topic, partition, offset) => broker.recordAt(topic, partition, offset),
    reportOffsets: async (groupId, _topic, offsets) => void reported.set(groupId, offsets),
    close: async () => closed.abort(),
  };
}

async function* readMemory(
  broker: MemoryBroker,
  options: ReadOptions,
  nextSize: () => number,
  closed: AbortSignal,
): AsyncGenerator<LogBatch> {
  const { topic, ends } = options;
  const signal = options.signal === undefined ? closed : AbortSignal.any([options.signal, closed]);
  const positions = new Map(options.positions);
  const endOf = (partition: number, position: number): number =>
    ends === undefined ? Number.POSITIVE_INFINITY : (ends.get(partition) ?? position);
  while (!signal.aborted) {
    let idle = true;
    let open = false;
    for (const [partition, position] of positions) {
      const end = endOf(partition, options.positions.get(partition)!);
      if (position >= end) continue;
      open = true;
      const found = broker.slice(topic, partition, position, Math.max(nextSize(), 1));
      if (found.nextOffset === position) continue;
      idle = false;
      const nextOffset = Math.min(found.nextOffset, end);
      positions.set(partition, nextOffset);
      yield {
        partition,
        records: found.records.filter((record) => record.offset < end),
        nextOffset,
        endOffset: found.endOffset,
      };
      if (signal.aborted) return;
    }
    if (!open) return;
    if (idle) await broker.changed(signal);
  }
}
