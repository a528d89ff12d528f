import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import type { LogBatch, RawRecord, ReadOptions } from '../topic/log-reader.ts';
import { logGap, offsetOutOfRange, topicRecreated } from '../topic/topic-errors.ts';
import { BatchQueue } from './batch-queue.ts';
import type { FetchedPartition } from './fetch-response.ts';
import { kafkaFailure } from './kafka-failure.ts';
import { type FetchLimits, groupByLeader, type KafkaAddress, KafkaLink } from './kafka-link.ts';
import { errorOfCode } from './kafkajs-internals.ts';
import { decodeRecordSet } from './record-batch.ts';

/** Limits of one read; the defaults suit a topic of small records. */
export interface ReadLimits extends FetchLimits {
  /** Fetching pauses while this much is read and not yet taken. Memory is about this plus one response per broker, times inflation. */
  readonly queueBytes: number;
  /** How long a read tries to reach Kafka again before it fails with what keeps it from going on, and a topic that was there is asked for before it counts as deleted. */
  readonly retryForMs: number;
  /** With lag and no progress of a partition for this long, the read starts over, and in the end fails with `log-stalled`. */
  readonly stallMs: number;
}

export const DEFAULT_READ_LIMITS: ReadLimits = {
  maxWaitMs: 500,
  maxBytes: 8 * 1024 * 1024,
  maxBytesPerPartition: 2 * 1024 * 1024,
  queueBytes: 16 * 1024 * 1024,
  retryForMs: 20_000,
  stallMs: 60_000,
};

const OFFSET_OUT_OF_RANGE = 1;
const OFFSET_NOT_AVAILABLE = 78;
const RECORD_OVERHEAD_BYTES = 64;

interface PartitionRead {
  readonly partition: number;
  readonly end: number;
  position: number;
  /** A copy of the last record given out: proof, after a reconnect, that the topic is still the same one. */
  last: RawRecord | null;
  progressAtMs: number;
}

/** One endless or bounded read of a topic: fetch loops, one per leader, feed a queue in partition order. */
export class TopicRead {
  readonly #address: KafkaAddress;
  readonly #options: ReadOptions;
  readonly #limits: ReadLimits;
  readonly #clock: Clock;
  readonly #queue: BatchQueue;
  readonly #partitions: PartitionRead[];
  readonly #stop = new AbortController();
  #healthyAtMs: number;
  #hasRead = false;

