import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Label } from '../../engine/evidence/label-rule.ts';
import { DIFFERENCE, METRIC, UnitFold, WEIGHTED } from '../../engine/rollouts/fold-units.ts';
import { NOVELTY } from '../../engine/rollouts/fold-novelty.ts';
import type { ObservedDecision } from '../../engine/rollouts/observed-decision.ts';
import { lawRuns } from '../laws/law-seed.ts';

const DAY_US = 86_400_000_000;
const stage = (share: number) => ({ share, minUnits: 10, minTimeMs: 0, smallestEffect: null, approve: false });
const RULE = { stages: [stage(0), stage(0.5), stage(1)], observeUs: 5, mode: 'stages' as const };
/** Times are few: ends of spans are met. */
const AS_OF = 12;

const label: fc.Arbitrary<Label<number>> = fc.oneof(
  fc.constantFrom<Label<number>>(
    { kind: 'immature' },
    { kind: 'left-out', afterMaturity: 0 },
    { kind: 'label', value: null, outcomes: 0, afterMaturity: 0 },
  ),
  fc
    .integer({ min: -2, max: 3 })
    .map((value): Label<number> => ({ kind: 'label', value, outcomes: 1, afterMaturity: 0 })),
);

const plain = fc.record({
  timeUs: fc.integer({ min: 0, max: 14 }),
  stage: fc.integer({ min: 0, max: 3 }),
  revision: fc.integer({ min: 1, max: 2 }),
  variant: fc.constantFrom('candidate', 'against'),
  unit: fc.constantFrom('u1', 'u2', 'u3', null, ''),
  label,
  shadowLabel: fc.option(label, { nil: null }),
  segment: fc.constantFrom('origin=LAS', 'origin=PHL'),
});

/** Decisions as the log has them: in shadow both variants', but where one was lost. */
const decisions = fc.array(plain, { maxLength: 25 }).map((all) =>
  all.flatMap(({ segment, shadowLabel, ...one }, index): ObservedDecision[] => {
    const base = { ...one, segments: [segment], chance: 0.5, shadowOf: null, id: `d${index}` };
    if (one.stage !== 0) return [base];
    const acted = { ...base, variant: 'against' };
    const shadow = {
      ...base,
      id: `s${index}`,
      variant: 'candidate',
      shadowOf: `d${index}`,
      label: shadowLabel ?? one.label,
    };
    if (shadowLabel !== null) return [acted, shadow];
    return one.variant === 'against' ? [acted] : [shadow];
  }),
);

const folded = (all: readonly ObservedDecision[], rule: ConstructorParameters<typeof UnitFold>[0] = RULE) => {
  const fold = new UnitFold(rule);
  for (const one of all) fold.take(one);
  return fold.evidence(AS_OF);
};

const byTime = (a: ObservedDecision, b: ObservedDecision): number =>
  a.timeUs === b.timeUs ? (a.id < b.id ? -1 : 1) : a.timeUs - b.timeUs;
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** From the text: one observation per unit and stage, its mean over decisions within `observe` of first exposure, entered once mature. */
function naive(all: readonly ObservedDecision[], at: number, variant: string, segment: string | null): number[] {
  const values: number[] = [];
  for (const unit of ['u1', 'u2', 'u3']) {
    const own = all.filter((one) => one.stage === at && one.unit === unit).sort(byTime);
    const first = own[0];
    if (first?.variant !== variant || (segment !== null && !first.segments.includes(segment))) continue;
    const until = first.timeUs + 5;
    const within = own.filter((one) => one.variant === variant && one.timeUs <= until);
    if (until > AS_OF || within.some((one) => one.label.kind === 'immature')) continue;
    const told = within.flatMap((one) =>
      one.label.kind === 'label' && one.label.value !== null ? [one.label.value] : [],
    );
    if (told.length > 0) values.push(mean(told));
  }
  return values;
}

function naivePairs(all: readonly ObservedDecision[]): number[] {
  const values: number[] = [];
  for (const unit of ['u1', 'u2', 'u3']) {
    const acted = all.filter((one) => one.stage === 0 && one.unit === unit && one.shadowOf === null).sort(byTime);
    if (acted.length === 0) continue;
    const until = acted[0]!.timeUs + 5;
    if (until > AS_OF) continue;
    const told: number[] = [];
    let isOpen = false;
    for (const one of acted.filter(({ timeUs }) => timeUs <= until)) {
      const shadow = all.find(({ shadowOf }) => shadowOf === one.id);
      if (shadow === undefined) continue;
      if (shadow.label.kind === 'immature' || one.label.kind === 'immature') isOpen = true;
      else if (shadow.label.kind === 'label' && one.label.kind === 'label')
        if (shadow.label.value !== null && one.label.value !== null) told.push(shadow.label.value - one.label.value);
    }
    if (!isOpen && told.length > 0) values.push(mean(told));
  }
  return values;
}

