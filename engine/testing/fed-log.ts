import { PartitionDedupe } from '../admission/partition-dedupe.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { type TopicOutcome, TopicPipeline } from '../topic/topic-pipeline.ts';

/** Kafka's own sign for a record without a timestamp, µs. */
const NO_TIMESTAMP_US = -1_000;

/** The log that a test's rows are: one partition, from its first record on. */
export class FedLog {
  readonly #pipeline: TopicPipeline;
  #offset = 0;

  constructor(source: CompiledSource) {
    const { dedupeHorizonUs, history } = source;
    const fed: CompiledSource = {
      ...source,
      // `until` parts a history from a topic, and here is but one log.
      history: history === null ? null : { ...history, untilUs: null },
      // Rows of which the test does not say when they were received are believed.
      brokerTime: 'none',
    };
    this.#pipeline = new TopicPipeline(fed, 0, new PartitionDedupe(dedupeHorizonUs, null), {
      watermarkUs: null,
      begun: false,
      historyNewestUs: null,
    });
  }

  /** Takes the next row, as a record of its JSON. */
  step(row: Readonly<Record<string, unknown>>, receivedAt: Date | undefined): TopicOutcome {
    return this.#pipeline.step({
      partition: 0,
      offset: this.#offset++,
      timestampUs: receivedAt === undefined ? NO_TIMESTAMP_US : receivedAt.getTime() * 1000,
      key: null,
      value: Buffer.from(JSON.stringify(row, withInt64)),
    });
  }
}

/** int64 is text in JSON. */
function withInt64(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
