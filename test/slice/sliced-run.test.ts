import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { mayTake } from '../../engine/slice/fence.ts';
import type { SliceOptions, SliceProgress } from '../../engine/slice/slice-options.ts';
import { type SessionEnd, SlicedRun, type SliceWork } from '../../engine/slice/sliced-run.ts';

const away = new MillraceError('service-unreachable', 'the database is away', { remedy: 'Wait.', retryable: true });
const broken = new MillraceError('broken', 'for good', { remedy: 'Mend it.' });

/** Work that does a step at each claim, and counts what the loop asks it. */
class ScriptedWork implements SliceWork {
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

function sliced(work: SliceWork, options: Partial<SliceOptions> = {}): SlicedRun {
  clock.ms = 0;
  return new SlicedRun(
    { fence: { generation: 1, attemptMs: 1, owner: 'test' }, until: 'forever', clock, ...options },
    { progressEveryMs: 60_000, retryMinMs: 1, retryMaxMs: 4 },
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
