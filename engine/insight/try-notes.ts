import type { TryReport } from './try-report.ts';

/** A feature that tells so much by itself is more often made of the label than a discovery. */
const SUSPICIOUS = 0.98;
const FEW_ROWS = 200;

/** What a reader should know before the numbers. */
export function notesOf({ rows, label, blocks, features }: Omit<TryReport, 'notes' | 'seconds'>): string[] {
  const notes: string[] = [];
  if (rows.of.kind === 'events')
    notes.push(
      'without a spine rows are entities at times of their own events, read just before the event: what a model is asked at other times looks different',
    );
  if (label !== null) {
    notes.push(
      'strength is of one feature alone, over the very rows it is measured on: it says neither what features add to each other, nor what holds for later rows',
      'intervals (95 %) count rows as independent of each other; rows of one entity are not, so that they are rather too narrow',
    );
    if (label.rows < FEW_ROWS) notes.push(`only ${label.rows} rows have a label: expect chance to look like strength`);
    if (features.length >= 20)
      notes.push(`of ${features.length} features one in twenty looks better than it is: an interval is of each alone`);
    const odd = features.filter(({ strength }) => strength !== null && strength.score >= SUSPICIOUS);
    if (odd.length > 0)
      notes.push(
        `${odd.map(({ column }) => column).join(', ')}: almost all of the label by itself; look whether it is made of what is to be told, or known only after the label time`,
      );
    const told = features.filter(({ absence }) => absence?.isTold === true);
    if (told.length > 0)
      notes.push(
        `rows without a value have another share of "${label.positive?.value ?? ''}" than those with one: ${told.map(({ column }) => column).join(', ')}; strength is over rows with a value`,
      );
  }
  for (const { block, rows: all, found } of blocks)
    if (found === 0 && all > 0) notes.push(`${block}: no row's entity has an event before the row's time`);
  const failing = features.filter(({ errors }) => Object.keys(errors).length > 0);
  if (failing.length > 0)
    notes.push(
      `errors in place of values, which an export refuses: ${failing
        .map(
          ({ column, errors }) =>
            `${column} (${Object.entries(errors)
              .map(([code, count]) => `${code}: ${count}`)
              .join(', ')})`,
        )
        .join('; ')}`,
    );
  return notes;
}
