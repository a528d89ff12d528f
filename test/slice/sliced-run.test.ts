import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { mayTake } from '../../engine/slice/fence.ts';
import type { SliceLimits, SliceOptions, SliceProgress } from '../../engine/slice/slice-options.ts';
import { type SessionEnd, SlicedRun, type SliceWork } from '../../engine/slice/sliced-run.ts';

const away = new MillraceError('service-unreachable', 'the database is away', { remedy: 'Wait.', retryable: true });
const broken = new MillraceError('log-corrupt', 'for good', { remedy: 'Mend it.' });

/** Work that does a step at each claim, and counts what the loop asks it. */
class ScriptedWork implements SliceWork {
  readonly topic = 'clicks';
  records = 0;
  claims = 0;
  readonly asked: { failures: number; progressed: boolean }[] = [];
  readonly reports: SliceProgress[] = [];
  readonly #steps: ((work: ScriptedWork) => SessionEnd)[];

  constructor(steps: ((work: ScriptedWork) => SessionEnd)[]) {
    this.#steps = steps;
  }

  async claimAndRun(): Promise<SessionEnd> {
    return this.#steps[this.claims++]!(this);
  }

  offsets(): { partition: number; nextOffset: number; endOffset: number }[] {
    return [
      { partition: 0, nextOffset: 7, endOffset: 10 },
      { partition: 1, nextOffset: 5, endOffset: 5 },
    ];
  }

  report(progress: SliceProgress): void {
    this.reports.push(progress);
  }

  failuresAfter(error: MillraceError, failures: number, progressed: boolean): number | null {
    this.asked.push({ failures, progressed });
    return error.retryable ? (progressed ? 1 : failures + 1) : null;
  }
}

const fails = (error: unknown) => (): never => {
  throw error;
};
const ends = (end: SessionEnd) => (): SessionEnd => end;

/** A clock that stands still until it is set. */
const clock = { ms: 0, nowUs: () => clock.ms * 1000, monotonicMs: () => clock.ms };

function sliced(work: SliceWork, options: Partial<SliceOptions> = {}, limits: Partial<SliceLimits> = {}): SlicedRun {
  clock.ms = 0;
  return new SlicedRun(
    { fence: { generation: 1, attemptMs: 1, owner: 'test' }, until: 'forever', clock, ...options },
    {
      progressEveryMs: 60_000,
      retryMinMs: 1,
      retryMaxMs: 4,
      tellWaitAfterMs: 1_000,
      unnamedTries: 1,
      tellHeldAfterMs: 30_000,
      ...limits,
    },
    work,
  );
}

