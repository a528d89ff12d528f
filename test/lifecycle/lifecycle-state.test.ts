import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMANDS, type Command, type Failure, type SliceSummary, type ViewPlan } from '../../workflows/contracts.ts';
import type { ParityReport, PromotionProof } from '../../workflows/audit-contracts.ts';
import {
  carriedState,
  decide,
  initialState,
  type LifecycleEvent,
  type LifecycleState,
  nextRefreshAtMs,
  phaseOf,
  refusal,
  statusOf,
  transition,
} from '../../workflows/lifecycle-state.ts';

const NOW_MS = 1_000_000;

const plan: ViewPlan = {
  view: 'clicks_1h',
  fingerprint: 'f1',
  entity: 'user',
  source: 'clicks',
  topic: 'clicks',
  history: null,
  features: ['n'],
  refreshMs: null,
  live: null,
  generation: 0,
};
const failure: Failure = { code: 'definition-changed', message: 'm', remedy: 'r', during: 'stream', atMs: NOW_MS };
const published: LifecycleEvent = {
  type: 'published',
  built: { version: 1, rows: 10, entities: 2, counts: {} },
  fingerprint: 'f1',
  atMs: NOW_MS,
};

function after(events: readonly LifecycleEvent[], from: LifecycleState = initialState('clicks_1h', 1)): LifecycleState {
  return events.reduce(transition, from);
}

function send(command: Command): LifecycleEvent {
  return { type: 'command', command };
}

function built(more: Partial<ViewPlan> = {}): LifecycleState {
  return after([
    { type: 'build-started' },
    { type: 'resolved', plan: { ...plan, ...more } },
    { type: 'backfilled' },
    published,
    { type: 'build-ended', failure: null },
  ]);
}

function slice(more: Partial<SliceSummary> = {}): LifecycleEvent {
  const summary: SliceSummary = { ended: 'present-end', records: 5, lag: 0, watermarkUs: 7, ...more };
  return { type: 'slice-ended', shard: 0, slice: summary, catchUpLag: 10 };
}

const streamStarted: LifecycleEvent = { type: 'stream-started', kind: 'stream', version: 1, atMs: NOW_MS };

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
      shard: 1,
      slice: { ended: 'present-end', records: 0, lag: 0, watermarkUs: null },
      catchUpLag: 10,
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
    const paused = after([{ type: 'stream-ended', failure: null, completed: false }], pausing);
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
  const broken = after([send('promote'), streamStarted, { type: 'stream-ended', failure, completed: false }], built());

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
    const done = after([slice(), { type: 'stream-ended', failure: null, completed: true }], running);
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
    const done = after([slice(), { type: 'stream-ended', failure: null, completed: true }], running);
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

function report(more: Partial<ParityReport> = {}): ParityReport {
  return {
    auditId: 1,
    kind: 'audit',
    version: 1,
    verdict: 'equal',
    seq: 3,
    entities: 2,
    cellsCompared: 8,
    cellsDiffering: 0,
    causes: {},
    bounds: { reads: 100, entities: 100 },
    atMs: NOW_MS,
    ...more,
  };
}

function proven(more: Partial<PromotionProof> = {}): LifecycleEvent {
  const proof: PromotionProof = {
    version: 1,
    verdict: 'equal',
    auditId: 1,
    seq: 3,
    entities: 2,
    cellsCompared: 8,
    cellsDiffering: 0,
    reason: null,
    atMs: NOW_MS,
    ...more,
  };
  const { version, verdict, cellsDiffering } = proof;
  const told =
    verdict === 'unproven'
      ? null
      : report({ version, verdict, cellsDiffering, kind: 'promotion', bounds: { reads: 0, entities: 100 } });
  return { type: 'proof-ended', version, proof, report: told, failure: null };
}

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
        { type: 'stream-ended', failure: null, completed: false },
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
    const caughtUpAgain = after([{ ...streamStarted, version: 2 }, slice()], { ...flipped, stream: null });
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
        { type: 'stream-ended', failure: null, completed: false },
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
      [slice({ ended: 'aborted' }), { type: 'stream-ended', failure: null, completed: false }],
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

describe('every command, in any state, any number of times', () => {
  const command = fc.constantFrom(...COMMANDS).map(send);
  const others = fc.constantFrom<LifecycleEvent>(
    { type: 'build-started' },
    { type: 'resolved', plan },
    { type: 'backfilled' },
    published,
    { type: 'build-ended', failure: null },
    { type: 'build-ended', failure },
    streamStarted,
    slice(),
    { type: 'stream-ended', failure: null, completed: true },
    { type: 'stream-ended', failure, completed: false },
    { type: 'proof-started', version: 1 },
    proven(),
    proven({ verdict: 'broken', cellsDiffering: 1 }),
    proven({ verdict: 'unproven', reason: 'r' }),
    { type: 'proof-ended', version: 1, proof: null, report: null, failure },
    { type: 'parity', report: report({ verdict: 'broken' }) },
    { type: 'parity', report: report() },
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
          if (work.stream !== null) expect(state.live?.version).toBe(work.stream.version);
          // Carried over continue-as-new as JSON: nothing may be lost on the way.
          expect(JSON.parse(JSON.stringify(state))).toEqual(state);
        },
      ),
    );
  });
});
