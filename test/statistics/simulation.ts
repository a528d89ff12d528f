/**
 * Simulations have seeds of their own: in the normal form the same each time, so that none fails by chance. `LAW_RUNS` times as many runs, of further seeds,
 * are the long form.
 */
const factor = Math.max(1, Math.ceil(Number(process.env['LAW_RUNS'] ?? 1)));

/** The seeds of a simulation of `runs` runs, or of the long form's. Levels are shares, and of all runs together: more runs are only nearer to the truth. */
export function simulationSeeds(name: string, runs: number): number[] {
  let base = 7;
  for (const character of name) base = (Math.imul(base, 31) + character.codePointAt(0)!) >>> 0;
  console.log(`simulation "${name}": ${factor * runs} runs from seed ${base}`);
  return Array.from({ length: factor * runs }, (_, run) => base + run * 104_729);
}
