/** What a policy would have brought, over the whole way: records of decisions and their labels in, estimates out. */
import { describe, expect, test } from 'vitest';
import type { CostMatrix } from '../../engine/evaluation/costs.ts';
import type { EvaluationReport, OffPolicyReport } from '../../engine/evaluation/evaluation-report.ts';
import type { LabelledDecision } from '../../engine/evaluation/held-decision.ts';
import { type SeededRandom, seededRandom } from '../statistics/seeded-random.ts';
import { simulationSeeds } from '../statistics/simulation.ts';
import { DAY_US, evaluated, FROM_US, told, type Told } from './evaluation-world.ts';

const ACTIONS = ['wait', 'warn', 'rebook'] as const;
type Action = (typeof ACTIONS)[number];
const COSTS: CostMatrix = { wait: { '0': 0, '1': -4 }, warn: { '0': -1, '1': 1 }, rebook: { '*': -1.5 } };

/** The best of the actions by a rule, and each by chance. */
function explored(best: Action, share: number): Map<Action, number> {
  return new Map(ACTIONS.map((action) => [action, share / 3 + (action === best ? 1 - share : 0)]));
}
/** It explores much: weights go up to 5.4. */
const logging = (x: number): Map<Action, number> => explored(x > 0.3 ? 'warn' : 'wait', 0.5);
const candidate = (x: number, place: string): Map<Action, number> =>
  explored(x > -0.2 ? (place === 'LAS' ? 'rebook' : 'warn') : 'wait', 0.15);
const lateAt = (x: number, place: string): number => 0.4 + 0.35 * x * (place === 'LAS' ? 1 : 0.5);

const reward = (action: Action, label: 0 | 1): number => COSTS[action]![String(label)] ?? COSTS[action]!['*']!;

/** The candidate's mean reward, over x uniform on [-1, 1] and both places alike: in closed sums, without a draw. */
const TRUTH = ((): number => {
  let sum = 0;
  const steps = 20_000;
  for (let step = 0; step < steps; step++)
    for (const place of ['LAS', 'PHL']) {
      const x = -1 + (2 * step + 1) / steps;
      const late = lateAt(x, place);
      for (const [action, chance] of candidate(x, place))
        sum += (chance * (late * reward(action, 1) + (1 - late) * reward(action, 0))) / steps / 2;
    }
  return sum;
})();

function drawn(chances: ReadonlyMap<Action, number>, random: SeededRandom): Action {
  let place = random.uniform();
  for (const [action, chance] of chances) {
    place -= chance;
    if (place < 0) return action;
  }
  return ACTIONS[2];
}

function said(
  chances: ReadonlyMap<Action, number>,
  action: Action,
): Pick<Told, 'action' | 'propensity' | 'alternatives'> {
  return {
    action,
    propensity: chances.get(action)!,
    alternatives: [...chances]
      .filter(([other]) => other !== action)
      .map(([other, propensity]) => ({ action: other, propensity })),
  };
}

/** Version 1 acts and logs, version 7 beside it in shadow; of units of their own version 7 acts. Each unit decides twice. */
function logOf(seed: number, units: number): LabelledDecision[] {
  const random = seededRandom(seed);
  const log: LabelledDecision[] = [];
  for (let n = 0; n < 2 * units; n++) {
    const x = -1 + 2 * random.uniform();
    const place = random.uniform() < 0.5 ? 'LAS' : 'PHL';
    const isOwn = Math.floor(n / 2) % 4 === 3;
    const label = random.uniform() < lateAt(x, place) ? (1 as const) : (0 as const);
    const common = {
      unit: `u${Math.floor(n / 2)}`,
      context: { x, place, flight: `f${n}` },
      label,
      timeUs: FROM_US + n,
    };
    const [mine, theirs] = [logging(x), candidate(x, place)];
    if (isOwn) {
      log.push(told({ ...common, id: `own ${n}`, version: 7, ...said(theirs, drawn(theirs, random)) }));
      continue;
    }
    log.push(told({ ...common, id: `a ${n}`, version: 1, ...said(mine, drawn(mine, random)) }));
    log.push(told({ ...common, id: `s ${n}`, version: 7, shadowOf: `a ${n}`, ...said(theirs, drawn(theirs, random)) }));
  }
  return log;
}

const seven = { model: 'late', version: 7 };
const ask = { offPolicy: { candidate: seven, costs: COSTS } };

function offPolicyOf(report: EvaluationReport): OffPolicyReport & { readonly value: { readonly kind: 'estimated' } } {
  const { offPolicy } = report;
  if (offPolicy?.value.kind !== 'estimated') throw new Error(offPolicy?.refusal ?? 'nothing');
  return { ...offPolicy, value: offPolicy.value };
}

const ESTIMATORS = ['ips', 'snips', 'doublyRobust'] as const;

