import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { installationNames } from '../../engine/installation/installation-names.ts';
import type { BackfillSummary, VersionCommand } from '../../workflows/feature-lifecycle/contract.ts';
import { decide } from '../../workflows/feature-lifecycle/decide.ts';
import { decideSides, keptUntilMs } from '../../workflows/feature-lifecycle/decide-sides.ts';
import { isApplied } from '../../workflows/feature-lifecycle/flips.ts';
import { checkLifecycleInput } from '../../workflows/feature-lifecycle/input.ts';
import { verdictOf } from '../../workflows/feature-lifecycle/judgement.ts';
import { renderLifecyclePage } from '../../workflows/feature-lifecycle/page.ts';
import { carriedState, initialState, type LifecycleState } from '../../workflows/feature-lifecycle/state.ts';
import { phaseOf, statusOf } from '../../workflows/feature-lifecycle/status.ts';
import type { LifecycleEvent } from '../../workflows/feature-lifecycle/transition.ts';
import { meantBy } from '../../workflows/feature-lifecycle/version-commands.ts';
import { after, built, failure, NOW_MS, plan, published, send, slice, streamStarted } from './lifecycle-events.ts';

const LATER_MS = NOW_MS + 3_600_000;

function version(number: number): BackfillSummary {
  return { version: number, rows: 10, entities: 2, counts: {} };
}

function offer(number: number, build = 1): LifecycleEvent {
  const candidate = { built: version(number), fingerprint: `f${number}`, topic: 'clicks' };
  return { type: 'offered', candidate, build, atMs: NOW_MS };
}

function streams(number: number): LifecycleEvent[] {
  return [{ ...streamStarted, version: number }, slice({}, 0, number)];
}

function flipped(command: VersionCommand, to: number, kept: number | null): LifecycleEvent {
  return {
    type: 'flipped',
    command,
    version: to,
    kept: kept === null ? null : { version: kept, untilMs: LATER_MS },
    atMs: NOW_MS,
  };
}

const streaming = after([send('promote'), ...streams(1)], built());
const waiting = after([{ type: 'build-started' }, offer(2), { type: 'build-ended', failure: null }], streaming);
const ready = after(streams(2), waiting);

describe('a version that waits', () => {
  it('streams beside the served one, is built no more, and is not what is served', () => {
    expect(decide(waiting, NOW_MS)).toMatchObject({ build: false, stream: { version: 1 } });
    expect(decideSides(waiting).streams.map(({ version: number }) => number)).toEqual([2]);
    expect(phaseOf(waiting)).toBe('streaming');
    expect(statusOf(waiting)).toMatchObject({
      version: 1,
      candidate: { version: 2, isCaughtUp: false, waitsSinceMs: NOW_MS },
    });
    expect(statusOf(waiting).accepts).not.toContain('approve');
    expect(meantBy(waiting, 'approve', {})).toMatchObject({ code: 'candidate-behind' });
    expect(statusOf(ready).accepts).toEqual(expect.arrayContaining(['approve', 'discard']));
    expect(renderLifecyclePage(ready)).toContain('`{"version":2}` flips readers from version 1 to version 2');
    // Its lag and its failures are its own.
    const behind = after([slice({ lag: 70 }, 0, 2)], ready);
    expect(statusOf(behind)).toMatchObject({ lag: 0, candidate: { lag: 70 }, phase: 'streaming' });
    const broken = after([{ type: 'stream-ended', version: 2, failure, completed: false }], ready);
    expect(statusOf(broken)).toMatchObject({
      phase: 'streaming',
      error: null,
      candidate: { error: { code: failure.code } },
    });
    expect(decideSides(broken).streams).toEqual([]);
    expect(decideSides(after([send('retry')], broken)).streams).toHaveLength(1);
  });

  it('is dropped when it is discarded, and when another build begins', () => {
    for (const type of ['discarded', 'build-begun'] as const) {
      const without = after([{ type }], ready);
      expect(without).toMatchObject({ offered: null, leaving: [2] });
      expect(decideSides(without)).toMatchObject({ streams: [], drop: 2 });
      expect(decideSides(after([{ type: 'dropped', version: 2 }], without)).drop).toBeNull();
      expect(meantBy(without, 'approve', {})).toMatchObject({ code: 'no-candidate' });
    }
  });

  it('does not lose what was applied while it was built', () => {
    const building = after([{ type: 'build-started' }], streaming);
    const { builds } = building;
    const news = { type: 'applied', applyNumber: 3, fingerprint: 'f3' } as const;
    const over = after([news, offer(2, builds), { type: 'build-ended', failure: null }], building);
    expect(over.wants.build).toBe('desired');
    expect(decide(over, NOW_MS).build).toBe(true);
    const published2: LifecycleEvent = { ...published, built: version(2), build: builds };
    expect(decide(after([news, published2], building), NOW_MS).build).toBe(true);
    expect(decide(after([offer(2, builds), { type: 'build-ended', failure: null }], building), NOW_MS).build).toBe(
      false,
    );
  });
});

