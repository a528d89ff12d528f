/** A record that broke its contract, or on which a view's row function failed, with every reason: what becomes a dead letter. */
export interface InvalidRecord {
  /** The topic, or `history`. */
  readonly topic: string;
  /** -1 for history. */
  readonly partition: number;
  /** Offset, or position over all files of the history. */
  readonly offset: number;
  /** Which record of its partition it is in the batch at hand, from 0; of a history its position. What the invalid limit counts by. */
  readonly number: number;
  readonly file: string | null;
  /** The record's bytes; of a history row, its JSON. */
  readonly payload: Uint8Array | null;
  readonly reasons: readonly string[];
  readonly brokerTimestampUs: number | null;
}

/** Where an invalid record lies, in words. */
export function placeOf({
  topic,
  partition,
  offset,
  file,
}: Pick<InvalidRecord, 'topic' | 'partition' | 'offset' | 'file'>): string {
  return file === null ? `${topic}, partition ${partition}, offset ${offset}` : `${file}, position ${offset}`;
}
