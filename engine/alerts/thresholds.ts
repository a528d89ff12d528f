import type { Statistic } from './figures.ts';

/** By what a bucket is an alarm, beside its own past. Sizes that matter to nobody are none, however certain they are. */
export const THRESHOLDS = {
  /** Weeks whose same hour (same weekday, for days) tells what is usual. */
  weeks: 8,
  /** With fewer of them χ² bounds are taken, for the whole alone. */
  leastWeeks: 4,
  /** How many times its χ² bound a young series must exceed. */
  young: 3,
  /** Fewer records than this tell nothing of an hour: they join the day. */
  leastRecords: 30,
  /** Squared distances from the usual that a series' own spread is taken of, beside the same hours': those of the last week. */
  remembered: 168,
  /**
   * What the spread of eight numbers, by their median, is worth in degrees of freedom, and what a series' own is: together they are those of Student's t,
   * whose tails are heavier than the normal's.
   */
  hourTails: 3,
  seriesTails: 7,
  /** Of all series whose hour closes together, none being wrong: the chance that any is said to be (Benjamini, Hochberg). */
  falseRate: 0.005,
  /** Points of coverage, of found ones, of left out ones, of what a view keeps. */
  points: 0.05,
  /** Points of records that are none to their contract; and so many records at least. */
  invalidPoints: 0.01,
  invalidRecords: 5,
  /** Volume: times as much, or one over it. */
  times: 2,
  /** By how much less, as a logarithm, at most: twice as many come as fewer where there is noise. */
  timesSlack: 0.25,
  /** Lag: times as much, and so much more. */
  lagTimes: 2,
  lagMoreMs: 5 * 60_000,
  /** A mean's shift, in deviations of the values themselves. */
  shift: 0.25,
  /** Jensen-Shannon distance, beyond the usual one. */
  distance: 0.05,
  /** So many buckets in a row have to be out of the usual. */
  buckets: {
    volume: 1,
    share: 1,
    invalid: 1,
    'left-out': 1,
    found: 1,
    kept: 1,
    lag: 1,
    coverage: 1,
    mean: 2,
    distance: 2,
  } as const satisfies Readonly<Record<Statistic, 1 | 2>>,
  /** An alert closes after so many clean buckets, and opens again where its root is found again so soon after. */
  cleanBuckets: 3,
  reopenWithinMs: 24 * 3_600_000,
  /** An alert whose subject nobody can test any more closes after so many buckets. */
  untestedBuckets: 48,
} as const;
