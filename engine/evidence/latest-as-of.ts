/** A partition of the outcomes, as an export finds it. */
export interface ArchivedPartition {
  /** The greatest broker time of what is archived; null: nothing is. Broker times of a partition do not go back. */
  readonly archivedUntilUs: number | null;
  /** All that the partition had when the cut was taken is archived. */
  readonly isComplete: boolean;
}

/** Broker times are whole milliseconds: what arrives within one after something else has the same time. */
const BROKER_TICK_US = 1000;

/**
 * The latest time for which labels can be told: all outcomes that were known by then, and ever will be, are in the archive. Of a partition that is archived to
 * its end that is just before the millisecond in which the cut was taken, be it idle or not; of another, just before the last of what is archived of it.
 * −Infinity while nothing of one is. It never goes back: what was all there at an earlier cut still is, however far a partition's archive is behind now.
 *
 * @param cutAtUs when the ends of the partitions were asked for, by a clock that is not ahead of the brokers'
 * @param toldUs the greatest that was told before of this archive, which is kept with what was exported; null: none was
 * @example
 * latestAsOfUs([{ archivedUntilUs: 5_000, isComplete: true }, { archivedUntilUs: 7_000, isComplete: false }], 9_300, null); // 6_999
 */
export function latestAsOfUs(partitions: readonly ArchivedPartition[], cutAtUs: number, toldUs: number | null): number {
  const endUs = Math.floor(cutAtUs / BROKER_TICK_US) * BROKER_TICK_US;
  const until = ({ archivedUntilUs, isComplete }: ArchivedPartition): number =>
    (isComplete ? endUs : (archivedUntilUs ?? Number.NEGATIVE_INFINITY)) - 1;
  const now = partitions.reduce((least, partition) => Math.min(least, until(partition)), endUs - 1);
  return Math.max(now, toldUs ?? Number.NEGATIVE_INFINITY);
}
