import { expect, test } from 'vitest';
import { lawTimeoutMs } from '../laws/law-seed.ts';
import { simulationSeeds } from '../statistics/simulation.ts';
import { PLANTS, watchView, WEEKS } from './planted-faults.ts';

test('a year of hours raises at most one false alarm per view and week, and finds what is planted', {
  timeout: lawTimeoutMs(300_000),
}, () => {
  const found = PLANTS.map(() => ({ tried: 0, atOnce: 0, within: 0, right: 0 }));
  const seeds = simulationSeeds('false alarms', 1);
  const opened = seeds.map((seed) => watchView(seed, found)).flat();
  const weeks = seeds.length * WEEKS;
  console.log(`${opened.length} false alarms in ${weeks} view-weeks: ${(opened.length / weeks).toFixed(2)} a week`);
  console.log(
    JSON.stringify(
      Object.fromEntries([...Map.groupBy(opened, (each) => each)].map(([kind, all]) => [kind, all.length])),
    ),
  );
  for (const [index, { name, within, atOnce }] of PLANTS.entries()) {
    const of = found[index]!;
    const share = (count: number): string => (count / of.tried).toFixed(2);
    console.log(
      `${name}: ${of.tried} tried, found at once ${share(of.atOnce)}, within 3 h ${share(of.within)}, with the right segment ${share(of.right)}`,
    );
    // Named, so that a failure says of which.
    const isFound = of.within / of.tried >= within && of.atOnce / of.tried >= atOnce;
    expect({ name, isFound, isPlaced: of.right / of.within >= 0.7 }).toEqual({ name, isFound: true, isPlaced: true });
  }
  expect(opened.length / weeks).toBeLessThanOrEqual(1);
});