describe('a flip', () => {
  const approved = after([{ type: 'flip-started', command: 'approve', version: 2 }, flipped('approve', 2, 1)], ready);

  it('changes places, and both streams run on with what is known of them', () => {
    expect(approved).toMatchObject({
      live: { version: 2 },
      stream: { kind: 'stream', version: 2 },
      caughtUp: [0],
      offered: null,
      previous: { version: 1, isStreaming: true, isRolledBack: false, untilMs: LATER_MS, caughtUp: [0] },
      flipping: null,
      leaving: [],
    });
    const back = after([flipped('rollback', 1, 2)], approved);
    expect(back).toMatchObject({ live: { version: 1 }, previous: { version: 2, isRolledBack: true } });
    expect(meantBy(back, 'rollback', {})).toMatchObject({ code: 'no-previous' });
    expect(meantBy(back, 'approve', {})).toMatchObject({ side: { version: 2 } });
    // The lag of then is no news of now.
    expect(statusOf(after([slice({ lag: 9 }, 0, 2)], back))).toMatchObject({ lag: 0, previous: { lag: 9 } });
  });

  it('lets what was kept go when another is kept, and when its time is over', () => {
    const third = after(
      [{ type: 'build-started' }, offer(3, approved.builds), ...streams(3), flipped('approve', 3, 2)],
      approved,
    );
    expect(third).toMatchObject({ live: { version: 3 }, previous: { version: 2 }, leaving: [1] });
    expect(third.notice).toContain('Version 1 is not kept any more');
    expect(keptUntilMs(third)).toBe(LATER_MS);
    const over = after([{ type: 'kept-over' }], third);
    expect(over).toMatchObject({ previous: null, leaving: [1, 2] });
    const none = after([flipped('approve', 2, null)], ready);
    expect(none).toMatchObject({ previous: null, leaving: [1] });
  });

  it('while one is under way is the same command twice, or is refused', () => {
    const under = after([{ type: 'flip-started', command: 'approve', version: 2 }], ready);
    expect(meantBy(under, 'approve', { version: 2 })).toEqual({ is: 'under-way' });
    expect(meantBy(under, 'approve', {})).toEqual({ is: 'under-way' });
    for (const command of ['rollback', 'discard'] as const)
      expect(meantBy(under, command, {})).toMatchObject({ code: 'command-refused' });
    expect(phaseOf(after([send('pause')], under))).toBe('pausing');
    expect(meantBy(after([{ type: 'flip-failed' }], under), 'approve', {})).toMatchObject({ side: { version: 2 } });
  });

  it('means the version it names', () => {
    expect(meantBy(ready, 'approve', { version: 1 })).toEqual({ is: 'so' });
    expect(meantBy(ready, 'approve', { version: 5 })).toMatchObject({ code: 'not-the-candidate' });
    expect(meantBy(approved, 'rollback', { version: 5 })).toMatchObject({ code: 'not-the-candidate' });
    expect(meantBy(approved, 'rollback', { version: 1 })).toMatchObject({ side: { version: 1 } });
    expect(meantBy(after([send('pause')], approved), 'rollback', {})).toMatchObject({ code: 'command-refused' });
    expect(meantBy(after([send('retire')], approved), 'rollback', {})).toMatchObject({ code: 'command-refused' });
  });
});

