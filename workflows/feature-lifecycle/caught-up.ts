import type { LifecycleOptions, SliceSummary } from './contract.ts';

/**
 * Whether a stream is as far as one can be that is looked at from slice to slice: few records behind, or so many as it works off in moments. A
 * number alone would never be reached where more arrive between two slices.
 */
export function isCaughtUp(
  { lag, recordsPerSecond = 0 }: Pick<SliceSummary, 'lag' | 'recordsPerSecond'>,
  { catchUpLag, catchUpSeconds }: Pick<LifecycleOptions, 'catchUpLag' | 'catchUpSeconds'>,
): boolean {
  return lag <= Math.max(catchUpLag, recordsPerSecond * catchUpSeconds);
}
