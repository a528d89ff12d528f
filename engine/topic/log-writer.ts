/** A record as Millrace itself writes it to a topic. */
export interface RecordToWrite {
  /** Records of one key go to one partition, in the order sent; null: to any. */
  readonly key: Uint8Array | null;
  readonly value: Uint8Array;
  /** The record's own timestamp, epoch ms. */
  readonly timestampMs: number;
}

/**
 * The port through which Millrace writes to a log: at least once. A send that failed may still have been written, in part or whole, so
 * every record needs an id that readers dedupe by.
 */
export interface LogWriter {
  /**
   * Resolves when every record is held by all in-sync replicas; always settles within a bound. Records of one key keep their order among
   * sends that wait for each other. Throws MillraceError `service-unreachable` (retryable), `topic-not-found`, `kafka-failed`.
   */
  send(topic: string, records: readonly RecordToWrite[]): Promise<void>;
  /** Within a bound. */
  close(): Promise<void>;
}