describe('SlicedRun', () => {
  test('claims again when the topic has changed, and says how it ended', async () => {
    for (const [end, ended] of [
      ['superseded', 'superseded'],
      ['read-all', 'present-end'],
      ['stopped', 'deadline'],
    ] as const) {
      const work = new ScriptedWork([ends('reclaim'), ends('reclaim'), ends(end)]);
      expect(await sliced(work).run()).toBe(ended);
      expect(work.claims).toBe(3);
      expect(work.reports.at(-1)).toMatchObject({ records: 0, lag: 3, state: 'claiming' });
    }
  });

  test('waits for what is away and says so; counting starts over where something was done in between', async () => {
    const afterOne = (work: ScriptedWork): never => {
      work.records++;
      throw away;
    };
    const work = new ScriptedWork([fails(away), fails(away), afterOne, fails(away), ends('read-all')]);
    expect(await sliced(work).run()).toBe('present-end');
    expect(work.asked).toEqual([
      { failures: 0, progressed: false },
      { failures: 1, progressed: false },
      { failures: 2, progressed: true },
      { failures: 1, progressed: false },
    ]);
    const waiting = work.reports.filter(({ state }) => state === 'waiting');
    expect(waiting).toHaveLength(4);
    expect(waiting[0]).toMatchObject({ waitingFor: 'the database is away' });
  });

  test('throws what the work does not let pass, and what is no error of Millrace', async () => {
    for (const error of [broken, new TypeError('a bug')]) {
      await expect(sliced(new ScriptedWork([fails(error)])).run()).rejects.toBe(error);
    }
  });

  test('past its deadline a service that is away no longer matters; a broken one does', async () => {
    const late = (error: unknown) => (): never => {
      clock.ms = 101;
      throw error;
    };
    const work = new ScriptedWork([late(away)]);
    expect(await sliced(work, { deadlineMs: 100 }).run()).toBe('deadline');
    await expect(sliced(new ScriptedWork([late(broken)]), { deadlineMs: 100 }).run()).rejects.toBe(broken);
  });

  test('an abort ends the wait, and a run that was aborted before it began claims nothing', async () => {
    const stop = new AbortController();
    const work = new ScriptedWork([fails(away)]);
    work.report = ({ state }) => {
      if (state === 'waiting') stop.abort();
    };
    expect(await sliced(work, { signal: stop.signal }).run()).toBe('aborted');
    const none = new ScriptedWork([]);
    expect(await sliced(none, { signal: AbortSignal.abort() }).run()).toBe('aborted');
    expect(none.claims).toBe(0);
  });

  test('counts how often its loop comes round: reports of one that hangs say the same number', async () => {
    let run: SlicedRun;
    const turnsOf = (work: ScriptedWork): number => work.reports.at(-1)!.turns;
    const work = new ScriptedWork([
      (own) => {
        run.report();
        const before = turnsOf(own);
        for (let tick = 0; tick < 5; tick++) run.report();
        expect(turnsOf(own)).toBe(before);
        run.stopping();
        run.report();
        expect(turnsOf(own)).toBe(before + 1);
        return 'read-all';
      },
    ]);
    run = sliced(work);
    expect(await run.run()).toBe('present-end');
  });

  test('what reporting throws ends the run', async () => {
    const deaf = new Error('nobody listens');
    const work = new ScriptedWork([fails(away), ends('read-all')]);
    work.report = fails(deaf);
    await expect(sliced(work).run()).rejects.toBe(deaf);
    expect(work.claims).toBe(1);
  });

  test('a bounded run ends at the ends of its first claim, whatever the later ones see', () => {
    const at = (endOffset: number) => [{ partition: 0, nextOffset: 0, endOffset }];
    const bounded = sliced(new ScriptedWork([]), { until: 'present-end' });
    expect(bounded.hasClaimed).toBe(false);
    expect([...bounded.claimed(at(10))!]).toEqual([[0, 10]]);
    expect([...bounded.claimed(at(20))!]).toEqual([[0, 10]]);
    expect(bounded.hasClaimed).toBe(true);
    expect(sliced(new ScriptedWork([])).claimed(at(10))).toBeUndefined();
  });
});

