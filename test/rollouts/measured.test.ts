import { expect, test } from 'vitest';
import type { Label, LabelValue } from '../../engine/evidence/label-rule.ts';
import { measured } from '../../engine/rollouts/measured.ts';
import type { RolloutMeasure } from '../../engine/rollouts/rollout-rule.ts';

const came = (value: LabelValue | null): Label<LabelValue> => ({ kind: 'label', value, outcomes: 1, afterMaturity: 0 });

test.each<[RolloutMeasure, number | null, LabelValue | null, number | null]>([
  ['label', null, 7, 7],
  ['label', null, true, 1],
  ['label', null, false, 0],
  ['label', 0.5, 'late', null],
  ['brier', 0.8, true, 0.04],
  ['brier', null, true, null],
  ['absolute-error', 3, 5, 2],
  ['log-loss', 0.5, 1, Math.log(2)],
  ['log-loss', 0.25, 0, -Math.log(0.75)],
  ['log-loss', 0, 1, -Math.log(1e-15)],
  ['log-loss', 1.5, 1, null],
  ['log-loss', 0.5, 2, null],
  ['score', 0.3, null, 0.3],
  ['score', null, 1, null],
])('%s of score %s and label %s is %s', (measure, score, label, expected) => {
  const told = measured(measure, score, came(label));
  if (told.kind !== 'label') throw new Error(told.kind);
  if (expected === null || told.value === null) expect(told.value).toBe(expected);
  else expect(told.value).toBeCloseTo(expected, 12);
});

test('what may still change is not told, but for a score', () => {
  expect(measured('brier', 0.4, { kind: 'immature' })).toEqual({ kind: 'immature' });
  expect(measured('score', 0.4, { kind: 'immature' })).toMatchObject({ kind: 'label', value: 0.4 });
  expect(measured('label', 0.4, { kind: 'left-out', afterMaturity: 0 })).toMatchObject({ kind: 'left-out' });
});
