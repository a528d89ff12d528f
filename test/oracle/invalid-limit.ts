/** The limit of invalid records, written from design §5 alone. */

export interface OracleLimit {
  readonly rate: number;
  /** Records. */
  readonly window: number;
  /** By partition (history −1): offsets before it never stop a driver. */
  readonly accepted: ReadonlyMap<number, number>;
}

export interface OracleVerdict {
  readonly partition: number;
  readonly offset: number;
  readonly invalid: boolean;
}

/** The first record of one partition, its verdicts in order, at which more than rate × window of the last `window` were invalid. */
export function stopsAt(limit: OracleLimit, verdicts: readonly OracleVerdict[]): number | null {
  for (let end = 1; end <= verdicts.length; end++) {
    const last = verdicts.slice(Math.max(0, end - limit.window), end);
    if (last.filter((verdict) => counts(limit, verdict)).length > limit.rate * limit.window) {
      return verdicts[end - 1]!.offset;
    }
  }
  return null;
}

/** At a batch's end, once: whether more than the rate of all its records were invalid, however few. */
export function stopsAtEnd(limit: OracleLimit, verdicts: readonly OracleVerdict[]): boolean {
  return verdicts.filter((verdict) => counts(limit, verdict)).length > limit.rate * verdicts.length;
}

function counts({ accepted }: OracleLimit, { partition, offset, invalid }: OracleVerdict): boolean {
  return invalid && offset >= (accepted.get(partition) ?? 0);
}