test('of 1,000 logs 93 to 97 % of the intervals hold the truth, and what the candidate brought lies as far off as the errors say', async () => {
  const seeds = simulationSeeds('evaluation, from records', 1000);
  const covered = { ips: 0, snips: 0, doublyRobust: 0, actual: 0, both: 0 };
  let refused = 0;
  for (const seed of seeds) {
    const report = await evaluated(logOf(seed, 500), ask);
    if (report.offPolicy!.value.kind === 'refused') {
      refused++;
      continue;
    }
    const { value, actual } = offPolicyOf(report);
    for (const name of ESTIMATORS)
      covered[name] += value[name].interval.low <= TRUTH && TRUTH <= value[name].interval.high ? 1 : 0;
    const { mean } = actual!;
    covered.actual += mean.interval.low <= TRUTH && TRUTH <= mean.interval.high ? 1 : 0;
    // They are of other units: their errors are independent.
    const error = Math.hypot(mean.error, value.doublyRobust.error);
    covered.both += Math.abs(mean.value - value.doublyRobust.value) < 1.96 * error ? 1 : 0;
  }
  console.log('coverage', JSON.stringify({ runs: seeds.length, refused, covered, truth: TRUTH }));
  const told = seeds.length - refused;
  expect(refused / seeds.length).toBeLessThan(0.015);
  for (const count of Object.values(covered)) {
    expect(count / told).toBeGreaterThanOrEqual(0.93);
    expect(count / told).toBeLessThanOrEqual(0.97);
  }
}, 600_000);

