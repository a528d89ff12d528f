import type { LifecycleOptions, SliceSummary } from './contract.ts';

/**
 * Whether a stream is as far as one can be that is looked at from slice to slice: few records behind, or so many as it works off in moments. A
 * number alone would never be reached where more arrive between two slices. What an open transaction holds back nobody can read: where that lasts, the
 * stream waits.
 */
export function isCaughtUp(
  { lag, held = 0, recordsPerSecond = 0 }: Pick<SliceSummary, 'lag' | 'held' | 'recordsPerSecond'>,
  { catchUpLag, catchUpSeconds }: Pick<LifecycleOptions, 'catchUpLag' | 'catchUpSeconds'>,
): boolean {
  return lag - held <= Math.max(catchUpLag, recordsPerSecond * catchUpSeconds);
}
