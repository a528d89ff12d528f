/** Columns of the plot. */
const WIDTH = 50;

/** Rows of about one score, and what came of them. */
export interface CalibrationPoint {
  readonly rows: number;
  readonly score: number;
  readonly came: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Scores against what came of them, a line per tenth of the rows: `|` where the score stands, `●` where what came of it does, `─` its interval.
 * Calibrated, the one stands on the other: `◆`.
 *
 * @param span what the width is of: from 0 to 1 of chances
 */
export function calibrationLines(points: readonly CalibrationPoint[], [from, to]: readonly [number, number]): string[] {
  const place = (value: number): number =>
    Math.max(0, Math.min(WIDTH - 1, Math.round(((value - from) / (to - from || 1)) * (WIDTH - 1))));
  const ends = `${shown(from)}${shown(to).padStart(WIDTH - shown(from).length)}`;
  return [
    `${'score'.padStart(9)} ${'came'.padStart(9)}  ${ends}`,
    ...points.map(({ score, came, low, high, rows }) => {
      const cells = new Array<string>(WIDTH).fill(' ');
      for (let at = place(low); at <= place(high); at++) cells[at] = '─';
      cells[place(score)] = '|';
      cells[place(came)] = place(came) === place(score) ? '◆' : '●';
      return `${shown(score).padStart(9)} ${shown(came).padStart(9)}  ${cells.join('')}  ${rows.toLocaleString('en-US')} rows`;
    }),
  ];
}

function shown(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(3);
}
