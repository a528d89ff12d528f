import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../errors/millrace-error.ts';
import { type Clock, systemClock } from '../values/clock.ts';
import type { LogBatch, LogReader, PartitionBounds, RawRecord, ReadOptions, TopicBounds } from '../topic/log-reader.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { intakeMemory } from '../memory/intake-memory.ts';
import { processMemory } from '../memory/process-memory.ts';
import { fetchRecord } from './fetch-record.ts';
import { kafkaFailure } from './kafka-failure.ts';
import { type KafkaAddress, KafkaLink } from './kafka-link.ts';
import { DEFAULT_READ_LIMITS, type ReadLimits, TopicRead } from './topic-read.ts';
import { TransactionHolders } from './transaction-holders.ts';

export interface KafkaLogReaderOptions extends KafkaAddress {
  /** That of the brokers: it is not ahead of the times of records that come. Default: the machine's. */
  readonly clock?: Clock | undefined;
  readonly limits?: Partial<ReadLimits> | undefined;
  /** What is reserved from while records are on their way in. Default that of the process. */
  readonly memory?: MemoryBudget | undefined;
  /** How long one of the short calls (bounds, recordAt) tries to reach Kafka. Default 6 s. */
  readonly connectForMs?: number | undefined;
}

const OFFSET_OUT_OF_RANGE = 1;
const UNKNOWN_TOPIC_TRIES = 5;

/**
 * The log reader over Kafka. It uses kafkajs for connections and metadata and fetches by absolute offset itself: no consumer group, hence
 * no rebalance, no committed offset and no reset policy that could move a position (docs/adr/0003-log-reader.md).
 *
 * Throws (from its methods) `service-unreachable` (retryable), `topic-not-found`, `compacted-topic`, `offset-out-of-range`, `log-gap`,
 * `log-stalled` (retryable), `log-corrupt`, `record-batch-too-large`, `topic-recreated`, `unsupported-broker`, `kafka-not-authorized`, `kafka-authentication-failed`.
 *
 * @example
 * const reader = createKafkaLogReader({ brokers: ['127.0.0.1:9092'], clientId: 'millrace' });
 * for await (const batch of reader.read({ topic: 'flights', positions: new Map([[0, 0]]) })) console.log(batch.records.length);
 */
export function createKafkaLogReader(options: KafkaLogReaderOptions): LogReader {
  return new KafkaLogReader(options);
}

class KafkaLogReader implements LogReader {
  readonly #address: KafkaAddress;
  readonly #clock: Clock;
  readonly #limits: ReadLimits;
  readonly #connectForMs: number;
  readonly #intake: MemoryBudget;
  readonly #checkedTopics = new Set<string>();
  readonly #reads = new Set<AbortController>();
  readonly #holders = new TransactionHolders();
  #link: Promise<KafkaLink> | null = null;
  #attempts = 0;

  constructor(options: KafkaLogReaderOptions) {
    this.#address = options;
    this.#clock = options.clock ?? systemClock;
    this.#limits = { ...DEFAULT_READ_LIMITS, ...options.limits };
    this.#connectForMs = options.connectForMs ?? 6_000;
    this.#intake = intakeMemory(options.memory ?? processMemory());
  }

