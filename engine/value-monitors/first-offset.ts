import type { LogReader, PartitionBounds } from '../topic/log-reader.ts';

/** Offsets without a record (of transactions, or compacted) that are passed in a row before the search looks further back. */
const MOST_PASSED = 16;

/**
 * An offset of a partition before which all records are older than a time, as far as they lie in the order of their broker timestamps: found by halving, with
 * some twenty reads of one record.
 *
 * @param fromUs broker time, epoch µs
 */
export async function firstOffsetFrom(
  reader: LogReader,
  topic: string,
  { partition, lowOffset, endOffset }: PartitionBounds,
  fromUs: number,
): Promise<number> {
  let low = lowOffset;
  let high = endOffset;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    let found: number | null = null;
    let at = middle;
    for (; at < high && at < middle + MOST_PASSED; at++) {
      const record = await reader.recordAt(topic, partition, at);
      if (record === null) continue;
      found = record.timestampUs;
      break;
    }
    if (found !== null && found < fromUs) low = at + 1;
    else high = middle;
  }
  return low;
}
