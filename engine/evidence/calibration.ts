import { binned } from '../statistics/bins.ts';
import { type Interval, wilson } from '../statistics/wilson.ts';

/** Rows of about one score, and what came of them. */
export interface CalibrationBin {
  readonly rows: number;
  /** The least, the mean and the greatest score. */
  readonly from: number;
  readonly score: number;
  readonly until: number;
  /** Of positives. A calibrated score is about the share. */
  readonly share: number;
  /** The share's, 95 % by Wilson; of rows that are independent. */
  readonly interval: Interval;
}

/** Scores against what came of them. */
export interface Calibration {
  /** At most ten, of about equally many rows, ascending. */
  readonly bins: readonly CalibrationBin[];
  /** The mean distance of score and share over rows, by bin. */
  readonly error: number;
}

/**
 * How scores go with the shares of positives, by tenths of the rows.
 *
 * @param scores from 0 to 1, not empty
 * @param labels 0 or 1, of one length with `scores`
 */
export function calibrationOf(scores: Float64Array, labels: Int8Array): Calibration {
  const tallies = new Map<number, { rows: number; score: number; positives: number; from: number; until: number }>();
  for (const [row, bin] of binned(scores).entries()) {
    const score = scores[row]!;
    const tally = tallies.get(bin) ?? { rows: 0, score: 0, positives: 0, from: score, until: score };
    tallies.set(bin, tally);
    tally.rows++;
    tally.score += score;
    tally.positives += labels[row]!;
    tally.from = Math.min(tally.from, score);
    tally.until = Math.max(tally.until, score);
  }
  const bins = [...tallies]
    .sort(([a], [b]) => a - b)
    .map(([, { rows, score, positives, from, until }]) => ({
      rows,
      from,
      score: score / rows,
      until,
      share: positives / rows,
      interval: wilson(positives, rows),
    }));
  const error = bins.reduce((sum, bin) => sum + (bin.rows / scores.length) * Math.abs(bin.score - bin.share), 0);
  return { bins, error };
}