  async bounds(topic: string): Promise<TopicBounds> {
    return this.#ask(topic, `topic ${topic}`, async (link) => {
      const { clusterId, leaders } = await link.topicLeaders(topic);
      await this.#refuseCompacted(link, topic);
      const askedAtUs = this.#clock.nowUs();
      // The real end first: what the readable one, asked for later, is behind it is held back. The low one last: it can only have grown, so
      // `low <= position <= end` never passes by a race.
      const realEnds = await link.listOffsets(topic, leaders, 'real-end');
      const ends = await link.listOffsets(topic, leaders, 'last');
      const lows = await link.listOffsets(topic, leaders, 'first');
      const partitions: PartitionBounds[] = [];
      for (const partition of leaders.keys()) {
        const lowOffset = lows.get(partition) ?? 0;
        const endOffset = Math.max(ends.get(partition) ?? 0, lowOffset);
        const highWatermark = realEnds.get(partition) ?? 0;
        partitions.push({ partition, lowOffset, endOffset, ...(highWatermark > endOffset ? { highWatermark } : {}) });
      }
      return { topic, clusterId, askedAtUs, partitions: await this.#holders.named(link, topic, leaders, partitions) };
    });
  }

  async *read(options: ReadOptions): AsyncGenerator<LogBatch> {
    await this.#ask(options.topic, `topic ${options.topic}`, (link) => this.#refuseCompacted(link, options.topic));
    const closed = new AbortController();
    this.#reads.add(closed);
    const signal = options.signal === undefined ? closed.signal : AbortSignal.any([options.signal, closed.signal]);
    try {
      yield* new TopicRead(this.#address, { ...options, signal }, this.#limits, this.#clock, this.#intake).batches();
    } finally {
      this.#reads.delete(closed);
    }
  }

  async recordAt(topic: string, partition: number, offset: number): Promise<RawRecord | null> {
    return this.#ask(topic, `topic ${topic}`, async (link) => {
      const { leaders } = await link.topicLeaders(topic);
      const leader = leaders.get(partition);
      if (leader === undefined) return null;
      const place = { nodeId: leader, topic, partition, offset };
      const { fetched, record } = await fetchRecord(link, place, this.#limits, this.#intake);
      if (fetched === undefined || fetched.errorCode === OFFSET_OUT_OF_RANGE) return null;
      if (fetched.errorCode !== 0)
        throw new MillraceError(
          'service-unreachable',
          `partition ${partition} answers with error ${fetched.errorCode}`,
          { remedy: 'Check the broker.', retryable: true, httpStatus: 503 },
        );
      return record?.offset === offset ? record : null;
    });
  }

  async reportOffsets(groupId: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    if (offsets.size > 0)
      await this.#ask(topic, `group ${groupId}`, (link) => link.commitOffsets(groupId, topic, offsets));
  }

  async close(): Promise<void> {
    for (const read of this.#reads) read.abort();
    const link = this.#link;
    this.#link = null;
    await link?.then((open) => open.close()).catch(() => undefined); // never opened, or already broken
  }

  async #refuseCompacted(link: KafkaLink, topic: string): Promise<void> {
    if (this.#checkedTopics.has(topic)) return;
    const policy = await link.cleanupPolicy(topic);
    if (policy.includes('compact')) {
      throw new MillraceError(
        'compacted-topic',
        `topic ${topic} has cleanup.policy=${policy}; expected delete: compaction removes records that were counted`,
        {
          remedy: 'Set cleanup.policy=delete on the topic, or copy it to one that has it.',
          details: { topic, policy },
        },
      );
    }
    this.#checkedTopics.add(topic);
  }

  /** Runs a short call on the shared link, opening a new one after each transient failure until the time is up. */
  async #ask<Result>(
    topic: string,
    subject: string,
    call: (link: KafkaLink) => Promise<Result>,
    forMs = this.#connectForMs,
  ): Promise<Result> {
    const startedMs = this.#clock.monotonicMs();
    for (let attempt = 0; ; attempt++) {
      this.#link ??= KafkaLink.open(this.#address, this.#attempts++);
      const link = this.#link;
      try {
        return await call(await link);
      } catch (thrown) {
        const { transient, error } = kafkaFailure(thrown, this.#address.brokers, subject);
        const elapsedMs = this.#clock.monotonicMs() - startedMs;
        // A topic just created may be unknown to this broker for a moment, and one it had before to a broker that has just started again.
        const isUnknown = error.code === 'topic-not-found';
        const again =
          (transient && elapsedMs < forMs) ||
          (isUnknown &&
            (attempt < UNKNOWN_TOPIC_TRIES || (this.#checkedTopics.has(topic) && elapsedMs < this.#limits.retryForMs)));
        if (transient) this.#dropLink(link);
        if (!again) throw error;
        await sleep(200);
      }
    }
  }

  #dropLink(broken: Promise<KafkaLink>): void {
    if (this.#link === broken) this.#link = null;
    void broken.then((link) => link.close()).catch(() => undefined); // a broken link may fail to close; it is not used again
  }
}
