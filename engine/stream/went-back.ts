import { MillraceError } from '../errors/millrace-error.ts';

/** `database-went-back` (retryable). The claim made anew goes on from what the database has: its offsets and its states are of one instant. */
export function wentBack(view: string, version: number, what: string): MillraceError {
  return new MillraceError(
    'database-went-back',
    `${view}, version ${version}: the database has lost commits that this stream had made: ${what}`,
    {
      remedy:
        'Nothing is to be done for the stream: it forgets what it has in memory and goes on from what the database has. docs/restore.md says what readers saw meanwhile.',
      retryable: true,
      httpStatus: 503,
    },
  );
}

/** What partitions have of their offsets, where that is less than it was. */
export function lostOffsets(
  stored: readonly { readonly partition: number; readonly next_offset: number }[],
  committed: ReadonlyMap<number, number>,
): string | null {
  const lost = stored.filter(({ partition, next_offset }) => next_offset < (committed.get(partition) ?? 0));
  if (lost.length === 0) return null;
  return lost
    .map(
      ({ partition, next_offset }) =>
        `partition ${partition} is at ${next_offset} again, after ${committed.get(partition)}`,
    )
    .join(', ');
}
