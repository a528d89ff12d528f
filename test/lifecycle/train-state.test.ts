/** A training's input and its minimum, without Temporal. */
import { describe, expect, it } from 'vitest';
import { checkTrainInput, idKind } from '../../workflows/train-model/input.ts';
import { judge } from '../../workflows/train-model/minimum.ts';
import { renderTraining } from '../../workflows/train-model/page.ts';
import {
  initialTrainState,
  trainPhaseOf,
  trainRefusal,
  trainStatusOf,
  trainTransition,
} from '../../workflows/train-model/state.ts';

const START_MS = Date.UTC(2026, 5, 2, 12);
const LEAST = { model: 'late', service: 'delay_model', spine: 'labels.parquet', command: ['python', 'train.py'] };
const OF_LABELS = { model: 'late', service: 'delay_model', labels: 'late', from: '-90d', to: 'now', command: 'make' };
const checked = (more: object = {}, base: object = LEAST) => checkTrainInput({ ...base, ...more }, START_MS);
const refused = (more: object, base: object = LEAST): string => {
  try {
    checked(more, base);
  } catch (error) {
    expect(error).toMatchObject({ type: 'invalid-input', nonRetryable: true });
    return (error as Error).message;
  }
  throw new Error('it was taken');
};

describe('the input of a training', () => {
  it('has what is left out', () => {
    expect(checked()).toEqual({
      model: 'late',
      service: 'delay_model',
      rows: { spine: 'labels.parquet' },
      command: ['python', 'train.py'],
      workdir: '.',
      environment: {},
      timeoutMs: 21_600_000,
      silenceMs: 600_000,
      memoryMb: null,
      evaluate: {},
      minimum: null,
      approve: 'never',
      as: 'challenger',
      rollout: null,
    });
  });

  it('counts relative times from the start of the run', () => {
    expect(checked({}, OF_LABELS).rows).toEqual({
      labels: 'late',
      from: '2026-03-04T12:00:00.000Z',
      to: '2026-06-02T12:00:00.000Z',
    });
    expect(checked({ from: '-36h', to: '2026-06-01' }, OF_LABELS).rows).toMatchObject({
      from: '2026-06-01T00:00:00.000Z',
      to: '2026-06-01',
    });
    expect(refused({ from: '-3y' }, OF_LABELS)).toMatch(/"from" must be a duration as "90m"/);
  });

  it('asks a person before a champion is published and before a rollout, where nothing else is said', () => {
    expect(checked({ as: 'champion' }).approve).toBe('before-publish');
    expect(checked({ rollout: { units: 'user' } }).approve).toBe('before-rollout');
    expect(checked({ rollout: {}, approve: 'never' }).approve).toBe('never');
    expect(refused({ approve: 'before-rollout' })).toMatch(/needs "rollout"/);
  });

  it.each([
    [{ model: '' }, /"model" must be a non-empty string/],
    [{ sevice: 'x' }, /unknown field "sevice"/],
    [{ spine: undefined }, /give one of "labels", "spine", "entities", "entitiesOf": .* received none/],
    [{ labels: 'late' }, /received "labels" and "spine"/],
    [{ from: '-1d' }, /"from" does not go with "spine"/],
    [{ every: '1d' }, /"every" belongs to "entities"/],
    [{ spine: undefined, labels: 'late', to: 'now' }, /"labels" needs "from"/],
    [{ spine: undefined, entitiesOf: 'v', from: '-1d', to: 'now' }, /"entitiesOf" needs "every"/],
    [{ decidedBy: 'late' }, /"decidedBy" belongs to "labels"/],
    [{ mode: 'decided' }, /"mode": "decided" belongs to "labels"/],
    [
      { spine: undefined, labels: 'late', from: '-1d', to: 'now', timeAt: 'end' },
      /"timeAt" does not belong to "labels"/,
    ],
    [{ command: [] }, /"command" must be a list of a program and its arguments/],
    [{ command: ['python', 3] }, /"command" must be/],
    [{ command: ' ' }, /"command" must be/],
    [{ environment: { SEED: 7 } }, /"environment" has texts alone, received 7 for SEED/],
    [{ environment: ['SEED'] }, /"environment" must be an object/],
    [{ timeout: '6 hours' }, /"timeout" must be a duration/],
    [{ timeout: '8d' }, /"timeout" must be at most 7d/],
    [{ silence: '0m' }, /"silence" must be a duration/],
    [{ memoryMb: 1 }, /"memoryMb" must be a whole number of at least 16/],
    [{ split: 1 }, /"split" must be a number above 0 and below 1/],
    [{ mode: 'as-seen' }, /"mode" must be "event-time" or "as-served" or "decided"/],
    [{ approve: 'maybe' }, /"approve" must be "before-publish" or "before-rollout" or "never"/],
    [{ as: 'winner' }, /"as" must be/],
    [{ rollout: { candidate: 3 } }, /"rollout.candidate" is what is trained here/],
    [{ evaluate: { segments: ['day'] } }, /"evaluate" belongs to "labels"/],
    [{ minimum: { measure: 'auc', of: 'evaluation', atLeast: 0.7 } }, /"minimum.of": "evaluation" belongs to "labels"/],
    [{ minimum: { measure: 'auc' } }, /must have "atLeast", "atMost" or "betterThan"/],
    [{ minimum: { measure: 'auc', atLeast: '0.7' } }, /"minimum.atLeast" must be a number/],
    [{ minimum: { measure: 'auc', least: 1 } }, /"minimum" has the unknown field "least"/],
    [{ minimum: { measure: 'joy', betterThan: 'champion' } }, /"minimum.better" must say/],
  ])('is refused: %j', (more, message) => {
    expect(refused(more)).toMatch(message);
  });

  it('goes with one id, or with those of a schedule', () => {
    expect(idKind('late', 'train:late', 'train:late')).toBe('own');
    expect(idKind('late', 'train:late:scheduled-2026-06-02T12:00:00Z', 'train:late')).toBe('scheduled');
    for (const id of ['train:later', 'mine', 'train:late:other'])
      expect(() => idKind('late', id, 'train:late')).toThrow(/must have the workflow id/);
  });
});

