import { expect, test } from 'vitest';
import { lawRuns } from '../laws/law-seed.ts';
import { type SeededRandom, seededRandom } from '../statistics/seeded-random.ts';
import {
  brokerWith,
  decisionJson,
  type LabelRuleOptions,
  lateLabels,
  MATURE_US,
  outcomeJson,
  type SaidDecision,
  type Scanned,
  scanned,
  T0_US,
} from './label-world.ts';
import { naiveLabels } from './naive-labels.ts';
import { type RandomLog, randomLog } from './random-labels.ts';

const RULES: readonly LabelRuleOptions[] = (['first', 'last', 'sum'] as const).flatMap((reduce) =>
  ([0, null, 'leave-out'] as const).flatMap((absent) =>
    [false, true].map((byFlight): LabelRuleOptions => ({ reduce, absent, byFlight })),
  ),
);
const compiled = new Map(await Promise.all(RULES.map(async (rule) => [rule, await lateLabels(rule)] as const)));
const { seed, numRuns } = lawRuns(40);
const runs = Array.from({ length: numRuns }, (_, run) => [seed + run] as const);

function brokerOf({ decisions, outcomes }: RandomLog) {
  return brokerWith(
    decisions.map((record) => ({ ...record, json: decisionJson(record.said) })),
    outcomes.map((record) => ({ ...record, json: outcomeJson(record.said) })),
  );
}

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[Math.floor(random.uniform() * from.length)]!;
}

/** At the edge of a decision's maturity, mostly. */
function someAsOf(random: SeededRandom, { decisions }: RandomLog): number {
  const { said } = pick(random, decisions);
  return said.atUs + MATURE_US + pick(random, [-1, 0, 0, 1, 40_000, 10 ** 15]);
}

function labelsOf({ rows }: Scanned): [string, unknown][] {
  return rows.map(({ id, label }) => [id, label.kind === 'label' ? label.value : label.kind]);
}

test.each(runs)('labels are what the words say, seed %i', async (runSeed) => {
  const random = seededRandom(runSeed);
  const rule = pick(random, RULES);
  const log = randomLog(random, { declares: true });
  const asOfUs = someAsOf(random, log);
  const [fromUs, untilUs] = pick(random, [
    [0, 10 ** 12],
    [20_000, 30_000],
    [25_000, 40_001],
  ] as const);
  const isWanted = ({ atUs }: SaidDecision): boolean => atUs >= fromUs && atUs < untilUs;
  const naive = naiveLabels(log.decisions, log.outcomes, asOfUs, rule, isWanted);
  const found = await scanned(compiled.get(rule)!, brokerOf(log), {
    fromUs: T0_US + fromUs,
    untilUs: T0_US + untilUs,
    asOfUs: T0_US + asOfUs,
    nowUs: 2 * 10 ** 15,
  });
  expect(labelsOf(found)).toEqual([...naive]);
  expect(found.scan.counts.mature).toBe(naive.size);
  expect(found.scan.counts.labelled + found.scan.counts.leftOut).toBe(naive.size);
});

test.each(runs)('a later scan gives the same rows and the newly mature ones, seed %i', async (runSeed) => {
  const random = seededRandom(runSeed);
  const rule = pick(random, RULES);
  const whole = randomLog(random, { declares: false });
  const labels = compiled.get(rule)!;
  // What had arrived by then, some of what came within the very millisecond left out.
  const nowUs = Math.max(0, someAsOf(random, whole));
  const tick = Math.floor(nowUs / 1000) * 1000;
  const hadArrived = ({ arrivedUs }: { readonly arrivedUs: number }): boolean =>
    arrivedUs < tick || (arrivedUs === tick && random.uniform() < 0.5);
  const then = {
    decisions: prefixes(whole.decisions, hadArrived),
    outcomes: prefixes(whole.outcomes, hadArrived),
  };
  const early = await scanned(labels, brokerOf(then), { nowUs });
  const later = await scanned(labels, brokerOf(whole), { nowUs: nowUs + pick(random, [0, 1, 5_000, 10 ** 12]) });
  const laterRows = new Map(later.rows.map((row) => [row.id, row]));
  const hadDecided = new Set(then.decisions.map(({ said }) => said.id));
  for (const row of early.rows) {
    // A shadow whose decision came after it has the label of another one from then on.
    const shadowOf = row.row['shadow_of'] as string | null;
    if (shadowOf !== null && !hadDecided.has(shadowOf)) continue;
    const { afterMaturity: _, ...known } = labelFigures(row.label);
    const again = laterRows.get(row.id);
    expect(again?.row).toEqual(row.row);
    expect(labelFigures(again!.label)).toMatchObject(known);
  }
});

test.each(runs)('no label uses an outcome that could not be known when it was final, seed %i', async (runSeed) => {
  const random = seededRandom(runSeed);
  const rule = pick(random, RULES);
  const log = randomLog(random, { declares: true });
  const labels = compiled.get(rule)!;
  const asOfUs = someAsOf(random, log);
  const options = { asOfUs: T0_US + asOfUs, nowUs: 2 * 10 ** 15 };
  const before = await scanned(labels, brokerOf(log), options);
  const latestUs = Math.max(...log.decisions.map(({ said }) => said.atUs)) + MATURE_US;
  // Whatever was known only after all labels were final, or after the time asked, says something else.
  const isBeyond = (knownUs: number): boolean => knownUs > Math.min(latestUs, asOfUs);
  const outcomes = log.outcomes.map((record) => {
    const { said, arrivedUs } = record;
    if (!isBeyond(said.knownUs ?? arrivedUs)) return record;
    return { ...record, said: { ...said, value: (said.value ?? 0) + 100, atUs: said.atUs + pick(random, [-7, 0, 7]) } };
  });
  const after = await scanned(labels, brokerOf({ ...log, outcomes }), options);
  expect(labelsOf(after)).toEqual(labelsOf(before));
});

function labelFigures(label: Scanned['rows'][number]['label']): Record<string, unknown> {
  return { ...label };
}

/** Of each partition what comes before the first record that had not arrived. */
function prefixes<R extends { readonly partition: number; readonly arrivedUs: number }>(
  records: readonly R[],
  hadArrived: (record: R) => boolean,
): R[] {
  const ended = new Set<number>();
  return records.filter((record) => {
    if (!ended.has(record.partition) && !hadArrived(record)) ended.add(record.partition);
    return !ended.has(record.partition);
  });
}
