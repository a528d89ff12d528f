import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../workflows/feature-lifecycle/contract.ts';
import { decide, nextRefreshAtMs } from '../../workflows/feature-lifecycle/decide.ts';
import { initialState } from '../../workflows/feature-lifecycle/state.ts';
import type { LifecycleEvent } from '../../workflows/feature-lifecycle/transition.ts';
import { awaitsAcceptance, upgradeOf } from '../../workflows/feature-lifecycle/upgrade.ts';
import { renderLifecyclePage } from '../../workflows/feature-lifecycle/page.ts';
import { phaseOf, refusal, statusOf } from '../../workflows/feature-lifecycle/status.ts';
import {
  after,
  backfilled,
  built,
  failure,
  NOW_MS,
  plan,
  proven,
  published,
  report,
  send,
  servedBefore,
  slice,
  streamStarted,
} from './lifecycle-events.ts';

describe('the life of a view', () => {
  it('goes from validating to backfilling to published', () => {
    const fresh = initialState('clicks_1h', 1);
    expect(phaseOf(fresh)).toBe('validating');
    expect(decide(fresh, NOW_MS)).toEqual({ retire: false, build: true, stream: null, proof: null });
    const resolved = after([{ type: 'build-started' }, { type: 'resolved', plan }], fresh);
    expect(phaseOf(resolved)).toBe('backfilling');
    expect(phaseOf(built())).toBe('published');
    expect(decide(built(), NOW_MS)).toEqual({ retire: false, build: false, stream: null, proof: null });
  });

  it('streams only once the lag is small, and falls back when it has grown', () => {
    const promoted = after([send('promote'), streamStarted], built());
    expect(phaseOf(promoted)).toBe('catching-up');
    expect(phaseOf(after([slice({ lag: 11 })], promoted))).toBe('catching-up');
    const streaming = after([slice({ lag: 10 })], promoted);
    expect(phaseOf(streaming)).toBe('streaming');
    expect(phaseOf(after([slice({ lag: 5_000 })], streaming))).toBe('catching-up');
  });

  it('is streaming only when every shard is', () => {
    const promoted = after([send('promote'), streamStarted], { ...built(), shards: 2 });
    const first = after([slice()], promoted);
    expect(phaseOf(first)).toBe('catching-up');
    expect(phaseOf(after([slice()], first))).toBe('catching-up');
    const second: LifecycleEvent = {
      type: 'slice-ended',
      version: 1,
      shard: 1,
      slice: { ended: 'present-end', records: 0, lag: 0, watermarkUs: null },
      isCaughtUp: true,
    };
    expect(phaseOf(after([second], first))).toBe('streaming');
  });

  it('may be promoted before anything is published', () => {
    const early = after([send('promote'), { type: 'build-started' }, { type: 'resolved', plan }]);
    expect(decide(early, NOW_MS)).toEqual({ retire: false, build: true, stream: null, proof: null });
    const later = after([published, { type: 'build-ended', failure: null }], early);
    expect(decide(later, NOW_MS).stream).toEqual({ kind: 'stream', version: 1 });
  });

  it('takes over a version that the same definition built, and builds aside otherwise', () => {
    const live = { version: 4, fingerprint: 'f1', rows: 1, entities: 1, publishedAtMs: 5 };
    const adopted = after([
      { type: 'build-started' },
      { type: 'resolved', plan: { ...plan, live, generation: 9 } },
      { type: 'build-ended', failure: null },
    ]);
    expect(phaseOf(adopted)).toBe('published');
    expect(adopted.generation).toBe(9);
    expect(adopted.live).toEqual(live);
    const other = after([
      { type: 'build-started' },
      { type: 'resolved', plan: { ...plan, live: { ...live, fingerprint: 'f0' } } },
    ]);
    expect(phaseOf(other)).toBe('backfilling');
    expect(other.live?.version).toBe(4);
  });

  it('drops a promotion that has no topic, and says so', () => {
    const state = after([
      send('promote'),
      { type: 'build-started' },
      { type: 'resolved', plan: { ...plan, topic: null } },
    ]);
    expect(state.wants.streaming).toBe(false);
    expect(state.notice).toContain('no topic');
    expect(refusal(state, 'promote')).toContain('no topic');
  });
});

describe('pausing', () => {
  it('says pausing until nothing runs, then paused; resuming catches up first', () => {
    const streaming = after([send('promote'), streamStarted, slice()], built());
    const pausing = after([send('pause')], streaming);
    expect(phaseOf(pausing)).toBe('pausing');
    expect(decide(pausing, NOW_MS)).toEqual({ retire: false, build: false, stream: null, proof: null });
    const paused = after([{ type: 'stream-ended', version: 1, failure: null, completed: false }], pausing);
    expect(phaseOf(paused)).toBe('paused');
    const resumed = after([send('resume')], paused);
    expect(phaseOf(resumed)).toBe('catching-up');
    expect(decide(resumed, NOW_MS).stream).toEqual({ kind: 'stream', version: 1 });
  });

  it('gives a backfill up, and starts it over on resume', () => {
    const pausing = after([{ type: 'build-started' }, { type: 'resolved', plan }, send('pause')]);
    expect(decide(pausing, NOW_MS).build).toBe(false);
    const paused = after([{ type: 'build-ended', failure: null }], pausing);
    expect(phaseOf(paused)).toBe('paused');
    expect(decide(after([send('resume')], paused), NOW_MS).build).toBe(true);
  });
});

