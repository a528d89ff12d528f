import fc from 'fast-check';

/**
 * The seed of this run's laws: `LAW_SEED` repeats a failed run. `LAW_RUNS` multiplies the number of runs (default 1).
 * Printed, as a failure elsewhere in the file may depend on it too.
 */
export const lawSeed = Number(process.env['LAW_SEED'] ?? Math.trunc(Math.random() * 0x7fffffff));
const factor = Number(process.env['LAW_RUNS'] ?? 1);

/** fast-check's settings for a law checked `runs` times. */
export function lawRuns(runs: number): { seed: number; numRuns: number } {
  return { seed: lawSeed, numRuns: Math.ceil(runs * factor) };
}

/** A limit of a law's own, for the long form too. @param ms for `LAW_RUNS` of 1 */
export function lawTimeoutMs(ms: number): number {
  return ms * Math.max(1, factor);
}

console.log(`LAW_SEED=${lawSeed}`);
fc.configureGlobal({ seed: lawSeed });