describe('units of a rollout', () => {
  test('are observed as the text has it, once per stage, over all and by segment', () => {
    fc.assert(
      fc.property(decisions, (all) => {
        const { sums } = folded(all);
        for (const variant of ['candidate', 'against'])
          for (const at of [1, 2])
            for (const segment of [null, 'origin=LAS', 'origin=PHL']) {
              const values = naive(all, at, variant, segment);
              const read = sums.read({ metric: METRIC, stage: at, variant, segment });
              expect(read.count).toBe(values.length);
              if (values.length > 0) expect(read.mean).toBeCloseTo(mean(values), 12);
            }
        const pairs = naivePairs(all);
        const read = sums.read({ metric: METRIC, stage: 0, variant: DIFFERENCE, segment: null });
        expect(read.count).toBe(pairs.length);
        if (pairs.length > 0) expect(read.mean).toBeCloseTo(mean(pairs), 12);
      }),
      lawRuns(500),
    );
  });

  test('are a function of the set of decisions: no order of the log shows, in no byte', () => {
    fc.assert(
      fc.property(
        decisions.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          for (const rule of [RULE, { ...RULE, mode: 'bandit' as const }]) {
            const [one, other] = [folded(all, rule), folded(shuffled, rule)];
            expect(other.sums.cells()).toEqual(one.sums.cells());
            expect(other.stages).toEqual(one.stages);
          }
        },
      ),
      lawRuns(300),
    );
  });

  test('never change once entered: what is known later is added', () => {
    fc.assert(
      fc.property(decisions, fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }), (all, a, b) => {
        const mature = all.filter(({ label: { kind } }) => kind !== 'immature');
        // What was decided by then, as `unitObservation` asks for it.
        const countAt = (asOfUs: number): number => {
          const fold = new UnitFold(RULE);
          for (const one of mature) if (one.timeUs <= asOfUs) fold.take(one);
          const { sums } = fold.evidence(asOfUs);
          return sums.read({ metric: METRIC, stage: 1, variant: 'candidate', segment: null }).count;
        };
        expect(countAt(Math.max(a, b))).toBeGreaterThanOrEqual(countAt(Math.min(a, b)));
      }),
      lawRuns(200),
    );
  });

  test('are counted: exposed are those that were observed, wait or tell nothing', () => {
    fc.assert(
      fc.property(decisions, (all) => {
        for (const { stage: at, candidate, against, withoutUnit } of folded(all).stages) {
          const own = all.filter((one) => one.stage === at);
          expect(withoutUnit).toBe(own.filter(({ unit }) => !unit).length);
          if (at === 0) continue;
          for (const { exposed, observed, waiting, nothing } of [candidate, against])
            expect(observed + waiting + nothing).toBe(exposed);
          const units = new Set(own.flatMap(({ unit }) => (unit ? [unit] : [])));
          expect(candidate.exposed + against.exposed).toBe(units.size);
        }
      }),
      lawRuns(300),
    );
  });
});

const one = (of: Partial<ObservedDecision>): ObservedDecision => ({
  id: 'd',
  shadowOf: null,
  timeUs: 0,
  stage: 1,
  revision: 1,
  variant: 'candidate',
  unit: 'u1',
  label: { kind: 'label', value: 1, outcomes: 1, afterMaturity: 0 },
  segments: [],
  chance: 0.25,
  ...of,
});

describe('a bandit', () => {
  test('observes a unit per revision, and weighs it by the chance that it had', () => {
    const { sums } = folded([one({ id: 'a' }), one({ id: 'b', revision: 2, variant: 'against', chance: 0.5 })], {
      ...RULE,
      mode: 'bandit',
    });
    const read = (metric: string, variant: string) => sums.read({ metric, stage: 1, variant, segment: null });
    expect(read(METRIC, 'candidate')).toMatchObject({ count: 1, mean: 1 });
    // 1/0.25 and -1/0.5, over two units.
    expect(read(WEIGHTED, DIFFERENCE)).toMatchObject({ count: 2, mean: 1 });
    expect(read(WEIGHTED, 'candidate')).toMatchObject({ count: 2, mean: 2 });
  });
});

describe('novelty', () => {
  test('is told by days since a unit first met its variant, once the day is over', () => {
    const fold = new UnitFold(RULE);
    fold.take(one({ id: 'a', timeUs: DAY_US }));
    fold.take(one({ id: 'b', timeUs: 2 * DAY_US, label: { kind: 'label', value: 5, outcomes: 1, afterMaturity: 0 } }));
    fold.take(one({ id: 'c', timeUs: 3 * DAY_US }));
    fold.take(one({ id: 'd', timeUs: 0, variant: 'against' }));
    const { sums } = fold.evidence(3 * DAY_US);
    const days = sums.cells().filter(({ metric }) => metric === NOVELTY);
    expect(days.map(({ stage: day, variant }) => [day, variant])).toEqual([
      [0, 'against'],
      [0, 'candidate'],
      [1, 'candidate'],
    ]);
    expect(sums.read({ metric: NOVELTY, stage: 1, variant: 'candidate', segment: null }).mean).toBe(5);
  });
});