describe('failures', () => {
  const broken = after(
    [send('promote'), streamStarted, { type: 'stream-ended', version: 1, failure, completed: false }],
    built(),
  );

  it('wait for a person, who is told what can be done', () => {
    expect(phaseOf(broken)).toBe('failed');
    expect(decide(broken, NOW_MS)).toEqual({ retire: false, build: false, stream: null, proof: null });
    expect(refusal(broken, 'promote')).toContain('rebackfill');
    expect(statusOf(broken).accepts).toEqual(['pause', 'rebackfill', 'retry', 'retire']);
    expect(statusOf(broken).version).toBe(1);
  });

  it('are tried again after retry', () => {
    const retried = after([send('retry')], broken);
    expect(phaseOf(retried)).toBe('catching-up');
    expect(decide(retried, NOW_MS).stream).toEqual({ kind: 'stream', version: 1 });
  });

  it('of a stream stay until the version that rebackfill builds is served; then the stream goes on', () => {
    const rebuilding = after(
      [send('rebackfill'), { type: 'build-started' }, { type: 'resolved', plan: { ...plan, fingerprint: 'f2' } }],
      broken,
    );
    expect(phaseOf(rebuilding)).toBe('backfilling');
    expect(decide(rebuilding, NOW_MS)).toEqual({ retire: false, build: true, stream: null, proof: null });
    const flipped = after(
      [
        { ...published, built: { version: 2, rows: 1, entities: 1, counts: {} }, fingerprint: 'f2' },
        { type: 'build-ended', failure: null },
      ],
      rebuilding,
    );
    expect(decide(flipped, NOW_MS).stream).toEqual({ kind: 'stream', version: 2 });
  });

  it('of a rebackfill do not stop the stream of the version that is served', () => {
    const state = after(
      [
        send('promote'),
        streamStarted,
        slice(),
        send('rebackfill'),
        { type: 'build-started' },
        { type: 'build-ended', failure },
      ],
      built(),
    );
    expect(phaseOf(state)).toBe('failed');
    expect(decide(state, NOW_MS)).toMatchObject({ build: false, stream: { kind: 'stream', version: 1 } });
  });
});

describe('refreshing', () => {
  it('runs once by hand', () => {
    const asked = after([send('refresh')], built());
    expect(decide(asked, NOW_MS).stream).toEqual({ kind: 'refresh', version: 1 });
    const running = after([{ type: 'stream-started', kind: 'refresh', version: 1, atMs: NOW_MS }], asked);
    expect(phaseOf(running)).toBe('refreshing');
    const done = after([slice(), { type: 'stream-ended', version: 1, failure: null, completed: true }], running);
    expect(phaseOf(done)).toBe('published');
    expect(decide(done, NOW_MS).stream).toBeNull();
  });

  it('runs on schedule while published, not while streaming or paused, and runs to its end', () => {
    const scheduled = built({ refreshMs: 1000 });
    expect(nextRefreshAtMs(scheduled)).toBe(NOW_MS + 1000);
    expect(decide(scheduled, NOW_MS + 999).stream).toBeNull();
    expect(decide(scheduled, NOW_MS + 1000).stream).toEqual({ kind: 'refresh', version: 1 });
    const running = after([{ type: 'stream-started', kind: 'refresh', version: 1, atMs: NOW_MS + 1000 }], scheduled);
    expect(decide(running, NOW_MS + 1001).stream).toEqual({ kind: 'refresh', version: 1 });
    const done = after([slice(), { type: 'stream-ended', version: 1, failure: null, completed: true }], running);
    expect(decide(done, NOW_MS + 1999).stream).toBeNull();
    expect(nextRefreshAtMs(after([send('promote')], scheduled))).toBeNull();
    expect(nextRefreshAtMs(after([send('pause')], scheduled))).toBeNull();
  });

  it('of a view without a topic is building it again', () => {
    const state = after([send('refresh')], built({ topic: null }));
    expect(decide(state, NOW_MS)).toEqual({ retire: false, build: true, stream: null, proof: null });
    expect(decide(built({ topic: null, refreshMs: 10 }), NOW_MS + 10).build).toBe(true);
  });
});

