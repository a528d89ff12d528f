import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelOf, type LabelRule } from '../../engine/evidence/label-rule.ts';
import { unitObservation } from '../../engine/evidence/unit-observation.ts';
import { lawRuns } from '../laws/law-seed.ts';

const time = fc.integer({ min: 0, max: 30 });
const decision = fc.record({
  timeUs: time,
  // Known when it happened, and at most once: what labels are made of has laws of its own.
  outcome: fc.option(fc.record({ after: fc.integer({ min: 0, max: 30 }), value: fc.integer({ min: -3, max: 3 }) })),
});
const rule = fc.record({
  matureAfterUs: fc.integer({ min: 0, max: 20 }),
  reduce: fc.constant<LabelRule<number>['reduce']>('last'),
  absent: fc.constantFrom<LabelRule<number>['absent']>(0, null, 'leave-out'),
});

type Decision = typeof decision extends fc.Arbitrary<infer Value> ? Value : never;

const observe = (decisions: readonly Decision[], labels: LabelRule<number>, observeUs: number, asOfUs: number) =>
  unitObservation(
    decisions.map(({ timeUs, outcome }) => {
      const at = timeUs + (outcome?.after ?? 0);
      const heard = outcome === null ? [] : [{ id: 'o', timeUs: at, knownAtUs: at, value: outcome.value }];
      return { timeUs, label: labelOf(timeUs, heard, labels, asOfUs) };
    }),
    observeUs,
    asOfUs,
  );

describe('the observation of a unit', () => {
  test('is the mean of the labels of its first time, once all are mature, and stays that', () => {
    let observed = 0;
    fc.assert(
      fc.property(
        fc.array(decision, { minLength: 1, maxLength: 6 }),
        rule,
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 80 }),
        fc.integer({ min: 0, max: 40 }),
        (decisions, labels, observeUs, asOf, later) => {
          // Those made later than `asOf` are not known of.
          const made = decisions.filter(({ timeUs }) => timeUs <= asOf);
          fc.pre(made.length > 0);
          const told = observe(made, labels, observeUs, asOf);
          expect(observe(made.toReversed(), labels, observeUs, asOf)).toEqual(told);
          const first = Math.min(...made.map(({ timeUs }) => timeUs));
          const own = made.filter(({ timeUs }) => timeUs - first <= observeUs);
          const isOver = first + observeUs <= asOf && own.every(({ timeUs }) => timeUs + labels.matureAfterUs <= asOf);
          if (!isOver) {
            expect(told).toEqual({ kind: 'waiting' });
            return;
          }
          const values = own.flatMap(({ outcome }) => {
            if (outcome !== null && outcome.after <= labels.matureAfterUs) return [outcome.value];
            return labels.absent === 0 ? [0] : [];
          });
          const sum = values.reduce((total, value) => total + value, 0);
          expect(told).toEqual(
            values.length === 0
              ? { kind: 'nothing' }
              : { kind: 'observed', value: sum / values.length + 0, decisions: values.length },
          );
          observed++;
          // Whatever is decided later.
          expect(observe(decisions, labels, observeUs, asOf + later)).toEqual(told);
        },
      ),
      lawRuns(1000),
    );
    expect(observed).toBeGreaterThan(100);
  });
});
