import { getHeapStatistics } from 'node:v8';
import { LEAST_BACKFILL_MEMORY } from '../engine/backfill/state-memory.ts';
import type { MemoryBudget } from '../engine/memory/memory-budget.ts';
import { STREAM_LEAST } from '../engine/stream/stream-memory.ts';
import { oldSpaceMb } from '../engine/memory/memory-shares.ts';

const MOST_STREAMS = 100;
/** V8 would let its young objects take three times 64 MB. */
const SEMI_SPACE_MB = 16;

/**
 * How many streams a worker takes on: as many as have room to begin with, beside one backfill where it does such work: streams never end.
 *
 * @example
 * streamSlots(setProcessMemory(2048), true);
 */
export function streamSlots({ limits }: MemoryBudget, hasBatches: boolean): number {
  const slots = (['heap', 'buffers'] as const).map((place) => {
    const room = limits[place] - (hasBatches ? LEAST_BACKFILL_MEMORY[place] : 0);
    return Math.floor(room / STREAM_LEAST[place]);
  });
  return Math.max(1, Math.min(MOST_STREAMS, ...slots));
}

/**
 * What a process that is to keep within so much memory is started with: V8's old space is a share of it. V8 takes it at its start only.
 *
 * @example
 * fork('worker.ts', [], { execArgv: memoryFlags(2048) });
 */
export function memoryFlags(memoryMb: number): string[] {
  return [`--max-old-space-size=${oldSpaceMb(memoryMb)}`, `--max-semi-space-size=${SEMI_SPACE_MB}`];
}

/**
 * What this process keeps within, how it is shared out, and what it takes before it has any work: its base.
 *
 * @example
 * log.info({ memory: memoryFigures(memory, streamSlots(memory, true)) }, 'READY');
 */
export function memoryFigures({ shares }: MemoryBudget, streams: number): Record<string, number> {
  const mb = (bytes: number): number => Math.round(bytes / 2 ** 20);
  return {
    memoryMb: mb(shares.totalBytes),
    idleRssMb: mb(process.memoryUsage.rss()),
    duckDbMb: mb(shares.duckDbBytes),
    oldSpaceMb: mb(shares.oldSpaceBytes),
    heapLimitMb: mb(getHeapStatistics().heap_size_limit),
    streams,
  };
}
