import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import { reserveIntake } from '../memory/intake-memory.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { type Anchor, recordDigest } from '../topic/anchor.ts';
import type { LogBatch, RawRecord, ReadOptions } from '../topic/log-reader.ts';
import { logGap, offsetOutOfRange, topicRecreated } from '../topic/topic-errors.ts';
import { BatchQueue } from './batch-queue.ts';
import { fetchRecord } from './fetch-record.ts';
import type { FetchedPartition, FetchResponse } from './fetch-response.ts';
import { FetchSize, mostBatchBytes } from './fetch-size.ts';
import { kafkaFailure } from './kafka-failure.ts';
import { type FetchLimits, groupByLeader, type KafkaAddress, KafkaLink } from './kafka-link.ts';
import { errorOfCode } from './kafkajs-internals.ts';
import { firstBaseOffset } from './record-batch.ts';
import { readRecordSet, RoomNeeded, type SetMemory, tooLargeBatch } from './record-set.ts';
import { ResponseMemory } from './response-memory.ts';

/** Limits of one read; the defaults suit a topic of small records. */
export interface ReadLimits extends FetchLimits {
  /** Fetching pauses while this much is read and not yet taken, in bytes of memory; at most a sixteenth of what there is for records on their way in. */
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
  queueBytes: 8 * 1024 * 1024,
  retryForMs: 20_000,
  stallMs: 60_000,
};

const OFFSET_OUT_OF_RANGE = 1;
const OFFSET_NOT_AVAILABLE = 78;
const QUEUE_SHARE = 1 / 16;

interface PartitionRead {
  readonly partition: number;
  readonly end: number;
  position: number;
  /** The last record given out: proof, after a reconnect, that the topic is still the same one. */
  last: Anchor | null;
  progressAtMs: number;
}

/** One endless or bounded read of a topic: fetch loops, one per leader, feed a queue in partition order. */
export class TopicRead {
  readonly #address: KafkaAddress;
  readonly #options: ReadOptions;
  readonly #limits: ReadLimits;
  readonly #clock: Clock;
  readonly #intake: MemoryBudget;
  readonly #queue: BatchQueue;
  readonly #partitions: PartitionRead[];
  readonly #stop = new AbortController();
  #healthyAtMs: number;
  #hasRead = false;

  /** @param intake what is there for records on their way in */
  constructor(address: KafkaAddress, options: ReadOptions, limits: ReadLimits, clock: Clock, intake: MemoryBudget) {
    this.#address = address;
    this.#options = options;
    this.#limits = limits;
    this.#clock = clock;
    this.#intake = intake;
    this.#queue = new BatchQueue(Math.min(limits.queueBytes, intake.limits.buffers * QUEUE_SHARE));
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
        if (batch === null) return;
        try {
          if (signal?.aborted) return;
          yield batch;
        } finally {
          batch.memory?.passed();
        }
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
    await this.#untilAllEnd(link, groups);
  }

  /** One that fails ends the others: none may read on beside those that come after it. Throws what the first one threw. */
  async #untilAllEnd(link: KafkaLink, groups: ReadonlyMap<number, readonly number[]>): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, failed.signal]);
    const fail = (error: unknown): void => {
      failed.abort(error);
      link.close().catch(() => undefined); // it ends the requests under way, and is not used again
    };
    await Promise.all(
      [...groups].map(([nodeId, ids]) => this.#fetchFrom(link, nodeId, new Set(ids), signal).catch(fail)),
    );
    if (failed.signal.aborted) throw failed.signal.reason;
  }