describe('an estimate', () => {
  test('is that of the definitions, over acted decisions of others that have a propensity, a label and a shadow', async () => {
    const log = logOf(3, 300);
    const [acted, shadow] = [log.filter(({ id }) => id.startsWith('a')), log.filter(({ id }) => id.startsWith('s'))];
    const spoilt = [
      ...acted.slice(0, 10).map((one) => ({ ...one, label: { kind: 'immature' as const } })),
      ...acted.slice(10, 15).map((one) => ({ ...one, row: { ...one.row, propensity: null, alternatives: [] } })),
      ...acted.slice(15),
      ...shadow.slice(20),
      ...log.filter(({ id }) => id.startsWith('own')),
    ];
    const { logged, value, asDecided, actual, usedSpan } = offPolicyOf(await evaluated(spoilt, ask));
    expect(logged).toEqual({ decisions: 440, withoutPropensity: 5, withoutCandidate: 5, used: 430 });
    const rows = acted.slice(20).map(({ id, row, label }) => {
      const { row: other } = shadow.find((one) => one.row['shadow_of'] === id)!;
      const [action, propensity] = [row['action'] as Action, row['propensity'] as number];
      const isSame = other['action'] === action;
      const others = other['alternatives'] as { action: string; propensity: number }[];
      const chance = isSame ? (other['propensity'] as number) : others.find((one) => one.action === action)!.propensity;
      const { value: came } = label as unknown as { value: 0 | 1 };
      return { w: chance / propensity, r: reward(action, came) };
    });
    const sum = (of: (row: { w: number; r: number }) => number): number =>
      rows.reduce((total, row) => total + of(row), 0);
    expect(value.ips.value).toBeCloseTo(sum(({ w, r }) => w * r) / 430, 12);
    expect(value.snips.value).toBeCloseTo(sum(({ w, r }) => w * r) / sum(({ w }) => w), 12);
    expect(value.overlap.effective).toBeCloseTo(sum(({ w }) => w) ** 2 / sum(({ w }) => w * w), 9);
    expect(asDecided!.value).toBeCloseTo(sum(({ r }) => r) / 430, 12);
    expect(actual).toMatchObject({ decisions: 150, units: 75 });
    expect(usedSpan![0].slice(0, 10)).toBe('2001-06-01');
    const report = await evaluated(spoilt, ask);
    expect(report.metrics).toMatchObject({ opeEstimate: value.doublyRobust.value, opeActual: actual!.mean.value });
    expect(report.sides).toEqual([]);
    expect(report.notes).toContainEqual(expect.stringContaining('no scores are judged'));
  });

  test('without a cost matrix is of the label', async () => {
    const { asDecided, reward: of } = offPolicyOf(await evaluated(logOf(4, 300), { offPolicy: { candidate: seven } }));
    const acted = logOf(4, 300).filter(({ id }) => id.startsWith('a'));
    expect(of).toBe('label');
    expect(asDecided!.value).toBeCloseTo(
      acted.filter(({ label }) => (label as { value?: number }).value === 1).length / acted.length,
      12,
    );
  });

  test('of a candidate that tells no propensities is near, and says so; of the version against alone where that is named', async () => {
    const log = logOf(5, 4000).map((one) =>
      one.row['shadow_of'] === null ? one : { ...one, row: { ...one.row, propensity: null, alternatives: [] } },
    );
    const { value, takenAtItsWord } = offPolicyOf(await evaluated(log, ask));
    expect(takenAtItsWord).toBe(6000);
    const { value: estimate, error } = value.doublyRobust;
    expect(Math.abs(estimate - TRUTH)).toBeLessThan(4 * error);
    const others = logOf(6, 400).map((one) => ({
      ...one,
      id: `x ${one.id}`,
      row: { ...one.row, model_version: 2, decision_id: `x ${one.id}` },
    }));
    const named = await evaluated([...log, ...others], { ...ask, against: { model: 'late', version: 1 } });
    expect(named.offPolicy!.logged.decisions).toBe(6000);
    const all = await evaluated([...log, ...others], ask);
    expect(all.offPolicy!.logged.decisions).toBe(6800);
  });

  test('is refused in words where the log cannot tell, with the figures', async () => {
    const few = await evaluated(logOf(7, 60), ask);
    expect(few.offPolicy).toMatchObject({ value: { kind: 'refused', why: 'few-effective' } });
    expect(few.offPolicy!.refusal).toMatch(
      /as much of it as [\d.]+ decisions of its own .*of 90 logged ones.*100 at least/,
    );
    const wrong = logOf(8, 2000).map((one) =>
      one.id.startsWith('a')
        ? { ...one, row: { ...one.row, propensity: 0.6 * (one.row['propensity'] as number) } }
        : one,
    );
    const off = await evaluated(wrong, ask);
    expect(off.offPolicy!.refusal).toMatch(
      /the mean weight is 1\.\d+ ± 0\.\d+, and would be 1: .* standard errors off, more than 3.*not those by which/,
    );
    const never = logOf(9, 2000).map((one) =>
      one.id.startsWith('s') ? { ...one, row: { ...one.row, action: 'fly', propensity: 1, alternatives: [] } } : one,
    );
    const untried = await evaluated(never, ask);
    expect(untried.offPolicy).toMatchObject({ value: { kind: 'refused' }, actual: { units: 500 } });
    expect(untried.metrics).toMatchObject({ opeEstimate: null });
  });

  test('says where the candidate did not act, and where what it does was never done', async () => {
    const log = logOf(10, 2000).filter(({ id }) => !id.startsWith('own'));
    const half = log.map((one, n) =>
      one.id.startsWith('s') && n % 4 === 1
        ? { ...one, row: { ...one.row, action: 'fly', propensity: 1, alternatives: [] } }
        : one,
    );
    const { offPolicy } = await evaluated(half, ask);
    expect(offPolicy).toMatchObject({ actual: null, actualSpan: null, value: { kind: 'refused', why: 'weights-off' } });
    expect(offPolicy!.refusal).toMatch(/50\.0 % of what the candidate does was never done/);
  });

  test('needs a reward for each action and label', async () => {
    const log = logOf(11, 300);
    const only = (costs: CostMatrix) => evaluated(log, { offPolicy: { candidate: seven, costs } });
    await expect(only({ wait: { '*': 0 } })).rejects.toMatchObject({
      code: 'reward-missing',
      message: expect.stringContaining('the action') as string,
    });
    await expect(only({ '*': { '1': 0 } })).rejects.toMatchObject({
      code: 'reward-missing',
      message: expect.stringContaining('the label') as string,
    });
    expect((await only({ '*': { '*': 2 } })).offPolicy!.asDecided!.value).toBe(2);
    const texts = log.map((one) => ({
      ...one,
      label: { kind: 'label' as const, value: 'late', outcomes: 1, afterMaturity: 0 },
    }));
    await expect(evaluated(texts, { offPolicy: { candidate: seven } })).rejects.toMatchObject({
      code: 'reward-missing',
    });
    const byText = await evaluated(texts, { offPolicy: { candidate: seven, costs: { '*': { late: 3 } } } });
    expect(byText.offPolicy!.asDecided!.value).toBe(3);
  });

  test('takes no scores to be what rewards depend on, and reads times, texts and what is missing of the context', async () => {
    const log = logOf(12, 1000).map((one, n) => ({
      ...one,
      row: {
        ...one.row,
        score: n % 2,
        context: {
          ...(one.row['context'] as object),
          at: FROM_US + n * DAY_US,
          gate: n % 3 === 0 ? null : n % 3,
          big: 12n,
          ok: n % 2 === 0,
          list: [n],
        },
      },
    }));
    const { value } = offPolicyOf(await evaluated(log, ask));
    const without = log.map((one) => ({ ...one, row: { ...one.row, score: null } }));
    expect(offPolicyOf(await evaluated(without, ask)).value).toEqual(value);
    // It knows x and the place: narrower than without any model.
    expect(value.doublyRobust.error).toBeLessThan(value.ips.error);
  });
});
