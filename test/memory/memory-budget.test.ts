import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { intakeMemory, reserveIntake } from '../../engine/memory/intake-memory.ts';
import { MemoryBudget, type MemoryReservation } from '../../engine/memory/memory-budget.ts';
import { type MemoryAmount, memoryShares } from '../../engine/memory/memory-shares.ts';
import { lawRuns } from '../laws/law-seed.ts';

const MB = 2 ** 20;

/** A budget of so many bytes of each place, whatever a real one would share out. */
function budgetOf(heap: number, buffers: number): MemoryBudget {
  return new MemoryBudget({ ...memoryShares(2048), limits: { heap, buffers } });
}

/** What has been granted so far: promises settle in microtasks. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a memory budget', () => {
  const amount = fc.record({ heap: fc.nat(60), buffers: fc.nat(60) });
  const place = fc.constantFrom('heap' as const, 'buffers' as const);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('reserve' as const), amount }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('try' as const), amount }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('grow' as const), which: fc.nat(), place, bytes: fc.nat(40) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('shrink' as const), which: fc.nat(), place, part: fc.nat(100) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('abort' as const), which: fc.nat() }) },
  );

  it('never gives out more than it has, serves in turn, and has everything back at the end, whatever is asked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const budget = budgetOf(100, 100);
        const held: MemoryReservation[] = [];
        const asked: { id: number; amount: MemoryAmount; stop: AbortController; done: boolean }[] = [];
        const granted: number[] = [];
        let aborted = 0;
        const check = (): void => {
          const sum = { heap: 0, buffers: 0 };
          for (const { heap, buffers } of held) {
            sum.heap += heap;
            sum.buffers += buffers;
          }
          expect(budget.used).toEqual(sum);
          expect(sum.heap).toBeLessThanOrEqual(100);
          expect(sum.buffers).toBeLessThanOrEqual(100);
          const waiting = asked.filter(({ done }) => !done);
          expect(budget.waiting().map(({ heap, buffers }) => ({ heap, buffers }))).toEqual(
            waiting.map((one) => one.amount),
          );
          const [first] = waiting;
          // Whoever is first in turn waits only for what is not there.
          if (first !== undefined)
            expect(first.amount.heap > 100 - sum.heap || first.amount.buffers > 100 - sum.buffers).toBe(true);
        };
        for (const [id, each] of steps.entries()) {
          const one = 'which' in each && held.length > 0 ? held[each.which % held.length] : undefined;
          if (each.kind === 'reserve') {
            const request = { id, amount: each.amount, stop: new AbortController(), done: false };
            asked.push(request);
            budget.reserve(each.amount, `r${id}`, { signal: request.stop.signal }).then(
              (reservation) => {
                request.done = true;
                granted.push(id);
                held.push(reservation);
              },
              () => {
                request.done = true;
                aborted++;
              },
            );
          } else if (each.kind === 'try') {
            const reservation = budget.tryReserve(each.amount, `t${id}`);
            if (reservation !== null) held.push(reservation);
          } else if (each.kind === 'grow' && one !== undefined) {
            const before = one[each.place];
            const waitedFor = budget.waiting().some((waiter) => waiter[each.place] > 0);
            const grown = one.grow(each.place, each.bytes);
            expect(one[each.place]).toBe(before + (grown ? each.bytes : 0));
            if (waitedFor && each.bytes > 0) expect(grown).toBe(false);
          } else if (each.kind === 'shrink' && one !== undefined) {
            one.shrink(each.place, Math.floor((one[each.place] * each.part) / 100));
          } else if (each.kind === 'release' && one !== undefined) {
            one.release();
            held.splice(held.indexOf(one), 1);
          } else if (each.kind === 'abort') {
            const open = asked.filter(({ done }) => !done);
            open[each.which % Math.max(open.length, 1)]?.stop.abort(new Error('enough'));
          }
          await settled();
          check();
        }
        // In the order of asking, but for those that gave up.
        expect(granted).toEqual(granted.toSorted((a, b) => a - b));
        while (held.length > 0) {
          held.pop()?.release();
          await settled();
          check();
        }
        expect(asked.every(({ done }) => done)).toBe(true);
        expect(granted.length + aborted).toBe(asked.length);
        expect(budget.usedBytes).toBe(0);
        expect(budget.holders()).toEqual([]);
      }),
      lawRuns(300),
    );
  });

  it('says what it waits for, and who holds it', async () => {
    const budget = budgetOf(100 * MB, 100 * MB);
    const first = await budget.reserve({ heap: 80 * MB }, 'backfill of a');
    await budget.reserve({ buffers: 10 * MB }, 'stream of b');
    await budget.reserve({ buffers: 5 * MB }, 'stream of b');
    const texts: string[] = [];
    const second = budget.reserve({ heap: 30 * MB }, 'backfill of c', { onWait: (text) => texts.push(text) });
    const third = budget.reserve({ buffers: 1 * MB }, 'export of d', { onWait: (text) => texts.push(text) });
    expect(texts).toEqual([
      'waiting for 30 MB of memory: it is held by backfill of a (80 MB), stream of b (15 MB)',
      'waiting for 1 MB of memory, 1 before it: it is held by backfill of a (80 MB), stream of b (15 MB)',
    ]);
    expect(budget.waiting().map(({ what }) => what)).toEqual(['backfill of c', 'export of d']);
    first.release();
    expect((await second).heap).toBe(30 * MB);
    expect((await third).buffers).toBe(MB);
    expect(budget.holders()).toEqual([
      { what: 'stream of b', heap: 0, buffers: 15 * MB },
      { what: 'backfill of c', heap: 30 * MB, buffers: 0 },
      { what: 'export of d', heap: 0, buffers: MB },
    ]);
  });

  it('asks for what somebody waits for beyond what a holder began with', async () => {
    const budget = budgetOf(100, 100);
    const held = await budget.reserve({ heap: 20 }, 'cache');
    expect(held.grow('heap', 70)).toBe(true);
    expect(held.wanted('heap')).toBe(0);
    const waits = budget.reserve({ heap: 40 }, 'backfill');
    expect(held.wanted('heap')).toBe(30);
    expect(held.wanted('buffers')).toBe(0);
    held.shrink('heap', 30);
    expect((await waits).heap).toBe(40);
    expect(held.wanted('heap')).toBe(0);
    // Of what it began with nothing is asked back.
    void budget.reserve({ heap: 100 }, 'export').catch(() => {});
    held.shrink('heap', 40);
    expect(held.wanted('heap')).toBe(0);
  });

  it('gives from one to another past those who wait, and asks of neither what it had settled on', async () => {
    const budget = budgetOf(0, 100);
    const stream = await budget.reserve({ buffers: 60 }, 'stream');
    const ids = budget.tryReserve({}, 'ids')!;
    const waits = budget.reserve({ buffers: 50 }, 'backfill');
    stream.giveTo(ids, 'buffers', 45);
    expect([stream.buffers, ids.buffers, budget.used.buffers]).toEqual([15, 45, 60]);
    expect(budget.waiting()).toHaveLength(1);
    expect(() => stream.giveTo(ids, 'buffers', 16)).toThrow('gives more than it holds');
    // It began with 60; of the 15 that it settles on nothing is wanted, of what it takes later all.
    stream.settle();
    ids.shrink('buffers', 20);
    expect((await waits).buffers).toBe(50);
    expect(stream.grow('buffers', 10)).toBe(true);
    const more = budget.reserve({ buffers: 9 }, 'export');
    expect(stream.wanted('buffers')).toBe(9);
    ids.release();
    expect((await more).buffers).toBe(9);
    expect(() => stream.giveTo(ids, 'buffers', 1)).toThrow('after its end');
  });

  it('lets those behind go on when the first in turn gives up', async () => {
    const budget = budgetOf(100, 0);
    await budget.reserve({ heap: 50 }, 'a');
    const stop = new AbortController();
    const large = budget.reserve({ heap: 80 }, 'b', { signal: stop.signal });
    const small = budget.reserve({ heap: 20 }, 'c');
    expect(budget.tryReserve({ heap: 1 }, 'd')).toBeNull();
    stop.abort(new Error('enough'));
    await expect(large).rejects.toThrow('enough');
    expect((await small).heap).toBe(20);
  });

  it('refuses by name what there will never be', async () => {
    const budget = budgetOf(100 * MB, 40 * MB);
    await expect(budget.reserve({ buffers: 41 * MB }, 'backfill of a')).rejects.toMatchObject({
      code: 'memory-limit-too-small',
      message:
        'backfill of a needs 41 MB of buffers outside the heap at least; of the 2048 MB of this process 40 MB are for that',
    });
    expect(budget.usedBytes).toBe(0);
  });
});

describe('the shares of a memory', () => {
  it.each([
    [768, 128],
    [1024, 341],
    [2048, 682],
    [4096, 1365],
  ])('of %i MB leave DuckDB %i MB, and add up to the whole', (memoryMb, duckDbMb) => {
    const { totalBytes, duckDbBytes, oldSpaceBytes, limits, intake } = memoryShares(memoryMb);
    expect(duckDbBytes).toBe(duckDbMb * MB);
    expect(duckDbBytes + oldSpaceBytes + limits.buffers + intake.buffers).toBe(totalBytes);
    expect(limits.heap + intake.heap).toBeLessThan(oldSpaceBytes * 0.75);
    expect(limits.heap + intake.heap).toBeGreaterThan(100 * MB);
  });

  it('count on no heap that V8 would not give', () => {
    const { oldSpaceBytes, limits } = memoryShares(64 * 1024, 4096 * MB);
    expect(oldSpaceBytes).toBe(4096 * MB);
    expect(limits.heap).toBeLessThan(4096 * MB * 0.75);
  });
});

describe('a read that waits for memory', () => {
  it('says so where that lasts a second, and says when it is over', async () => {
    vi.useFakeTimers();
    try {
      const intake = intakeMemory(new MemoryBudget(memoryShares(2048)));
      const others = await intake.reserve(intake.limits, 'reading a');
      const told: (string | null)[] = [];
      const reads = reserveIntake(intake, { buffers: MB }, 'reading b', { onWait: (text) => told.push(text) });
      vi.advanceTimersByTime(999);
      expect(told).toEqual([]);
      vi.advanceTimersByTime(1);
      expect(told).toEqual([expect.stringMatching(/^waiting for 1 MB of memory: it is held by reading a/)]);
      others.release();
      (await reads).release();
      expect(told.slice(1)).toEqual([null]);
      // One that waits for less is no news, nor one that is given up.
      for (const abort of [null, new AbortController()]) {
        const again = await intake.reserve(intake.limits, 'reading a');
        const next = reserveIntake(intake, { buffers: MB }, 'reading b', {
          ...(abort === null ? {} : { signal: abort.signal }),
          onWait: (text) => told.push(text),
        });
        vi.advanceTimersByTime(500);
        abort?.abort(new Error('enough'));
        again.release();
        if (abort === null) (await next).release();
        else await expect(next).rejects.toThrow('enough');
        vi.advanceTimersByTime(5_000);
      }
      expect(told).toHaveLength(2);
      expect(intake.usedBytes).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
