import { ActivityFailure, ApplicationFailure, RetryState } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { decide, nextRefreshAtMs } from '../../workflows/feature-lifecycle/decide.ts';
import { renderLifecyclePage } from '../../workflows/feature-lifecycle/page.ts';
import { carriedState, initialState, type LifecycleState } from '../../workflows/feature-lifecycle/state.ts';
import { phaseOf, refusal, statusOf } from '../../workflows/feature-lifecycle/status.ts';
import { transition } from '../../workflows/feature-lifecycle/transition.ts';
import { isEngineNews } from '../../workflows/feature-lifecycle/upgrade.ts';
import { engineOf, isOtherRelease, otherReleaseDelayMs } from '../../workflows/other-release.ts';
import {
  after,
  built,
  failure,
  NOW_MS,
  plan,
  published,
  send,
  servedBefore,
  slice,
  streamStarted,
} from './lifecycle-events.ts';

const news = { type: 'engine', semantics: 2, lag: 40 } as const;
const streaming = after([send('promote'), streamStarted, slice()], built());
const idle = { retire: false, build: false, stream: null, proof: null };

describe('a version of earlier semantics', () => {
  it('stands still, shows its lag, and is built anew', () => {
    const upgrading = transition(streaming, news);
    expect(decide(upgrading, NOW_MS)).toEqual({ ...idle, build: true });
    expect(statusOf(upgrading)).toMatchObject({
      phase: 'upgrading',
      lag: 40,
      promoted: true,
      upgrade: { from: null, to: 2 },
      accepts: ['pause', 'retire'],
    });
    expect(statusOf(transition(upgrading, { ...news, lag: 41 })).lag).toBe(41);
    // A worker without Kafka does not know the lag, and takes back nothing.
    expect(statusOf(transition(upgrading, { ...news, lag: null })).lag).toBe(40);
    const page = renderLifecyclePage(upgrading);
    expect(page).toContain('### clicks_1h: upgrading');
    expect(page).toContain('- Semantics: **earlier ones, to be taken over by 2**');
    expect(page).toContain('- Lag: **40**');
  });

  it('is none for an engine that has the same semantics', () => {
    const done = after([news, { ...published, built: { ...published.built, version: 2, semantics: 2 } }], streaming);
    expect(statusOf(done)).toMatchObject({ version: 2, upgrade: null, phase: 'catching-up', lag: null });
    expect(statusOf(transition(done, news)).upgrade).toBeNull();
    expect(decide(done, NOW_MS)).toEqual({ ...idle, stream: { kind: 'stream', version: 2 } });
  });

  it('forgets what was wrong with its stream, and not what is wrong with the build', () => {
    const broken: LifecycleState = { ...streaming, failures: { build: null, stream: failure, proof: failure } };
    expect(statusOf(transition(broken, news))).toMatchObject({ phase: 'upgrading', error: null });
    const unbuilt: LifecycleState = {
      ...streaming,
      failures: { ...broken.failures, build: { ...failure, code: 'disk-full' } },
    };
    expect(statusOf(transition(unbuilt, news))).toMatchObject({ phase: 'failed', error: { code: 'disk-full' } });
    expect(decide(transition(unbuilt, news), NOW_MS)).toEqual(idle);
  });

  it('waits for a person where the log is shorter, and goes on when it is accepted or mended', () => {
    const waiting = after(
      [news, { type: 'build-started' }, { type: 'build-ended', failure: { ...failure, code: 'offsets-gone' } }],
      streaming,
    );
    expect(statusOf(waiting)).toMatchObject({ phase: 'upgrading', error: { code: 'offsets-gone' } });
    expect(decide(waiting, NOW_MS)).toEqual(idle);
    for (const command of ['rebackfill', 'retry'] as const) {
      expect(refusal(waiting, command)).toBeNull();
      expect(decide(transition(waiting, send(command)), NOW_MS)).toEqual({ ...idle, build: true });
    }
  });

  it('is refreshed by the version that takes over from it, and not before', () => {
    const scheduled = transition(built({ refreshMs: 10 }), news);
    expect(nextRefreshAtMs(scheduled)).toBeNull();
    expect(refusal(scheduled, 'refresh')).toMatch(/is being upgraded/);
    expect(refusal(scheduled, 'rebackfill')).toMatch(/running or waiting already/);
  });

  it('is known by what a worker says of it, however the run began', () => {
    const fresh = initialState('clicks_1h', 1);
    const live = { ...servedBefore, semantics: 1 };
    const resolved = (more: object): LifecycleState =>
      after(
        [{ type: 'build-started' }, { type: 'resolved', plan: { ...plan, semantics: 2, former: 'f0', live, ...more } }],
        fresh,
      );
    expect(statusOf(resolved({}))).toMatchObject({ phase: 'upgrading', version: 1, upgrade: { from: 1, to: 2 } });
    expect(resolved({}).wants.build).toBeNull();
    // Of another definition: a first start builds what is defined, as ever.
    expect(resolved({ former: 'f9' }).wants.build).toBe('first');
    // What was flipped meanwhile is not built again.
    const flipped = after(
      [news, { type: 'resolved', plan: { ...plan, semantics: 2, live: { ...servedBefore, semantics: 2 } } }],
      built(),
    );
    expect(statusOf(flipped).upgrade).toBeNull();
  });

  it('is carried over by runs that knew nothing of semantics', () => {
    const { engine: _, standing: __, ...before } = built();
    const carried = carriedState(before as LifecycleState, initialState('clicks_1h', 1));
    expect(phaseOf(carried)).toBe('published');
    expect(phaseOf(transition(carried, news))).toBe('upgrading');
  });
});

describe('an answer of a worker of another release', () => {
  const answer = (type: string, detail: object): ActivityFailure =>
    new ActivityFailure(
      'failed',
      'runStreamSlice',
      '1',
      RetryState.NON_RETRYABLE_FAILURE,
      undefined,
      ApplicationFailure.create({ type, message: 'm', details: [{ remedy: 'r', ...detail }] }),
    );

  it('is told from a definition that changed', () => {
    // Workers of the first release say nothing of their semantics.
    for (const known of [0, 1, 2]) expect(isOtherRelease(answer('definition-changed', {}), known)).toBe(true);
    expect(isOtherRelease(answer('definition-changed', { engine: 2 }), 3)).toBe(true);
    for (const known of [0, 2]) expect(isOtherRelease(answer('definition-changed', { engine: 2 }), known)).toBe(false);
    expect(isOtherRelease(answer('NotFoundError', {}), 2)).toBe(true);
    expect(isOtherRelease(answer('offsets-gone', {}), 2)).toBe(false);
    expect(isOtherRelease(new Error('x'), 2)).toBe(false);
  });

  it('names the semantics of an engine that goes on with nothing of before', () => {
    expect(engineOf(answer('semantics-retired', { engine: 2 }))).toBe(2);
    expect(engineOf(answer('definition-changed', { engine: 2 }))).toBeNull();
    expect(engineOf(new Error('x'))).toBeNull();
  });

  it('is waited for longer and longer, within bounds', () => {
    expect([0, 1, 4, 9, 5_000].map((tries) => otherReleaseDelayMs(tries, 30_000))).toEqual([
      1_000, 2_000, 16_000, 30_000, 30_000,
    ]);
  });

  it('is news only in full', () => {
    expect(isEngineNews({ semantics: 2, lag: null })).toBe(true);
    for (const wrong of [undefined, null, 2, {}, { semantics: '2', lag: 1 }, { semantics: 2 }])
      expect(isEngineNews(wrong)).toBe(false);
  });
});
