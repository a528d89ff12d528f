import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { checkRolloutInput } from '../../workflows/model-rollout/input.ts';

const LEAST = { model: 'late', decisions: 'delay_decisions', labels: 'late', metric: { measure: 'log-loss' } };
const check = (input: unknown, id = 'rollout:late') => checkRolloutInput(input, id, installationNames());
const fault = (input: unknown, id?: string): { type: string; message: string } => {
  try {
    check(input, id);
  } catch (error) {
    if (error instanceof ApplicationFailure) return { type: error.type!, message: error.message };
    throw error;
  }
  throw new Error('it was taken');
};

describe('the start form of a rollout', () => {
  test('needs little: the rest has defaults', () => {
    expect(check(LEAST)).toEqual({
      model: 'late',
      candidate: 'challenger',
      against: 'champion',
      decisions: 'delay_decisions',
      labels: 'late',
      units: 'unit',
      rule: {
        metric: { measure: 'log-loss', better: 'lower' },
        stages: [0, 0.05, 0.5].map((share) => ({
          share,
          minUnits: 1000,
          minTimeMs: 0,
          smallestEffect: null,
          approve: false,
        })),
        guardrails: [
          { kind: 'errors', limit: 0.01, segment: null, action: null, points: [] },
          { kind: 'coverage', limit: 0.05, segment: null, action: null, points: [] },
        ],
        segments: [],
        observeUs: 86_400_000_000,
        alpha: 0.05,
        mode: 'stages',
        floor: 0.05,
      },
      everyMs: 600_000,
      options: { evaluateSeconds: 60, maxHistoryEvents: null },
    });
  });

  test('takes all there is', () => {
    const asked = check({
      ...LEAST,
      candidate: 3,
      against: 2,
      units: 'flight',
      metric: { measure: 'label', better: 'higher' },
      stages: [{ share: 0.1, minUnits: 50, minTime: '1h', smallestEffect: 0.01, approve: true }],
      guardrails: [
        { kind: 'latency', limit: 20 },
        { kind: 'metric', segment: 'origin=LAS' },
        { kind: 'action-share', action: 'hold' },
        { kind: 'score-shift', points: [0.5] },
      ],
      segments: ['origin', 'origin'],
      observe: '0s',
      mode: 'bandit',
      every: '5m',
      floor: 0.1,
      options: { evaluateSeconds: 5 },
    });
    expect(asked).toMatchObject({
      candidate: 3,
      against: 2,
      everyMs: 300_000,
      options: { evaluateSeconds: 5 },
    });
    expect(asked.rule).toMatchObject({
      floor: 0.1,
      observeUs: 0,
      segments: ['origin'],
      stages: [{ share: 0.1, minUnits: 50, minTimeMs: 3_600_000, smallestEffect: 0.01, approve: true }],
      guardrails: [
        { limit: 20 },
        { limit: 0, segment: 'origin=LAS' },
        { action: 'hold' },
        { points: [0.5], limit: 0.2 },
      ],
    });
  });

  test.each<[string, object, RegExp]>([
    ['an unknown field', { stage: [] }, /unknown field "stage"; known: model, candidate/],
    ['no label set', { labels: '' }, /"labels" must be a non-empty string/],
    ['no metric', { metric: 'log-loss' }, /"metric" must be an object/],
    ['an unknown measure', { metric: { measure: 'auc' } }, /"metric.measure" must be one of "label", "score"/],
    [
      'no direction',
      { metric: { measure: 'label' } },
      /"metric.better" must be one of "higher", "lower", received nothing/,
    ],
    ['a version of no number', { candidate: 'v2' }, /"candidate" must be the number of a version, or "challenger"/],
    ['version 0', { against: 0 }, /"against" must be the number of a version, or "champion"/],
    ['no stage', { stages: [] }, /"stages" must have 1 to 20/],
    ['a stage without a share', { stages: [{}] }, /"stages\[0\].share" must be a number from 0 to 1, received nothing/],
    ['a share of 2', { stages: [{ share: 2 }] }, /"stages\[0\].share" must be a number from 0 to 1/],
    ['a share of all', { stages: [{ share: 1 }] }, /expected shares below 1/],
    ['shares that shrink', { stages: [{ share: 0.5 }, { share: 0.1 }] }, /must not shrink.*received 0.5, 0.1/],
    [
      'a sample of one',
      { stages: [{ share: 0, minUnits: 1 }] },
      /"stages\[0\].minUnits" must be a whole number of at least 2/,
    ],
    ['a time of no unit', { stages: [{ share: 0, minTime: 3 }] }, /"stages\[0\].minTime" must be a length of time/],
    [
      'labels in shadow alone',
      { metric: { measure: 'label', better: 'lower' }, stages: [{ share: 0 }] },
      /"label" tells nothing in shadow/,
    ],
    ['a bandit with a shadow', { mode: 'bandit', stages: [{ share: 0 }] }, /a bandit has no shadow/],
    ['a floor without a bandit', { floor: 0.1 }, /"floor" is of a bandit/],
    ['a floor of most', { mode: 'bandit', floor: 0.6 }, /"floor" must leave room/],
    ['an unknown guardrail', { guardrails: [{ kind: 'speed' }] }, /"guardrails\[0\].kind" must be one of "latency"/],
    [
      'a latency without a limit',
      { guardrails: [{ kind: 'latency' }] },
      /"guardrails\[0\].limit" must be a number of at least 0/,
    ],
    [
      'a segment of no field',
      { guardrails: [{ kind: 'errors', segment: 'origin=LAS' }] },
      /of a field in "segments" \(none\)/,
    ],
    ['an action of no share', { guardrails: [{ kind: 'errors', action: 'hold' }] }, /is of the kind "action-share"/],
    ['no action of a share', { guardrails: [{ kind: 'action-share' }] }, /"action" must be a non-empty string/],
    ['points that fall', { guardrails: [{ kind: 'score-shift', points: [0.5, 0.1] }] }, /ascending numbers/],
    ['points of another', { guardrails: [{ kind: 'errors', points: [0.5] }] }, /is of the kind "score-shift"/],
    ['an alpha of 1', { alpha: 1 }, /"alpha" must be a number above 0 and below 1/],
    ['an unknown option', { options: { seconds: 5 } }, /unknown option "seconds"/],
  ])('refuses %s, and says what is expected', (_, of, expected) => {
    const { type, message } = fault({ ...LEAST, ...of });
    expect(type).toBe('invalid-input');
    expect(message).toMatch(expected);
  });

  test('refuses another id than the one that a model has', () => {
    expect(fault(LEAST, 'my-rollout')).toMatchObject({
      type: 'workflow-id-mismatch',
      message: expect.stringContaining('"rollout:late"') as string,
    });
    expect(fault([]).message).toContain('expected one JSON object like {"model":"late"');
  });
});
