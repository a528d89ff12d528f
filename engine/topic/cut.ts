import { MillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import type { LogReader } from './log-reader.ts';

export interface CutPartition {
  readonly partition: number;
  /** First offset the topic held when the cut was taken: where a batch starts. */
  readonly lowOffset: number;
  /** E[p]: batch takes the offsets before it, the stream those from it on. */
  readonly endOffset: number;
}

/** The exact offsets at which batch ends and stream begins (design §7), as JSON in the catalog and in manifests. */
export interface Cut {
  readonly clusterId: string;
  readonly takenAtUs: number;
  /** Every partition of the topic, ascending. */
  readonly partitions: readonly CutPartition[];
}

/**
 * Takes the cut of a topic: its cluster, partitions and present (committed) ends.
 *
 * @throws MillraceError what `LogReader.bounds` throws, and `topic-incomplete`.
 * @example
 * const cut = await takeCut(reader, 'flights', systemClock);
 */
export async function takeCut(reader: Pick<LogReader, 'bounds'>, topic: string, clock: Clock): Promise<Cut> {
  // Before the ends: what arrives while they are asked for has a later time, and may lie beyond them.
  const beforeUs = clock.nowUs();
  const bounds = await reader.bounds(topic);
  const partitions = bounds.partitions
    .map(({ partition, lowOffset, endOffset }) => ({ partition, lowOffset, endOffset }))
    .sort((a, b) => a.partition - b.partition);
  const gap = partitions.findIndex(({ partition }, index) => partition !== index);
  if (partitions.length === 0 || gap >= 0) {
    throw new MillraceError(
      'topic-incomplete',
      `topic "${topic}": the broker named ${partitions.length} partitions${gap >= 0 ? `, but not partition ${gap}` : ''}`,
      { remedy: 'The topic is being created or changed: try again.', retryable: true, httpStatus: 503 },
    );
  }
  return { clusterId: bounds.clusterId, takenAtUs: bounds.askedAtUs ?? beforeUs, partitions };
}
