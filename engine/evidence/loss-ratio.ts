import { chiSquareTail } from '../statistics/chi-square.ts';

/** What became of the records of a variant. */
export interface Losses {
  /** Are there. */
  readonly sent: number;
  /** Were said, and are not: as whoever said them has counted. */
  readonly dropped: number;
}

/** Whether records of two variants were lost alike. */
export interface LossRatio {
  /** The chance of such a difference or a greater one where they were. Null while it cannot be told: too few. */
  readonly p: number | null;
  /** p < 0.001: one variant's are missing more often, and no effect is to be believed. */
  readonly isMismatch: boolean;
}

/** As of the sample ratio. */
const ALARM = 0.001;
const LEAST_EXPECTED = 10;

/**
 * The χ² test of whether two variants lost the same part of what they said. It needs no shares: it tells of shadows and of bandits too.
 *
 * @example
 * lossRatio({ sent: 900, dropped: 100 }, { sent: 1000, dropped: 0 }).isMismatch; // true
 */
export function lossRatio(candidate: Losses, against: Losses): LossRatio {
  const [m, n] = [candidate.sent + candidate.dropped, against.sent + against.dropped];
  const dropped = candidate.dropped + against.dropped;
  const sent = m + n - dropped;
  // Of nothing at all it is no number, and not enough either.
  const expected = (Math.min(m, n) * Math.min(dropped, sent)) / (m + n);
  if (!(expected >= LEAST_EXPECTED)) return { p: null, isMismatch: false };
  const statistic =
    ((m + n) * (candidate.dropped * against.sent - against.dropped * candidate.sent) ** 2) / (m * n * dropped * sent);
  const p = chiSquareTail(statistic, 1);
  return { p, isMismatch: p < ALARM };
}
