/** Where the records of a log went, per view. Names as `status` and metrics print them. */
export interface LogCounts {
  /** Records and history rows looked at. */
  records: number;
  tombstones: number;
  invalid: number;
  /** Topic records before, or history rows at or after, `history.until`. */
  outsideUntil: number;
  duplicates: number;
  /** Of those that went on: older than the watermark less the dedupe horizon, so that a repeat among them is not seen. */
  undeduped: number;
  /** Dropped by `where`. */
  filtered: number;
  nullKey: number;
  /** Seen by no window any more and no lifetime feature. */
  late: number;
  applied: number;
}

/** All zeros. */
export function emptyCounts(): LogCounts {
  return {
    records: 0,
    tombstones: 0,
    invalid: 0,
    outsideUntil: 0,
    duplicates: 0,
    undeduped: 0,
    filtered: 0,
    nullKey: 0,
    late: 0,
    applied: 0,
  };
}

/** Adds `more` to `counts`, in place. */
export function addCounts(counts: LogCounts, more: LogCounts): void {
  for (const name of Object.keys(counts) as (keyof LogCounts)[]) counts[name] += more[name];
}
