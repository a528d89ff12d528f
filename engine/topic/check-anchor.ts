import { type Anchor, recordDigest } from './anchor.ts';
import type { LogReader, PartitionBounds } from './log-reader.ts';
import { topicRecreated } from './topic-errors.ts';

/** Where an anchor is looked for. */
export interface AnchorPlace {
  readonly reader: Pick<LogReader, 'bounds' | 'recordAt'>;
  readonly topic: string;
  readonly partition: number;
  /** What the topic holds of the partition, as last seen; undefined: it has no such partition. */
  readonly held: PartitionBounds | undefined;
}

/**
 * The last record passed of a partition must still be where it was, or have gone by retention: then there is nothing to compare.
 *
 * @param remedy see `topicRecreated`
 * Throws MillraceError `topic-recreated`, and what the reader throws.
 */
export async function checkAnchor(
  { reader, topic, partition, held }: AnchorPlace,
  anchor: Anchor,
  remedy?: string,
): Promise<void> {
  if (held === undefined || held.lowOffset > anchor.offset) return;
  let record = await reader.recordAt(topic, partition, anchor.offset);
  if (record === null) {
    const now = (await reader.bounds(topic)).partitions.find((each) => each.partition === partition);
    if (now !== undefined && now.lowOffset > anchor.offset) return; // deleted since we looked
    // A leader elected just now gives out nothing that it is not sure of; it tells the bounds once it is.
    record = await reader.recordAt(topic, partition, anchor.offset);
  }
  if (record !== null && Buffer.from(recordDigest(record)).equals(anchor.digest)) return;
  throw topicRecreated(
    `${topic}, partition ${partition}: offset ${anchor.offset} does not hold the record that was read there`,
    { remedy },
  );
}
