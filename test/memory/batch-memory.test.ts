import { describe, expect, it } from 'vitest';
import { withBatchMemory } from '../../engine/memory/duckdb-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';

const LEAST = { heap: 1 << 20, buffers: 1 << 20 };

/** A batch that runs until it is let go. */
function batch(memory: MemoryBudget, what: string, signal?: AbortSignal) {
  const gate = Promise.withResolvers<void>();
  const seen = { began: false, waits: false, waited: '' };
  const onWait = (text: string | null): void => {
    if (text === null) seen.waits = false;
    else Object.assign(seen, { waits: true, waited: text });
  };
  const ended = withBatchMemory(memory, LEAST, what, { signal, onWait }, async () => {
    seen.began = true;
    await gate.promise;
  });
  return { seen, gate, ended };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe('batches', () => {
  it.each([
    [768, 1],
    [1024, 1],
    [2048, 2],
    [4096, 4],
  ])("of %d MB have DuckDB's memory %d at a time, in turn", async (memoryMb, most) => {
    const memory = new MemoryBudget(memoryShares(memoryMb));
    const all = Array.from({ length: most + 2 }, (_, n) => batch(memory, `batch ${n}`));
    await turns();
    expect(all.map(({ seen }) => seen.began)).toEqual(all.map((_, n) => n < most));
    expect(all[most]!.seen.waited).toMatch(/^waiting for \d+ MB of memory: it is held by batch 0/);
    expect(memory.used).toEqual({ heap: most << 20, buffers: most << 20 });
    all[0]!.gate.resolve();
    await all[0]!.ended;
    await turns();
    expect(all.map(({ seen }) => seen.began)).toEqual(all.map((_, n) => n < most + 1));
    expect(all.map(({ seen }) => seen.waits)).toEqual(all.map((_, n) => n > most));
    for (const { gate } of all) gate.resolve();
    await Promise.all(all.map(({ ended }) => ended));
    expect(memory.usedBytes).toBe(0);
  });

  it('leave when they are told to, and give their turn back when they fail', async () => {
    const memory = new MemoryBudget(memoryShares(1024));
    const abort = new AbortController();
    const [first, second, third] = [batch(memory, 'a'), batch(memory, 'b', abort.signal), batch(memory, 'c')];
    await turns();
    abort.abort(new Error('enough'));
    await expect(second.ended).rejects.toThrow('enough');
    first.gate.reject(new Error('broken'));
    await expect(first.ended).rejects.toThrow('broken');
    await turns();
    expect([second.seen.began, third.seen.began]).toEqual([false, true]);
    third.gate.resolve();
    await third.ended;
    expect(memory.usedBytes).toBe(0);
    const tooMuch = withBatchMemory(memory, { heap: 2 ** 40, buffers: 0 }, 'd', {}, () => Promise.resolve());
    await expect(tooMuch).rejects.toMatchObject({ code: 'memory-limit-too-small' });
    await withBatchMemory(memory, LEAST, 'e', {}, () => Promise.resolve());
  });
});