describe('what is built and cannot be published', () => {
  const resolved = after([{ type: 'build-started' }, { type: 'resolved', plan }, backfilled]);
  const held = after([{ type: 'build-ended', failure: { ...failure, during: 'publish' } }], resolved);

  it('is kept, and says what failed, what is kept and what can be done', () => {
    expect(phaseOf(held)).toBe('built');
    expect(decide(held, NOW_MS).build).toBe(false);
    const { candidate, error, accepts } = statusOf(held);
    expect(candidate).toMatchObject({ version: 1, rows: 10, entities: 2, waitsSinceMs: null });
    expect(error).toMatchObject({ code: failure.code, remedy: expect.stringContaining('Version 1 is built and kept') });
    expect(accepts).toEqual(expect.arrayContaining(['retry', 'rebackfill', 'retire']));
    expect(renderLifecyclePage(held)).toContain('Built, not served yet: **version 1: 2 entities of 10 rows**');
  });

  it('is gone on with at retry and after a pause, and of the same build', () => {
    const again = after([send('retry')], held);
    expect([decide(again, NOW_MS).build, again.candidate, again.builds]).toEqual([true, held.candidate, held.builds]);
    const paused = after([send('pause'), { type: 'build-ended', failure: null }, send('resume')], resolved);
    expect([decide(paused, NOW_MS).build, paused.candidate]).toEqual([true, resolved.candidate]);
    expect(phaseOf(paused)).not.toBe('built');
  });

  it('goes where another is wanted, and once it is served', () => {
    const other = after([send('rebackfill')], held);
    expect(other).toMatchObject({ candidate: null, builds: held.builds + 1, wants: { build: 'again' } });
    expect(after([published], held)).toMatchObject({ candidate: null, builds: held.builds + 1 });
  });

  it('says that its log has gone on without it', () => {
    const late = after([{ type: 'build-ended', failure: { ...failure, code: 'offsets-gone' } }], resolved);
    expect(statusOf(late).error?.remedy).toContain('has gone on without it: send "rebackfill"');
  });

  it('does not hide a stream that has failed too', () => {
    expect(phaseOf(after([{ type: 'stream-ended', version: 1, failure, completed: false }], held))).toBe('failed');
  });
});

describe('every command, in any state, any number of times', () => {
  const command = fc.constantFrom(...COMMANDS).map(send);
  const others = fc.constantFrom<LifecycleEvent>(
    { type: 'build-started' },
    { type: 'resolved', plan },
    backfilled,
    { type: 'cancelled' },
    { type: 'candidate-gone' },
    published,
    { type: 'build-ended', failure: null },
    { type: 'build-ended', failure },
    streamStarted,
    slice(),
    { type: 'stream-ended', version: 1, failure: null, completed: true },
    { type: 'stream-ended', version: 1, failure, completed: false },
    { type: 'proof-started', version: 1 },
    proven(),
    proven({ verdict: 'broken', cellsDiffering: 1 }),
    proven({ verdict: 'unproven', reason: 'r' }),
    { type: 'proof-ended', version: 1, proof: null, report: null, failure },
    { type: 'parity', report: report({ verdict: 'broken' }) },
    { type: 'parity', report: report() },
    { type: 'engine', semantics: 2, lag: 5 },
    { ...published, built: { ...published.built, version: 2, semantics: 2 } },
    {
      type: 'resolved',
      plan: { ...plan, semantics: 2, former: 'f0', live: { ...servedBefore, version: 2, semantics: 2 } },
    },
    { type: 'other-release', isWaiting: true },
    { type: 'other-release', isWaiting: false },
  );

  it('is harmless twice, and nothing but retirement follows retire', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(command, others), { maxLength: 30 }),
        fc.constantFrom(...COMMANDS),
        fc.constantFrom(0, 100),
        (events, name, proofEntities) => {
          const state = after(events, initialState('clicks_1h', 1, proofEntities));
          const once = after([send(name)], state);
          expect(after([send(name)], once)).toEqual(once);
          const work = decide(state, NOW_MS);
          if (state.wants.retired) {
            expect(work).toEqual({ retire: true, build: false, stream: null, proof: null });
            expect(COMMANDS.filter((other) => refusal(state, other) === null)).toEqual(['retire']);
          }
          if (state.wants.paused && !state.wants.retired)
            expect(work).toEqual({ retire: false, build: false, stream: null, proof: null });
          // Never beside nothing, never of another version, and no view streams with a difference or without a proof it owes.
          if (work.proof !== null) expect(work).toMatchObject({ stream: { kind: 'stream', version: work.proof } });
          if (phaseOf(state) === 'streaming' && proofEntities > 0)
            expect(['equal', 'unproven']).toContain(state.proof?.verdict);
          // What earlier semantics built stands still, whatever was asked.
          if (upgradeOf(state) !== null) expect(work).toMatchObject({ stream: null, proof: null });
          expect(phaseOf(state) === 'upgrading').toBe(
            upgradeOf(state) !== null &&
              !state.retired &&
              !state.wants.retired &&
              !state.wants.paused &&
              (state.failures.build === null || (awaitsAcceptance(state) && phaseOf(state) !== 'built')),
          );
          if (work.stream !== null) expect(state.live?.version).toBe(work.stream.version);
          // Carried over continue-as-new as JSON: nothing may be lost on the way.
          expect(JSON.parse(JSON.stringify(state))).toEqual(state);
        },
      ),
    );
  });
});
