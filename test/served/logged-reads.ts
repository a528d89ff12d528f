import type { LogReader } from '../../engine/topic/log-reader.ts';
import { scanServedReads, type ServedScanOptions } from '../../engine/served/scan-served-reads.ts';
import type { ServedRead } from '../../engine/served/served-read.ts';

/** All logged reads of a topic. */
export async function loggedReads(
  reader: LogReader,
  topic: string,
  more: Partial<ServedScanOptions> = {},
): Promise<ServedRead[]> {
  const reads: ServedRead[] = [];
  for await (const batch of scanServedReads({ reader, topic, ...more })) reads.push(...batch);
  return reads;
}
