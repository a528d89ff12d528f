/** A record as the broker holds it. */
export interface RawRecord {
  readonly partition: number;
  /** Kafka offset; a safe integer. */
  readonly offset: number;
  /** The record's own broker timestamp in µs (Kafka keeps ms). */
  readonly timestampUs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /**
   * Only where the read asks for them. Of a repeated header the last value counts, as for Kafka's own clients; one without a value is
   * left out.
   */
  readonly headers?: ReadonlyMap<string, Uint8Array> | undefined;
}

/**
 * What the records of a batch hold of counted memory. It is given back when the next batch is asked for; who keeps the records longer says so, and
 * works them off without waiting for more of them: others may wait for what they hold.
 */
export interface BatchMemory {
  /** Of its records. What they are parts of is given back with the last one of all that share it. */
  readonly bytes: number;
  /** Holds it until `release`. */
  keep(): void;
  /** The next batch is asked for: gives it back unless it is kept. */
  passed(): void;
  /** Gives it back. Safe to call twice. */
  release(): void;
}

/** A run of records of one partition, in offset order. `nextOffset` also passes trailing control or compacted records. */
export interface LogBatch {
  readonly partition: number;
  readonly records: readonly RawRecord[];
  readonly nextOffset: number;
  /** End of the partition (last stable offset) as last seen. */
  readonly endOffset: number;
  /** As in `PartitionEnds`. */
  readonly highWatermark?: number | undefined;
  /** Left out: nobody counts it. */
  readonly memory?: BatchMemory | undefined;
}

/** Where a partition ends. */
export interface PartitionEnds {
  /** One past the last readable (committed) offset. */
  readonly endOffset: number;
  /** One past the last record there is: beyond `endOffset` while a transaction is open, and else it may be left out. */
  readonly highWatermark?: number | undefined;
  /** The producer id of the transaction that holds the readable end back, where it is known. */
  readonly heldBy?: string | undefined;
}

export interface PartitionBounds extends PartitionEnds {
  readonly partition: number;
  /** First offset still held. */
  readonly lowOffset: number;
}

/** The end that lag counts to: one past the last record there is, readable or not. */
export function realEnd({ endOffset, highWatermark }: PartitionEnds): number {
  return Math.max(endOffset, highWatermark ?? endOffset);
}

export interface TopicBounds {
  readonly topic: string;
  readonly clusterId: string;
  /** When the ends were asked for, by the clock of the brokers, UTC epoch µs. Left out: whoever takes the cut knows. */
  readonly askedAtUs?: number | undefined;
  readonly partitions: readonly PartitionBounds[];
}

export interface ReadOptions {
  readonly topic: string;
  /** Partition to the exact offset to start at. Only these partitions are read. */
  readonly positions: ReadonlyMap<number, number>;
  /** Partition to the offset to end before; a read with ends finishes when all are reached. Without: endless. */
  readonly ends?: ReadonlyMap<number, number> | undefined;
  /** Whether records come with their headers. Default false. */
  readonly headers?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what the read waits for where that is memory and lasts, and null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
}

/**
 * The narrow port Millrace reads a log through (research kafka.md §0, §2). Implementations give every record of
 * [position, end) of each partition exactly once and in order, or fail: they never skip, never rewind silently.
 */
export interface LogReader {
  /** Bounds of a topic. Throws `topic-not-found`, `service-unreachable`. */
  bounds(topic: string): Promise<TopicBounds>;
  /**
   * Batches from `positions` on. The consumer's pace is the back pressure. Yields an empty-record batch when only
   * control records were passed. Ends on abort. Throws `offset-out-of-range` (retention passed us, or the topic was made again),
   * `service-unreachable` (retryable), `log-gap`.
   */
  read(options: ReadOptions): AsyncIterable<LogBatch>;
  /** One record, or null where it is no longer held or is a control record. Used for the anchor check. */
  recordAt(topic: string, partition: number, offset: number): Promise<RawRecord | null>;
  /** Best effort, for lag tools only: never read back. */
  reportOffsets(groupId: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void>;
  close(): Promise<void>;
}