  /** After a reconnect: the last record we gave out must still be there, or have gone by retention. */
  async #checkSameTopic(link: KafkaLink, leaders: ReadonlyMap<number, number>): Promise<void> {
    for (const { partition, last } of this.#open()) {
      if (last === null) continue;
      const { topic } = this.#options;
      const place = { nodeId: leaders.get(partition)!, topic, partition, offset: last.offset };
      const { fetched, record } = await fetchRecord(link, place, this.#limits, this.#intake, this.#stop.signal);
      if (fetched === undefined || (fetched.errorCode !== 0 && fetched.errorCode !== OFFSET_OUT_OF_RANGE))
        throw errorOfCode(fetched?.errorCode ?? 5);
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE) continue; // the fetch loop decides: gone by retention, or made again
      // A new leader does not give out what it has until it knows how far that is: then the same request gives it.
      if (fetched.lastStableOffset <= last.offset) throw errorOfCode(OFFSET_NOT_AVAILABLE);
      if (record === null || Buffer.compare(recordDigest(record), last.digest) !== 0) {
        throw topicRecreated(
          `${topic}, partition ${partition}: offset ${last.offset} holds another record than a moment ago`,
          { details: { topic, partition, offset: last.offset } },
        );
      }
    }
  }

  async #fetchFrom(link: KafkaLink, nodeId: number, ids: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
    const mine = this.#partitions.filter(({ partition }) => ids.has(partition));
    const size = new FetchSize(this.#intake, this.#limits.maxBytes);
    for (let round = 0; ; round++) {
      const startedMs = this.#clock.monotonicMs();
      await this.#queue.room();
      signal.throwIfAborted();
      if (this.#queue.closed) return;
      const open = mine.filter((partition) => partition.position < partition.end);
      if (open.length === 0) return;
      // The first partition of a request gets a whole batch however large it is: each is first in turn.
      const turn = round % open.length;
      const order = [...open.slice(turn), ...open.slice(0, turn)];
      const positions = order.map(({ partition, position }) => [partition, position] as const);
      // Nothing of what was fetched is held here but what the reader of this log works off: a wait for memory ends.
      const { topic, onWait } = this.#options;
      const reserved = await reserveIntake(this.#intake, size.reserve, `reading ${topic}`, { signal, onWait });
      const memory = new ResponseMemory(reserved);
      try {
        this.#forgive(mine, startedMs);
        const { maxBytesPerPartition } = this.#limits;
        const response = await link.fetch(nodeId, this.#options.topic, positions, {
          ...this.#limits,
          maxBytes: size.ask,
          maxBytesPerPartition: Math.min(maxBytesPerPartition, size.ask),
        });
        if (this.#queue.closed) return;
        await this.#acceptAll(order, response, memory, size, signal);
      } finally {
        memory.close();
      }
      this.#healthyAtMs = this.#clock.monotonicMs();
      this.#hasRead = true;
    }
  }

  /** While we wait for room or memory no partition makes progress, and none is to blame. */
  #forgive(mine: readonly PartitionRead[], sinceMs: number): void {
    const waitedMs = this.#clock.monotonicMs() - sinceMs;
    for (const read of mine) read.progressAtMs += waitedMs;
  }

  async #acceptAll(
    order: readonly PartitionRead[],
    response: FetchResponse,
    memory: ResponseMemory,
    size: FetchSize,
    signal: AbortSignal,
  ): Promise<void> {
    const { bytes } = response;
    const mostBytes = mostBatchBytes(this.#intake);
    // More than was asked for is one batch, of the first partition.
    const [first] = order as [PartitionRead];
    if (bytes > mostBytes) throw tooLargeBatch(this.#options.topic, first.partition, first.position, bytes, mostBytes);
    if (!memory.take('buffers', bytes)) return size.tooLarge(bytes);
    const reads = new Map(order.map((read) => [read.partition, read]));
    const set: SetMemory = { response: memory, payload: { bytes, users: 1 }, mostBytes };
    try {
      for (const fetched of response.partitions) {
        const read = reads.get(fetched.partition);
        if (read !== undefined) await this.#accept(read, fetched, set, signal);
      }
      size.worked(bytes);
    } catch (error) {
      if (!(error instanceof RoomNeeded)) throw error;
      size.needsRoom(error.bytes);
    } finally {
      memory.done(set.payload);
    }
  }

  async #accept(read: PartitionRead, fetched: FetchedPartition, memory: SetMemory, signal: AbortSignal): Promise<void> {
    const { topic, headers = false } = this.#options;
    const { partition, position } = read;
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
      const { logStartOffset: low, highWatermark: end } = fetched;
      throw offsetOutOfRange(topic, partition, position, low < 0 ? null : { low, end });
    }
    if (fetched.errorCode !== 0) throw errorOfCode(fetched.errorCode);
    const { recordSet, aborted, lastStableOffset } = fetched;
    const first = firstBaseOffset(recordSet);
    if (first !== null && first > position && fetched.logStartOffset > position)
      throw logGap(topic, partition, position, first);
    let last: RawRecord | undefined;
    for await (const stretch of readRecordSet(
      { topic, partition, bytes: recordSet, position, aborted, headers },
      memory,
    )) {
      const { records, nextOffset } = stretch;
      while (records.length > 0 && records.at(-1)!.offset >= read.end) records.pop();
      read.position = Math.min(nextOffset, read.end);
      last = records.at(-1) ?? last;
      const endOffset = Math.max(lastStableOffset, read.position);
      const highWatermark = Math.max(fetched.highWatermark, read.position);
      const batch = { partition, records, nextOffset: read.position, endOffset, highWatermark, memory: stretch.memory };
      if (!this.#queue.push(batch)) return;
      if (read.position === read.end) break;
      await this.#queue.room();
      signal.throwIfAborted();
      if (this.#queue.closed) return;
    }
    const nowMs = this.#clock.monotonicMs();
    if (last !== undefined) read.last = { offset: last.offset, digest: recordDigest(last) };
    const lag = lastStableOffset - position;
    if (read.position > position || lag <= 0) read.progressAtMs = nowMs;
    else if (nowMs - read.progressAtMs > this.#limits.stallMs) throw stalled(topic, partition, position, lag);
  }
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
