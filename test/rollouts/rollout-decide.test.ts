import { describe, expect, test } from 'vitest';
import { installationNames } from '../../engine/installation/installation-names.ts';
import type { Judgement, StageJudgement } from '../../engine/rollouts/judgement.ts';
import type { RolloutCommand, RolloutPlan } from '../../workflows/model-rollout/contract.ts';
import { decideRollout } from '../../workflows/model-rollout/decide.ts';
import { checkRolloutInput } from '../../workflows/model-rollout/input.ts';
import { renderRolloutPage } from '../../workflows/model-rollout/page.ts';
import {
  initialRolloutState,
  type RolloutEvent,
  type RolloutState,
  rolloutTransition,
} from '../../workflows/model-rollout/state.ts';
import { rolloutPhaseOf, rolloutRefusal, rolloutStatusOf } from '../../workflows/model-rollout/status.ts';

const T = 1_000_000_000;
const PLAN: RolloutPlan = {
  rollout: 'late:run',
  candidate: 2,
  against: 1,
  topic: 'millrace.decisions',
  positions: [[0, 0]],
  matureAfterUs: 3 * 86_400_000_000,
  revision: 1,
};
const asked = (of: object = {}) =>
  checkRolloutInput(
    {
      model: 'late',
      decisions: 'd',
      labels: 'late',
      metric: { measure: 'log-loss' },
      stages: [
        { share: 0, minUnits: 100, smallestEffect: 0.01 },
        { share: 0.1, minUnits: 100, smallestEffect: 0.01, minTime: '1h', approve: true },
      ],
      ...of,
    },
    'rollout:late',
    installationNames(),
  );
const after = (events: readonly RolloutEvent[], of: object = {}): RolloutState =>
  events.reduce(rolloutTransition, initialRolloutState(asked(of)));
const opened: RolloutEvent = { type: 'opened', plan: PLAN, atMs: T };
const moved = (atMs = T): RolloutEvent => ({ type: 'moved', stage: 1, share: 0.1, revision: 2, why: 'better', atMs });
const command = (name: RolloutCommand): RolloutEvent => ({ type: 'command', command: name, actor: 'ana' });
const counts = { exposed: 500, observed: 500, waiting: 0, nothing: 0 };
const staged = (stage: number, of: Partial<StageJudgement> = {}): StageJudgement => ({
  stage,
  candidate: counts,
  against: counts,
  candidateMean: 0.4,
  againstMean: 0.5,
  difference: { value: -0.1, low: -0.12, high: -0.08, units: 1000 },
  units: 1000,
  paired: 0,
  unpaired: 0,
  mixed: 0,
  withoutUnit: 0,
  ratioP: 0.4,
  isRatioMismatch: false,
  ...of,
});
const LOST = { candidate: { sent: 900, dropped: 100 }, against: { sent: 1000, dropped: 0 } };
const judged = (of: Partial<Judgement> = {}, stage: Partial<StageJudgement> = {}, at = 0): RolloutEvent => ({
  type: 'judged',
  atMs: T,
  judgement: {
    asOfUs: T * 1000,
    evaluatedAtMs: T,
    tookMs: 5,
    stages: [staged(at, stage)],
    combined: { value: -0.1, low: -0.12, high: -0.08, units: 1000 },
    isBetter: false,
    isWorse: false,
    isNotWorse: false,
    guardrails: [],
    segments: [],
    labels: { decisions: 1000, mature: 900, immature: 100 },
    lacks: null,
    bestChances: null,
    banditShare: null,
    ...of,
  },
});
const failed: RolloutEvent = {
  type: 'failed',
  failure: { code: 'invalid-label', message: 'no number', remedy: 'r', during: 'judging', atMs: T },
};