  constructor(address: KafkaAddress, options: ReadOptions, limits: ReadLimits, clock: Clock) {
    this.#address = address;
    this.#options = options;
    this.#limits = limits;
    this.#clock = clock;
    this.#queue = new BatchQueue(limits.queueBytes);
    this.#healthyAtMs = clock.monotonicMs();
    this.#partitions = [...options.positions].map(([partition, position]) => ({
      partition,
      position,
      end: options.ends === undefined ? Number.POSITIVE_INFINITY : (options.ends.get(partition) ?? position),
      last: null,
      progressAtMs: this.#healthyAtMs,
    }));
  }

  /** The batches; stops all fetching when it ends, throws or is left. */
  async *batches(): AsyncGenerator<LogBatch> {
    const { signal } = this.#options;
    const abort = (): void => {
      this.#stop.abort();
      this.#queue.abort();
    };
    if (signal?.aborted) return;
    signal?.addEventListener('abort', abort, { once: true });
    const running = this.#run();
    try {
      for (;;) {
        const batch = await this.#queue.take();
        if (batch === null || signal?.aborted) return;
        yield batch;
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      abort();
      await running;
    }
  }

  /** Keeps connections up until the read is over; never throws: failures go through the queue. */
  async #run(): Promise<void> {
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      let link: KafkaLink | null = null;
      const closeLink = (): void => void link?.close().catch(() => undefined);
      this.#stop.signal.addEventListener('abort', closeLink, { once: true });
      try {
        if (this.#open().length === 0) return this.#queue.end();
        link = await KafkaLink.open(this.#address, attempt);
        await this.#fetchAll(link);
        return this.#queue.end();
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        const { transient, error } = kafkaFailure(thrown, this.#address.brokers, `topic ${this.#options.topic}`);
        // A broker that has just started again may not know its topics yet.
        const isLost = error.code === 'topic-not-found' && this.#hasRead;
        if (!transient && !isLost) return this.#queue.fail(error);
        const downMs = this.#clock.monotonicMs() - this.#healthyAtMs;
        if (downMs > this.#limits.retryForMs) return this.#queue.fail(error);
        await this.#pause(Math.min(100 * 2 ** Math.min(attempt, 4), 1_000));
      } finally {
        this.#stop.signal.removeEventListener('abort', closeLink);
        await link?.close().catch(() => undefined); // a broken link may fail to close; it is not used again
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined); // rejects on abort only
  }

  #open(): PartitionRead[] {
    return this.#partitions.filter((partition) => partition.position < partition.end);
  }

  async #fetchAll(link: KafkaLink): Promise<void> {
    const { leaders } = await link.topicLeaders(this.#options.topic);
    const wanted = new Map<number, number>();
    for (const { partition } of this.#open()) {
      const leader = leaders.get(partition);
      if (leader === undefined) throw errorOfCode(3);
      wanted.set(partition, leader);
    }
    const groups = groupByLeader(wanted);
    await this.#checkSameTopic(link, wanted);
    const now = this.#clock.monotonicMs();
    for (const partition of this.#partitions) partition.progressAtMs = now;
    await Promise.all([...groups].map(([nodeId, ids]) => this.#fetchFrom(link, nodeId, new Set(ids))));
  }

  /** After a reconnect: the last record we gave out must still be there, or have gone by retention. */
  async #checkSameTopic(link: KafkaLink, leaders: ReadonlyMap<number, number>): Promise<void> {
    for (const { partition, last } of this.#open()) {
      if (last === null) continue;
      const { topic } = this.#options;
      const response = await link.fetch(leaders.get(partition)!, topic, [[partition, last.offset]], {
        ...this.#limits,
        maxWaitMs: 0,
      });
      const fetched = response.partitions[0];
      if (fetched === undefined || (fetched.errorCode !== 0 && fetched.errorCode !== OFFSET_OUT_OF_RANGE))
        throw errorOfCode(fetched?.errorCode ?? 5);
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE) continue; // the fetch loop decides: gone by retention, or made again
      // A new leader does not give out what it has until it knows how far that is: then the same request gives it.
      if (fetched.lastStableOffset <= last.offset) throw errorOfCode(OFFSET_NOT_AVAILABLE);
      const found = decodeRecordSet(fetched.recordSet, partition, last.offset, fetched.aborted).records[0];
      if (found === undefined || !sameRecord(found, last)) {
        throw topicRecreated(
          `${topic}, partition ${partition}: offset ${last.offset} holds another record than a moment ago`,
          { details: { topic, partition, offset: last.offset } },
        );
      }
    }
  }

  async #fetchFrom(link: KafkaLink, nodeId: number, ids: ReadonlySet<number>): Promise<void> {
    const mine = this.#partitions.filter(({ partition }) => ids.has(partition));
    for (let round = 0; ; round++) {
      await this.#queue.room();
      if (this.#queue.closed) return;
      const open = mine.filter((partition) => partition.position < partition.end);
      if (open.length === 0) return;
      // The first partition of a request gets a whole batch however large it is: each is first in turn.
      const turn = round % open.length;
      const order = [...open.slice(turn), ...open.slice(0, turn)];
      const positions = order.map(({ partition, position }) => [partition, position] as const);
      const response = await link.fetch(nodeId, this.#options.topic, positions, this.#limits);
      if (this.#queue.closed) return;
      for (const fetched of response.partitions) {
        const read = open.find(({ partition }) => partition === fetched.partition);
        if (read !== undefined) this.#accept(read, fetched);
      }
      this.#healthyAtMs = this.#clock.monotonicMs();
      this.#hasRead = true;
    }
  }

  #accept(read: PartitionRead, fetched: FetchedPartition): void {
    const { topic } = this.#options;
    const { partition, position } = read;
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
      const { logStartOffset: low, highWatermark: end } = fetched;
      throw offsetOutOfRange(topic, partition, position, low < 0 ? null : { low, end });
    }
    if (fetched.errorCode !== 0) throw errorOfCode(fetched.errorCode);
    const { records, nextOffset, firstBaseOffset } = decodeRecordSet(
      fetched.recordSet,
      partition,
      position,
      fetched.aborted,
      this.#options.headers,
    );
    if (firstBaseOffset !== null && firstBaseOffset > position && fetched.logStartOffset > position)
      throw logGap(topic, partition, position, firstBaseOffset);
    const nowMs = this.#clock.monotonicMs();
    if (nextOffset === position) {
      const lag = fetched.lastStableOffset - position;
      if (lag <= 0) read.progressAtMs = nowMs;
      else if (nowMs - read.progressAtMs > this.#limits.stallMs) throw stalled(topic, partition, position, lag);
      return;
    }
    while (records.length > 0 && records.at(-1)!.offset >= read.end) records.pop();
    read.position = Math.min(nextOffset, read.end);
    read.progressAtMs = nowMs;
    const last = records.at(-1);
    if (last !== undefined) read.last = { ...last, key: copy(last.key), value: copy(last.value) };
    const bytes = fetched.recordSet.length + records.length * RECORD_OVERHEAD_BYTES;
    this.#queue.push(
      {
        partition,
        records,
        nextOffset: read.position,
        endOffset: Math.max(fetched.lastStableOffset, read.position),
        highWatermark: Math.max(fetched.highWatermark, read.position),
      },
      bytes,
    );
  }
}

function copy(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Uint8Array.from(bytes);
}

function sameRecord(a: RawRecord, b: RawRecord): boolean {
  return (
    a.offset === b.offset && a.timestampUs === b.timestampUs && sameBytes(a.key, b.key) && sameBytes(a.value, b.value)
  );
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.compare(a, b) === 0;
}

function stalled(topic: string, partition: number, position: number, lag: number): MillraceError {
  return new MillraceError(
    'log-stalled',
    `${topic}, partition ${partition}: ${lag} records behind, and the broker gives none after ${position}`,
    {
      remedy: 'Check the broker; the read starts over by itself.',
      waits: true,
      httpStatus: 503,
      details: { topic, partition, position },
    },
  );
}
