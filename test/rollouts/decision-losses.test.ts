import { describe, expect, test } from 'vitest';
import { DecisionLosses } from '../../engine/rollouts/decision-losses.ts';

const row = (log: string | null, dropped: number | null, stage = 1, variant = 'candidate') => ({
  stage,
  variant,
  log_id: log,
  dropped_before: dropped,
});

describe('decisions that applications dropped', () => {
  test('are the greatest count of each log, stage and variant, in any order and however often it is told', () => {
    const losses = new DecisionLosses();
    const told = [
      row('a', 5),
      row('a', 3),
      row('b', 2),
      row('a', 7),
      row('a', 7),
      row('a', 4, 2),
      row('a', 1, 1, 'against'),
    ];
    for (const one of [...told, row(null, null), row('c', 0)]) losses.take(one);
    const there = [row(null, null), row('a', 7), row(null, null, 1, 'against'), row(null, null, 0)];
    expect(losses.of(1, there)).toEqual({ candidate: { sent: 2, dropped: 9 }, against: { sent: 1, dropped: 1 } });
    expect(losses.of(2, there)).toEqual({ candidate: { sent: 0, dropped: 4 }, against: { sent: 0, dropped: 0 } });
  });
});