describe('a rollout decides', () => {
  test.each<[string, readonly RolloutEvent[], object]>([
    ['to open, at first', [], { do: 'open' }],
    ['to judge, once it is open', [opened], { do: 'judge' }],
    [
      'to go on where it is better',
      [opened, judged({ isBetter: true })],
      { do: 'move', stage: 1, share: 0.1, actor: 'evidence' },
    ],
    ['to go on where it is not worse', [opened, judged({ isNotWorse: true })], { do: 'move', stage: 1 }],
    [
      'to stay with fewer units, better or not',
      [opened, judged({ isBetter: true }, { units: 99 })],
      { do: 'stay', as: 'collecting', why: '99 of 100 units' },
    ],
    [
      'to stay while it is neither',
      [opened, judged()],
      { do: 'stay', as: 'collecting', why: expect.stringContaining('either way') },
    ],
    [
      'to stay while nothing is known, and says why',
      [opened, judged({ lacks: 'no label', combined: null }, { units: 0 })],
      { do: 'stay', as: 'collecting', why: 'no label' },
    ],
    [
      'to return everyone where it is worse',
      [opened, judged({ isWorse: true })],
      { do: 'end', how: 'returned', actor: 'evidence', why: expect.stringContaining('worse by evidence: -0.1') },
    ],
    [
      'to stay where units were lost, better or worse',
      [opened, judged({ isBetter: true, isWorse: true }, { isRatioMismatch: true })],
      { do: 'stay', as: 'blocked', why: expect.stringContaining('500 have the candidate') },
    ],
    [
      'to stay where decisions were dropped by variant',
      [opened, judged({ isBetter: true }, { isRatioMismatch: true, losses: LOST })],
      { do: 'stay', as: 'blocked', why: expect.stringContaining('100 beside 900 of the candidate') },
    ],
    [
      'to stay while it is paused',
      [opened, command('pause'), judged({ isBetter: true })],
      { do: 'stay', as: 'paused' },
    ],
    [
      'to go on after the pause',
      [opened, command('pause'), judged({ isBetter: true }), command('resume')],
      { do: 'move' },
    ],
    [
      'to stay until its time is over',
      [opened, moved(T - 600_000), judged({ isBetter: true }, {}, 1)],
      { do: 'stay', as: 'collecting', untilMs: T + 60_000 },
    ],
    [
      'to ask where it is to',
      [opened, moved(T - 3_600_000), judged({ isBetter: true }, {}, 1)],
      { do: 'stay', as: 'approval' },
    ],
    [
      'to promote once it is approved',
      [opened, moved(T - 3_600_000), judged({ isBetter: true }, {}, 1), command('approve')],
      { do: 'end', how: 'promoted', actor: 'ana' },
    ],
    [
      'to return where it is rejected',
      [opened, moved(T - 3_600_000), judged({ isBetter: true }, {}, 1), command('reject')],
      { do: 'end', how: 'returned', actor: 'ana', why: 'rejected by ana' },
    ],
    [
      'to end at once where a person says so',
      [opened, command('finish')],
      { do: 'end', how: 'promoted', why: 'finished by ana' },
    ],
    [
      'to return at once where a person says so, failed or not',
      [opened, failed, command('return')],
      { do: 'end', how: 'returned' },
    ],
    ['to end by the first word', [opened, command('return'), command('finish')], { do: 'end', how: 'returned' }],
    ['nothing while something failed', [opened, failed], { do: 'stay', as: 'failed', why: 'no number' }],
    ['to try again', [opened, failed, command('retry')], { do: 'judge' }],
    [
      'to return where the candidate is gone, over all',
      [opened, command('finish'), { type: 'gone', why: 'rolled back' }],
      { do: 'end', how: 'returned', why: 'rolled back', actor: 'guardrail' },
    ],
  ])('%s', (_, events, expected) => {
    expect(decideRollout(after(events), T)).toMatchObject(expected);
  });

  test('to return on a guardrail on the metric, before all else, naming where and by how much', () => {
    const guardrails = [{ kind: 'metric', segment: 'origin=LAS', limit: 0.02 }];
    const worse = { value: 0.3, low: 0.1, high: 0.5, units: 400 };
    const state = after(
      [opened, command('pause'), judged({ isBetter: true, guardrails: [{ guardrail: 0, worse, isBreached: true }] })],
      { guardrails, segments: ['origin'] },
    );
    expect(decideRollout(state, T)).toEqual({
      do: 'end',
      how: 'returned',
      actor: 'guardrail',
      why: 'guardrail on the metric on origin=LAS: worse than by 0.02: by 0.3, at least 0.1',
    });
  });

  test('in shadow, of labels, by how many units both decided on', () => {
    const of = { metric: { measure: 'label', better: 'higher' } };
    expect(decideRollout(after([opened, judged({}, { units: 100 })], of), T)).toMatchObject({ do: 'move', stage: 1 });
    expect(decideRollout(after([opened, judged({}, { units: 99 })], of), T)).toMatchObject({ do: 'stay' });
  });

  test('of a bandit, new shares each time that is over', () => {
    const of = { mode: 'bandit', stages: [{ share: 0.5, minUnits: 5000 }], every: '10m' };
    const chances = judged({ bestChances: [0.8, 0.2], banditShare: 0.8 });
    const at = (sinceMs: number) =>
      decideRollout(after([{ type: 'opened', plan: PLAN, atMs: T - sinceMs }, chances], of), T);
    expect(at(600_000)).toMatchObject({ do: 'move', stage: 0, share: 0.8, actor: 'bandit' });
    expect(at(599_000)).toMatchObject({ do: 'stay', as: 'collecting' });
  });
});

