import { expect, it } from 'vitest';
import type { MetricGauge, MetricMeter, MetricTags } from '@temporalio/common';
import { MemoryGauges } from '../../activities/memory-gauges.ts';
import { memoryFlags, streamSlots } from '../../config/worker-memory.ts';
import { withBatchMemory } from '../../engine/memory/duckdb-memory.ts';
import { intakeMemory } from '../../engine/memory/intake-memory.ts';
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
  const shares = memoryShares(2048);
  const memory = new MemoryBudget({
    ...shares,
    duckDbBytes: 300 << 20,
    limits: { heap: 100, buffers: 50 },
    intake: { heap: 10, buffers: 20 },
  });
  const gauges = new MemoryGauges(meter as MetricMeter, memory);
  const held = await memory.reserve({ heap: 70, buffers: 10 }, 'backfill of a');
  const read = await intakeMemory(memory).reserve({ buffers: 15 }, 'reading t');
  const waits = memory.reserve({ heap: 40 }, 'export of b');
  const reads = intakeMemory(memory).reserve({ buffers: 15 }, 'reading u');
  const turn = withBatchMemory(memory, { heap: 0, buffers: 0 }, 'audit of c', {}, () => waits);
  const turns = withBatchMemory(memory, { heap: 0, buffers: 0 }, 'audit of d', {}, async () => {});
  gauges.show();
  expect(Object.fromEntries(told)).toEqual({
    'millrace_memory_limit_bytes{"place":"heap"}': 100,
    'millrace_memory_limit_bytes{"place":"buffers"}': 50,
    'millrace_memory_limit_bytes{"place":"intake"}': 30,
    'millrace_memory_limit_bytes{"place":"duckdb"}': 300 << 20,
    'millrace_memory_used_bytes{"place":"heap"}': 70,
    'millrace_memory_used_bytes{"place":"buffers"}': 10,
    'millrace_memory_used_bytes{"place":"intake"}': 15,
    'millrace_memory_used_bytes{"place":"duckdb"}': 300 << 20,
    'millrace_memory_held_bytes{"holder":"backfill of a"}': 80,
    'millrace_memory_held_bytes{"holder":"reading t"}': 15,
    'millrace_memory_waiting{"place":"memory"}': 1,
    'millrace_memory_waiting{"place":"intake"}': 1,
    // Whose turn it is not.
    'millrace_memory_waiting{"place":"duckdb"}': 1,
  });
  held.release();
  read.release();
  const granted = await waits;
  (await reads).release();
  await Promise.all([turn, turns]);
  gauges.show();
  expect(told.get('millrace_memory_held_bytes{"holder":"backfill of a"}')).toBe(0);
  expect(told.get('millrace_memory_held_bytes{"holder":"reading t"}')).toBe(0);
  expect(told.get('millrace_memory_held_bytes{"holder":"export of b"}')).toBe(granted.heap);
  for (const place of ['memory', 'intake', 'duckdb'])
    expect(told.get(`millrace_memory_waiting{"place":"${place}"}`)).toBe(0);
});