it('whatever happens, no version has two places, none is lost, and the state is JSON', () => {
  const number = fc.integer({ min: 1, max: 4 });
  const event: fc.Arbitrary<LifecycleEvent> = fc.oneof(
    fc.constantFrom('promote', 'pause', 'resume', 'rebackfill', 'retry').map((command) => send(command as 'promote')),
    fc.constantFrom<LifecycleEvent>(
      { type: 'discarded' },
      { type: 'build-begun' },
      { type: 'kept-over' },
      { type: 'flip-failed' },
    ),
    number.map((one) => slice({}, 0, one)),
    number.map((one): LifecycleEvent => ({ ...streamStarted, version: one })),
    number.map((one): LifecycleEvent => ({ type: 'stream-ended', version: one, failure: null, completed: false })),
    number.map((one): LifecycleEvent => ({ type: 'applied', applyNumber: one, fingerprint: `f${one}` })),
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(event, fc.constantFrom('build', 'approve', 'rollback')), { maxLength: 40 }),
      (events) => {
        let state: LifecycleState = built();
        let newest = 1;
        const known = new Set([1]);
        for (const one of events) {
          if (typeof one !== 'string') state = after([one], state);
          else if (one === 'build') {
            known.add(++newest);
            state = after([{ type: 'build-begun' }, offer(newest, state.builds)], state);
          } else {
            const meant = meantBy(state, one, {});
            if ('side' in meant) state = after([flipped(one, meant.side.version, state.live!.version)], state);
          }
          const places = [state.live, state.offered, state.previous].flatMap((place) =>
            place === null ? [] : [place.version],
          );
          expect(new Set([...places, ...state.leaving]).size).toBe(places.length + state.leaving.length);
          expect([...places, ...state.leaving].toSorted()).toEqual([...known].toSorted());
          expect(JSON.parse(JSON.stringify(state))).toEqual(state);
          expect(carriedState(state, initialState('clicks_1h', 1))).toEqual(state);
          expect(renderLifecyclePage(state).length).toBeGreaterThan(0);
        }
      },
    ),
    { numRuns: 300 },
  );
});

describe('options and signals', () => {
  const of = (options: unknown) =>
    checkLifecycleInput({ view: 'v', options }, 'feature:v', installationNames()).options;

  it('are checked field by field', () => {
    expect(of({})).toMatchObject({ approval: 'manual', autoApproveShare: 0, keepPreviousHours: 24 });
    expect(of({ approval: 'auto', autoApproveShare: 0.5, keepPreviousHours: 0.01 })).toMatchObject({
      keepPreviousHours: 0.01,
    });
    expect(() => of({ approval: 'perhaps' })).toThrow(
      'option "approval" must be "manual" or "auto", received "perhaps"',
    );
    expect(() => of({ autoApproveShare: 2 })).toThrow('must be a number from 0 to 1, received 2');
    expect(() => of({ keepPreviousHours: -1 })).toThrow('"keepPreviousHours" must be a number from 0');
    expect(isApplied({ applyNumber: 1, fingerprint: 'f' })).toBe(true);
    for (const wrong of [
      null,
      {},
      { applyNumber: -1, fingerprint: 'f' },
      { applyNumber: 1.5, fingerprint: 'f' },
      { applyNumber: 1, fingerprint: '' },
      { applyNumber: 1, fingerprint: 'f', approval: 'manual' },
    ])
      expect(isApplied(wrong)).toBe(false);
  });

  it('of a difference say what differs, where it is more than is allowed', () => {
    const same = {
      view: 'v',
      before: 1,
      after: 2,
      atMs: 1,
      entities: 5,
      isWhole: true,
      cells: 0,
      differing: 0,
      features: [],
      onlyBefore: [],
      onlyAfter: ['n'],
    };
    expect(verdictOf(same, 0)).toBeNull();
    const features = [
      { feature: 'a', cells: 100_000, differing: 1 },
      { feature: 'b', cells: 100_000, differing: 0 },
    ];
    expect(verdictOf({ ...same, cells: 200_000, differing: 1, features }, 0)).toBe(
      'Not approved by itself: 1 of 200,000 cells (0.0005 %) differ from version 1, a in 0.0010 %; 0.00 % are allowed.',
    );
    expect(verdictOf({ ...same, cells: 200_000, differing: 1, features }, 0.1)).toBeNull();
    expect(verdictOf({ ...same, incomparable: 'the join keys differ' }, 1)).toBe(
      'Not approved by itself: it cannot be compared with version 1: the join keys differ.',
    );
    expect(verdictOf({ ...same, onlyBefore: ['m'] }, 0.5)).toContain('It has no m, which version 1 has.');
  });
});

