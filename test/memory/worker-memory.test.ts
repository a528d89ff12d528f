import { expect, it } from 'vitest';
import type { MetricGauge, MetricMeter, MetricTags } from '@temporalio/common';
import { MemoryGauges } from '../../activities/memory-gauges.ts';
import { memoryFlags, streamSlots } from '../../config/worker-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';

it('a worker takes on as many streams as have room to begin with, beside a backfill', () => {
  const slots = (memoryMb: number, hasBatches: boolean): number =>
    streamSlots(new MemoryBudget(memoryShares(memoryMb)), hasBatches);
  for (const memoryMb of [768, 1024, 2048]) {
    expect(slots(memoryMb, true)).toBeGreaterThan(0);
    expect(slots(memoryMb, true)).toBeLessThan(slots(memoryMb, false));
    expect(slots(memoryMb, false) * (8 << 20)).toBeLessThanOrEqual(memoryShares(memoryMb).limits.heap);
  }
  expect(slots(768, true)).toBeLessThan(20);
  expect(slots(64 * 1024, true)).toBe(100);
});

it('a worker is started with the heap of its setting', () => {
  expect(memoryFlags(2048)).toEqual(['--max-old-space-size=716', '--max-semi-space-size=16']);
});

it('the metrics of memory say who holds it, and 0 of who did', async () => {
  const told = new Map<string, number>();
  const meter: Pick<MetricMeter, 'createGauge'> = {
    createGauge: (name): MetricGauge => ({
      kind: 'gauge',
      name,
      valueType: 'int',
      set: (value: number, tags?: MetricTags) => void told.set(`${name}${JSON.stringify(tags ?? {})}`, value),
      withTags: () => {
        throw new Error('no tags of a gauge are set beforehand');
      },
    }),
  };
  const memory = new MemoryBudget({ ...memoryShares(2048), limits: { heap: 100, buffers: 50 } });
  const gauges = new MemoryGauges(meter as MetricMeter, memory);
  const held = await memory.reserve({ heap: 70, buffers: 10 }, 'backfill of a');
  const waits = memory.reserve({ heap: 40 }, 'export of b');
  gauges.show();
  expect(Object.fromEntries(told)).toEqual({
    'millrace_memory_limit_bytes{"place":"heap"}': 100,
    'millrace_memory_limit_bytes{"place":"buffers"}': 50,
    'millrace_memory_used_bytes{"place":"heap"}': 70,
    'millrace_memory_used_bytes{"place":"buffers"}': 10,
    'millrace_memory_held_bytes{"holder":"backfill of a"}': 80,
    'millrace_memory_waiting{}': 1,
  });
  held.release();
  await waits;
  gauges.show();
  expect(told.get('millrace_memory_held_bytes{"holder":"backfill of a"}')).toBe(0);
  expect(told.get('millrace_memory_held_bytes{"holder":"export of b"}')).toBe(40);
  expect(told.get('millrace_memory_waiting{}')).toBe(0);
});
