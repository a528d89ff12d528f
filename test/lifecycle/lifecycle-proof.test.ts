import { describe, expect, it } from 'vitest';
import { carriedState, initialState, type LifecycleState } from '../../workflows/feature-lifecycle/state.ts';
import { decide } from '../../workflows/feature-lifecycle/decide.ts';
import type { LifecycleEvent } from '../../workflows/feature-lifecycle/transition.ts';
import { phaseOf, refusal, statusOf } from '../../workflows/feature-lifecycle/status.ts';
import {
  after,
  built,
  failure,
  NOW_MS,
  proven,
  published,
  report,
  send,
  slice,
  streamStarted,
} from './lifecycle-events.ts';

describe('the proof of a promotion', () => {
  const ready = { ...built(), proofEntities: 100 };
  const caughtUp = after([send('promote'), streamStarted, slice()], ready);
  const proving = after([{ type: 'proof-started', version: 1 }], caughtUp);
  const differs = proven({ verdict: 'broken', cellsDiffering: 3 });

  it('is made once the stream has caught up, beside it, and comes before streaming', () => {
    expect(decide(after([send('promote'), streamStarted, slice({ lag: 11 })], ready), NOW_MS).proof).toBeNull();
    expect(phaseOf(caughtUp)).toBe('proving');
    expect(decide(caughtUp, NOW_MS)).toMatchObject({ stream: { kind: 'stream', version: 1 }, proof: 1 });
    const streaming = after([proven()], proving);
    expect(phaseOf(streaming)).toBe('streaming');
    expect(decide(streaming, NOW_MS).proof).toBeNull();
    expect(statusOf(streaming)).toMatchObject({
      proof: { cellsCompared: 8, auditId: 1 },
      parity: { verdict: 'equal' },
    });
  });

  it('goes on to its end though the lag has grown meanwhile', () => {
    const behind = after([slice({ lag: 5_000 })], proving);
    expect(phaseOf(behind)).toBe('catching-up');
    expect(decide(behind, NOW_MS).proof).toBe(1);
    expect(phaseOf(after([proven(), slice()], behind))).toBe('streaming');
  });

  it('is not made again after a pause, and is made for every new version', () => {
    const streaming = after([proven()], proving);
    const resumed = after(
      [
        send('pause'),
        { type: 'stream-ended', version: 1, failure: null, completed: false },
        send('resume'),
        streamStarted,
        slice(),
      ],
      streaming,
    );
    expect(phaseOf(resumed)).toBe('streaming');
    const second: LifecycleEvent = { ...published, built: { version: 2, rows: 1, entities: 1, counts: {} } };
    const flipped = after([second], streaming);
    expect(statusOf(flipped)).toMatchObject({ proof: null, parity: null });
    const caughtUpAgain = after([{ ...streamStarted, version: 2 }, slice({}, 0, 2)], { ...flipped, stream: null });
    expect(decide(caughtUpAgain, NOW_MS).proof).toBe(2);
    // The late word of the version before says nothing of this one.
    expect(after([proven()], caughtUpAgain).proof).toBeNull();
  });

  it('is given up with a pause, and begun anew', () => {
    const paused = after([send('pause')], proving);
    expect(decide(paused, NOW_MS).proof).toBeNull();
    const ended = after(
      [
        { type: 'proof-ended', version: 1, proof: null, report: null, failure: null },
        { type: 'stream-ended', version: 1, failure: null, completed: false },
        send('resume'),
        streamStarted,
        slice(),
      ],
      paused,
    );
    expect(decide(ended, NOW_MS).proof).toBe(1);
  });

  it('that finds a difference is no streaming: the stream is fenced first, and a person decides', () => {
    const broken = after([differs], proving);
    expect(phaseOf(broken)).toBe('proving');
    expect(decide(broken, NOW_MS)).toEqual({ retire: false, build: false, stream: null, proof: null });
    const fenced = after(
      [slice({ ended: 'aborted' }), { type: 'stream-ended', version: 1, failure: null, completed: false }],
      broken,
    );
    expect(phaseOf(fenced)).toBe('failed');
    expect(statusOf(fenced)).toMatchObject({
      version: 1,
      error: { code: 'parity-broken', during: 'proof' },
      proof: { verdict: 'broken', cellsDiffering: 3 },
      parity: { verdict: 'broken' },
      accepts: ['pause', 'rebackfill', 'retry', 'retire'],
    });
    expect(refusal(fenced, 'promote')).toContain('parity-broken');
    const retried = after([send('retry')], fenced);
    expect(phaseOf(retried)).toBe('catching-up');
    const again = after([streamStarted, slice()], retried);
    expect(decide(again, NOW_MS).proof).toBe(1);
    const healed = after([{ type: 'proof-started', version: 1 }, proven()], again);
    expect(phaseOf(healed)).toBe('streaming');
    expect(healed.parity?.verdict).toBe('equal');
  });

  it('that cannot be made for good is said, and keeps nobody from streaming', () => {
    const state = after([proven({ verdict: 'unproven', auditId: null, reason: 'log-hole: gone' })], proving);
    expect(phaseOf(state)).toBe('streaming');
    expect(statusOf(state)).toMatchObject({ notice: 'Not proven: log-hole: gone', parity: null });
  });

  it('that failed waits for a retry, while the stream goes on', () => {
    const failed = after([{ type: 'proof-ended', version: 1, proof: null, report: null, failure }], proving);
    expect(phaseOf(failed)).toBe('failed');
    expect(decide(failed, NOW_MS)).toMatchObject({ stream: { kind: 'stream', version: 1 }, proof: null });
    const retried = after([send('retry')], failed);
    expect(phaseOf(retried)).toBe('proving');
    expect(decide(retried, NOW_MS).proof).toBe(1);
  });

  it('is switched off by its option, which is said', () => {
    const state = after([send('promote'), streamStarted, slice()], built());
    expect(phaseOf(state)).toBe('streaming');
    expect(state.notice).toContain('"proofEntities" is 0');
  });
});

describe('parity', () => {
  const broken = after([{ type: 'parity', report: report({ verdict: 'broken', cellsDiffering: 1 }) }], built());

  it('is told by audits of the version that is served, of which something was compared', () => {
    expect(broken.parity).toMatchObject({ verdict: 'broken', cellsDiffering: 1 });
    for (const other of [report({ version: 2 }), report({ verdict: 'nothing-compared' })])
      expect(after([{ type: 'parity', report: other }], broken)).toEqual(broken);
    expect(phaseOf(broken)).toBe('published');
  });

  it('is healed by an audit of the same bounds, not by a smaller one, and forgotten with its version', () => {
    const equal = (bounds: { reads: number; entities: number }): LifecycleState =>
      after([{ type: 'parity', report: report({ bounds }) }], broken);
    expect(equal({ reads: 100, entities: 99 }).parity?.verdict).toBe('broken');
    expect(equal({ reads: 0, entities: 100 }).parity?.verdict).toBe('broken');
    expect(equal({ reads: 100, entities: 100 }).parity?.verdict).toBe('equal');
    expect(
      after([{ ...published, built: { version: 2, rows: 1, entities: 1, counts: {} } }], broken).parity,
    ).toBeNull();
  });
});

describe('a state that an earlier run of older code handed on', () => {
  it('gets what it lacks', () => {
    const { proof: _, parity: __, proving: ___, proofEntities: ____, failures, ...old } = built();
    const carried = { ...old, failures: { build: failures.build, stream: failures.stream } } as LifecycleState;
    expect(carriedState(carried, initialState('clicks_1h', 1, 50))).toEqual({ ...built(), proofEntities: 50 });
  });
});