describe('a minimum', () => {
  const metrics = { logLoss: 0.4, logLossBase: 0.5, auc: 0.7, note: 'x' };
  const champion = { version: 3, metrics: { logLoss: 0.3, auc: 0.6 } };
  it.each([
    [{ measure: 'auc', atLeast: 0.7 }, true, 'auc is 0.7, at least 0.7'],
    [{ measure: 'auc', atLeast: 0.71 }, false, 'auc is 0.7, not at least 0.71'],
    [
      { measure: 'logLoss', atMost: 0.4, betterThan: 'base-rate' },
      true,
      'logLoss is 0.4, at most 0.4, better than that of the base rate, 0.5',
    ],
    [
      { measure: 'auc', betterThan: 'base-rate' },
      false,
      'auc is 0.7, and the command told no number "aucBase" to compare it with',
    ],
    [
      { measure: 'logLoss', betterThan: 'champion' },
      false,
      'logLoss is 0.4, not better than that of the champion, version 3, 0.3',
    ],
    [{ measure: 'auc', betterThan: 'champion' }, true, 'auc is 0.7, better than that of the champion, version 3, 0.6'],
    [
      { measure: 'auc', betterThan: 'champion', better: 'lower' },
      false,
      'auc is 0.7, not better than that of the champion, version 3, 0.6',
    ],
    [
      { measure: 'logLossBase', betterThan: 'champion' },
      true,
      'logLossBase is 0.5, and that of the champion, version 3, is not known',
    ],
    [{ measure: 'note', atLeast: 0 }, false, 'the command told no number "note" among its metrics'],
    [{ measure: 'toString', atLeast: 0 }, false, 'the command told no number "toString" among its metrics'],
  ] as const)('%j', (minimum, isMet, why) => {
    expect(judge(minimum, { metrics, champion })).toEqual({ isMet, why });
  });

  it('is met where there is no champion yet, and not where nothing was told', () => {
    const minimum = { measure: 'auc', betterThan: 'champion' } as const;
    expect(judge(minimum, { metrics, champion: null })).toEqual({
      isMet: true,
      why: 'auc is 0.7, and there is no champion to compare it with',
    });
    expect(judge(minimum, { metrics: null, champion }).isMet).toBe(false);
    expect(judge({ ...minimum, of: 'evaluation' }, { metrics: null, champion }).why).toBe(
      'the evaluation told no number "auc" among its metrics',
    );
  });
});

describe('the state of a training', () => {
  it('takes one answer at a gate, and none elsewhere', () => {
    const state = initialTrainState(checked(), 'run-1', 0);
    expect(trainRefusal(state, 'approve')).toMatch(/nothing .* waits for approval/);
    const waits = trainTransition(state, { type: 'gate-reached', gate: 'publish' });
    expect(trainStatusOf(waits)).toMatchObject({ phase: 'awaiting-publish', accepts: ['approve', 'reject'] });
    expect(renderTraining(waits)).toContain('- Update `approve`: Go on with what waits for approval');
    const said = trainTransition(waits, { type: 'command', command: 'approve' });
    expect(trainRefusal(said, 'reject')).toBe('it was said before: otherwise');
    const ended = trainTransition(said, { type: 'ended', outcome: 'published', failure: null });
    expect(trainPhaseOf(ended)).toBe('published');
    expect(trainRefusal(ended, 'approve')).toMatch(/has ended/);
  });

  it('shows what the command said, and cannot be broken out of', () => {
    const state = initialTrainState(checked(), 'run-1', 0);
    const trained = trainTransition(state, {
      type: 'step-ended',
      atMs: 1_500,
      found: {
        command: {
          modelBytes: 1_234,
          hasMetrics: false,
          hasScores: false,
          codeSha256: 'abcdef0123456789',
          seconds: 1.5,
          lines: 2_000,
          tail: ['```', 'epoch 9'],
        },
      },
    });
    const page = renderTraining(trained);
    expect(page).toContain("The last of 2,000 lines:\n\n```\n'''\nepoch 9\n```");
    expect(page).toContain('| model | 1,234 bytes |');
    expect(page).toContain('| check | 1.5 |');
  });
});