describe('a rollout says', () => {
  test.each<[string, readonly RolloutEvent[], string, readonly RolloutCommand[]]>([
    ['it begins', [], 'starting', ['pause', 'return']],
    ['what it collects', [opened], 'collecting', ['pause', 'return', 'finish']],
    [
      'that it asks',
      [opened, { type: 'stands', standing: { as: 'approval', why: 'better' } }],
      'approval',
      ['approve', 'reject', 'pause', 'return', 'finish'],
    ],
    ['that it is paused', [opened, command('pause')], 'paused', ['resume', 'return', 'finish']],
    ['that it failed', [opened, failed], 'failed', ['pause', 'retry', 'return', 'finish']],
    ['that it ends', [opened, command('return')], 'ending', []],
    ['that it has ended', [opened, { type: 'ended', how: 'promoted', why: 'better', atMs: T }], 'promoted', []],
  ])('%s, and what it accepts', (_, events, phase, accepts) => {
    const state = after(events);
    expect(rolloutPhaseOf(state)).toBe(phase);
    expect(rolloutStatusOf(state).accepts).toEqual(accepts);
  });

  test('why a command is not taken', () => {
    expect(rolloutRefusal(after([]), 'finish')).toBe('it has not begun: its versions are being looked up');
    expect(rolloutRefusal(after([opened]), 'approve')).toBe('no stage waits for it');
    expect(rolloutRefusal(after([opened]), 'retry')).toBe('nothing has failed');
    expect(rolloutRefusal(after([opened, command('return')]), 'finish')).toBe('it is ending: returned by ana');
  });

  test('on its page stages, intervals, units, how long labels take, what was breached, and what can be sent', () => {
    const worse = { value: 0.3, low: 0.1, high: null, units: 400 };
    const rule = { kind: 'errors', limit: 0.01, segment: 'origin=LAS', action: null, points: [] } as const;
    const breach = {
      rule,
      judgement: { guardrail: 0, worse, isBreached: true },
      stage: 0,
      foundAtMs: T,
      firstDecidedUs: T * 1000,
      lastDecidedUs: null,
    };
    const page = renderRolloutPage(
      after([opened, judged(), { type: 'breached', breach, why: 'errors' }], { units: 'flight' }),
    );
    expect(page).toContain('### rollout of late: ending');
    expect(page).toContain('Candidate: **version 2**, against **version 1**');
    expect(page).toContain(
      '| 1 (now) | shadow | 500 | 500 | 0 | 0.4 | 0.5 | -0.1 (-0.12 to -0.08) | 1,000 of 100 | p = 0.4 |',
    );
    expect(page).toContain('a unit counts **24 hours** (observed) and **3 days** (labels)');
    expect(page).toContain('**Breached**: errors on origin=LAS, in stage 1');
    expect(page).toContain('Worse by: **0.3 (0.1 to open)**, borne is 0.01');
    expect(page).toContain('stage 1, 0 %: started');
    expect(renderRolloutPage(after([opened, judged({ asOfUs: null })]))).toContain(
      'of the outcomes nothing is archived',
    );
    expect(renderRolloutPage(after([opened]))).toContain('- `return`: Return everyone to the champion, and end.');
  });
});