it('a lifecycle that is told of the definition it serves drops what waited', () => {
  const back = after(
    [{ type: 'applied', applyNumber: 9, fingerprint: 'f1' }, { type: 'build-started' }, { type: 'resolved', plan }],
    ready,
  );
  expect(back).toMatchObject({ offered: null, leaving: [2], wants: { build: null } });
  expect(back.notice).toContain('there is nothing to build');
  // And one that is told of what waits keeps it.
  const same = after(
    [
      { type: 'applied', applyNumber: 9, fingerprint: 'f2' },
      { type: 'build-started' },
      { type: 'resolved', plan: { ...plan, fingerprint: 'f2' } },
    ],
    ready,
  );
  expect(same).toMatchObject({ offered: { version: 2 }, leaving: [], wants: { build: null } });
  expect(after([{ type: 'applied', applyNumber: 2, fingerprint: 'f3' }], same)).toEqual(same);
});

describe('a view without a topic that is refreshed on a schedule, while a version of another definition waits', () => {
  const own = { topic: null, refreshMs: 10 };
  const changed = { ...plan, ...own, fingerprint: 'f2' };
  const candidate = { built: version(2), fingerprint: 'f2', topic: null };
  const applied: LifecycleEvent[] = [
    { type: 'applied', applyNumber: 1, fingerprint: 'f2' },
    { type: 'build-started' },
    { type: 'resolved', plan: changed },
    { type: 'backfilled', candidate },
  ];
  const offered = after([...applied], built(own));
  const held = after(
    [
      { type: 'offered', candidate, build: offered.builds, atMs: NOW_MS },
      { type: 'build-ended', failure: null },
    ],
    offered,
  );

  it('builds what is served anew when that is due, once, and then what waits', () => {
    expect(held).toMatchObject({ offered: { version: 2 }, live: { version: 1, fingerprint: 'f1' } });
    expect(decide(held, NOW_MS).build).toBe(false);
    expect(decide(held, NOW_MS + 10).build).toBe(true);
    const begun = after(
      [{ type: 'build-started' }, { type: 'resolved', plan: changed }, { type: 'build-begun' }],
      held,
    );
    expect(begun).toMatchObject({ offered: null, leaving: [2], wants: { build: 'refresh', offersAgain: true } });
    const event = { type: 'published', built: version(3), fingerprint: 'f1', atMs: NOW_MS + 10 } as const;
    const fresh = after([event, { type: 'build-ended', failure: null }], begun);
    expect(fresh).toMatchObject({ live: { version: 3, fingerprint: 'f1' }, wants: { build: 'desired' } });
    expect(fresh.wants.offersAgain).toBeUndefined();
    const again = after(
      [
        { type: 'build-started' },
        { type: 'resolved', plan: changed },
        { type: 'offered', candidate: { ...candidate, built: version(4) }, build: fresh.builds, atMs: NOW_MS + 10 },
        { type: 'build-ended', failure: null },
      ],
      fresh,
    );
    expect(again).toMatchObject({ offered: { version: 4 }, wants: { build: null } });
    expect(decide(again, NOW_MS + 10).build).toBe(false);
    expect(decide(again, NOW_MS + 20).build).toBe(true);
  });

  it('builds what is applied while it is being refreshed', () => {
    const refreshing = after([{ type: 'build-started' }, { type: 'resolved', plan: changed }], held);
    const heard = after([{ type: 'applied', applyNumber: 2, fingerprint: 'f2' }], refreshing);
    expect(heard.wants.build).toBe('desired');
  });
});

describe('a definition without a topic that is applied to a view that streams', () => {
  const others = { type: 'resolved', plan: { ...plan, fingerprint: 'f2', topic: null } } as const;
  const candidate = { built: version(2), fingerprint: 'f2', topic: null };
  const applied = after(
    [{ type: 'applied', applyNumber: 1, fingerprint: 'f2' }, { type: 'build-started' }, others],
    streaming,
  );

  it('leaves its stream alone, and needs none of its own', () => {
    expect(decide(applied, NOW_MS).stream).toEqual({ kind: 'stream', version: 1 });
    const offered = after(
      [
        { type: 'backfilled', candidate },
        { type: 'offered', candidate, build: applied.builds, atMs: NOW_MS },
        { type: 'build-ended', failure: null },
      ],
      applied,
    );
    expect(decide(offered, NOW_MS).stream).toEqual({ kind: 'stream', version: 1 });
    expect(decideSides(offered).streams).toEqual([]);
    expect(statusOf(offered)).toMatchObject({ candidate: { isCaughtUp: true } });
    const served = after([flipped('approve', 2, 1)], offered);
    expect(decide(served, NOW_MS).stream).toBeNull();
    // What readers may be flipped back to goes on.
    expect(decideSides(served).streams.map(({ version: number }) => number)).toEqual([1]);
  });
});
