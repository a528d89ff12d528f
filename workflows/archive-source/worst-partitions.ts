import type { ArchivedPartition, ArchiveTended } from './contract.ts';

/** So many a page and a history have room for, whatever the topic has; `millrace log` tells all. */
export const PARTITIONS_SHOWN = 20;

type Ranked = Pick<ArchivedPartition, 'partition' | 'lag'> & {
  readonly holes: readonly { readonly from: number; readonly until: number }[];
};

/** Those that are furthest behind, then those that have lost most, then the first ones; in order of partition. */
export function worstPartitions<One extends Ranked>(partitions: readonly One[]): One[] {
  if (partitions.length <= PARTITIONS_SHOWN) return [...partitions];
  return partitions
    .toSorted((a, b) => (b.lag ?? 0) - (a.lag ?? 0) || lostBy(b) - lostBy(a) || a.partition - b.partition)
    .slice(0, PARTITIONS_SHOWN)
    .toSorted((a, b) => a.partition - b.partition);
}

function lostBy({ holes }: Pick<Ranked, 'holes'>): number {
  return holes.reduce((sum, { from, until }) => sum + until - from, 0);
}

/** What a worker of an earlier release says of every partition, as this one would. */
export function boundedTended(tended: ArchiveTended): ArchiveTended {
  const { partitions } = tended;
  if (tended.sums !== undefined || partitions.length <= PARTITIONS_SHOWN) return tended;
  const sum = (of: (partition: ArchivedPartition) => number): number =>
    partitions.reduce((total, partition) => total + of(partition), 0);
  return {
    ...tended,
    partitions: worstPartitions(partitions),
    sums: {
      partitions: partitions.length,
      rows: sum(({ rows }) => rows),
      lag: sum(({ lag }) => lag ?? 0),
      behind: partitions.filter(({ lag }) => (lag ?? 0) > 0).length,
      holes: sum(({ holes }) => holes.length),
      lost: sum(lostBy),
    },
  };
}
