/** A partition of the outcomes, as an export finds it. */
export interface ArchivedPartition {
  /** The greatest broker time of what is archived; null: nothing is. */
  readonly archivedUntilUs: number | null;
  /** All that the partition had when the cut was taken is archived. */
  readonly isComplete: boolean;
}

/**
 * The latest time for which labels can be told: all outcomes that were known by then are in the archive. Of a partition that is archived to its end that is
 * the time at which the cut was taken, be it idle or not; of another what is archived of it. −Infinity while nothing of one is.
 *
 * @param cutAtUs when the ends of the partitions were asked for
 * @example
 * latestAsOfUs([{ archivedUntilUs: 5, isComplete: true }, { archivedUntilUs: 7, isComplete: false }], 9); // 6
 */
export function latestAsOfUs(partitions: readonly ArchivedPartition[], cutAtUs: number): number {
  const untilOf = ({ archivedUntilUs, isComplete }: ArchivedPartition): number => {
    if (isComplete) return cutAtUs;
    // A further record may have the very time of the last.
    return archivedUntilUs === null ? Number.NEGATIVE_INFINITY : archivedUntilUs - 1;
  };
  return partitions.reduce((least, partition) => Math.min(least, untilOf(partition)), cutAtUs);
}