describe('a caller that asks what is waited for', () => {
  const since = { code: 'service-unreachable', message: 'the database is away', sinceMs: 0 };
  const later =
    (ms: number, step: (work: ScriptedWork) => SessionEnd) =>
    (work: ScriptedWork): SessionEnd => {
      clock.ms += ms;
      return step(work);
    };

  test('hears of a wait once it has lasted, however often it was tried, and not before', async () => {
    const tries = Array.from({ length: 50 }, () => later(100, fails(away)));
    const work = new ScriptedWork(tries);
    const run = sliced(work, { waiting: null });
    expect(await run.run()).toBe('deadline');
    expect(work.claims).toBe(11);
    expect(run.waiting).toEqual({ ...since, sinceMs: 100 });
    expect(work.reports.at(-1)).toMatchObject({ waiting: { sinceMs: 100 } });
  });

  test('hears that a wait is over when something was committed, or there was nothing to commit for a while', async () => {
    let run: SlicedRun;
    const works = (work: ScriptedWork): SessionEnd => {
      run.working();
      expect(run.stopping()).toBe(false);
      work.records++;
      expect(run.stopping()).toBe(true);
      return 'stopped';
    };
    const work = new ScriptedWork([later(5_000, fails(away)), works]);
    run = sliced(work, { waiting: since });
    expect(await run.run()).toBe('deadline');
    expect(run.waiting).toBeNull();
    const idle = new ScriptedWork([
      () => {
        run.working();
        clock.ms += 999;
        expect(run.stopping()).toBe(false);
        clock.ms += 1;
        expect(run.stopping()).toBe(true);
        return 'stopped';
      },
    ]);
    idle.offsets = () => [{ partition: 0, nextOffset: 9, endOffset: 9 }];
    run = sliced(idle, { waiting: since });
    expect(await run.run()).toBe('deadline');
    expect(run.waiting).toBeNull();
  });

  test('hears of an open transaction that holds its partitions back, and when it is over; a run with an end does not wait for it', async () => {
    const message = 'clicks is held back by an open transaction: partition 0 at offset 7';
    const held = { code: 'held-back', message, sinceMs: 0 };
    const behind = { partition: 0, nextOffset: 7, endOffset: 7, highWatermark: 9 };
    let run: SlicedRun;
    const lasts = (work: ScriptedWork): SessionEnd => {
      run.working();
      work.offsets = () => [behind];
      expect(run.stopping()).toBe(false);
      clock.ms += 29_999;
      expect(run.stopping()).toBe(false);
      run.report();
      expect(work.reports.at(-1)).toMatchObject({ lag: 2, held: 2, waiting: null });
      clock.ms += 1;
      expect(run.stopping()).toBe(true);
      return 'stopped';
    };
    const work = new ScriptedWork([lasts]);
    work.offsets = () => [];
    run = sliced(work, { waiting: null });
    expect(await run.run()).toBe('deadline');
    expect(run.waiting).toEqual(held);
    expect(work.reports.at(-1)).toMatchObject({ state: 'running', waitingFor: message, waiting: held });

    const ends7 = (work: ScriptedWork): SessionEnd => {
      run.working();
      work.offsets = () => [behind];
      clock.ms += 60_000;
      expect(run.stopping()).toBe(false);
      work.offsets = () => [{ ...behind, endOffset: 9 }];
      expect(run.stopping()).toBe(true);
      return 'stopped';
    };
    const knows = new ScriptedWork([ends7]);
    knows.offsets = () => [];
    run = sliced(knows, { waiting: held });
    expect(await run.run()).toBe('deadline');
    expect(run.waiting).toBeNull();

    const calm = new ScriptedWork([
      () => {
        run.working();
        clock.ms += 1_000;
        expect(run.stopping()).toBe(true);
        return 'stopped';
      },
    ]);
    calm.offsets = () => [behind];
    // It has read all there is to read: what it waited for before is over.
    run = sliced(calm, { waiting: since });
    expect(await run.run()).toBe('deadline');
    expect(run.waiting).toBeNull();

    const bounded = new ScriptedWork([
      () => {
        run.working();
        clock.ms += 60_000;
        expect(run.stopping()).toBe(false);
        return 'read-all';
      },
    ]);
    bounded.offsets = () => [behind];
    run = sliced(bounded, { waiting: null, until: 'present-end' });
    expect(await run.run()).toBe('present-end');
    expect(run.waiting).toBeNull();
  });

  test('does not hear that a wait is over while there is something to commit and nothing was: the claim says nothing of a disk', async () => {
    let run: SlicedRun;
    const claimsAndFails = later(0, () => {
      run.working();
      clock.ms += 60_000;
      expect(run.stopping()).toBe(false);
      throw away;
    });
    const work = new ScriptedWork([claimsAndFails, claimsAndFails, ends('read-all')]);
    run = sliced(work, { waiting: since });
    expect(await run.run()).toBe('present-end');
    expect(run.waiting).toEqual(since);
  });

  test('hears that it is something else that is waited for', async () => {
    const full = new MillraceError('archive-full', 'no space left', { remedy: 'Free some.', waits: true });
    const work = new ScriptedWork([later(10, fails(away)), later(10, fails(full)), later(1_000, fails(full))]);
    const run = sliced(work, { waiting: since });
    expect(await run.run()).toBe('deadline');
    expect(run.waiting).toMatchObject({ code: 'archive-full', sinceMs: 0 });
  });

  test('one that does not ask is not told', async () => {
    const tries = Array.from({ length: 50 }, () => later(1_000, fails(away)));
    expect(await sliced(new ScriptedWork([...tries, ends('read-all')])).run()).toBe('present-end');
  });
});

describe('errors that nobody named', () => {
  const bug = new TypeError('a bug');

  test('end a run at so many in a row, by a name', async () => {
    const work = new ScriptedWork([1, 2, 3].map(() => fails(bug)));
    await expect(sliced(work, {}, { unnamedTries: 3 }).run()).rejects.toMatchObject({
      code: 'unexpected-error',
      message: 'TypeError: a bug',
      retryable: false,
      cause: bug,
    });
    expect(work.claims).toBe(3);
  });

  test('do not add up over its life', async () => {
    const afterOne = (work: ScriptedWork): never => {
      work.records++;
      throw bug;
    };
    const work = new ScriptedWork([...Array.from({ length: 9 }, () => afterOne), ends('read-all')]);
    expect(await sliced(work, {}, { unnamedTries: 3 }).run()).toBe('present-end');
  });
});

describe('mayTake', () => {
  const fence = { generation: 2, attemptMs: 20, owner: 'me' };
  test.each([
    [1, 99, 'other', false, true],
    [3, 0, 'me', true, false],
    [2, 19, 'other', false, true],
    [2, 21, 'me', true, false],
    [2, 20, 'me', true, true],
    [2, 20, 'me', false, false],
    [2, 20, 'other', true, false],
  ])('held by (%i, %i, %s), renewing %s: %s', (generation, attempt_ms, owner, renew, expected) => {
    expect(mayTake({ generation, attempt_ms, owner }, fence, renew)).toBe(expected);
  });
});
