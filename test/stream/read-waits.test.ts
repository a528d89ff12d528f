import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { intakeMemory } from '../../engine/memory/intake-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type ArchiveWorld, appendPurchases, nextFence, openArchiveWorld } from '../archive/archive-fixture.ts';
import { createMemoryLogReader } from './memory-log.ts';
import { publishEmptyVersion } from './stream-fixture.ts';
import { spendingView } from './stream-view.ts';

const RECORDS = 500;

let world: ArchiveWorld;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl, { partitions: 1 });
});

afterEach(() => world.close());

describe('a read that has no memory for what comes in', () => {
  it('shows as a wait of its stream, which goes on once there is some, and of its slice where that is asked for', async () => {
    const view = spendingView({ topic: world.topic });
    const version = await publishEmptyVersion(world.pool, view, world.broker.bounds(world.topic));
    appendPurchases(world.broker, world.topic, 0, 0, RECORDS);
    await world.archive();
    world.broker.deleteBefore(world.topic, 0, RECORDS);
    const memory = new MemoryBudget(memoryShares(1024));
    const intake = intakeMemory(memory);
    const reader = withArchive(
      createMemoryLogReader(world.broker, () => 64),
      {
        pool: world.pool,
        archiveDir: world.archiveDir,
        duckdbTempDir: join(world.archiveDir, '.duckdb'),
        memory,
      },
    );
    const others = await intake.reserve(intake.limits, 'reading clicks');
    const states: string[] = [];
    const said: string[] = [];
    const options = { view, version, pool: world.pool, reader, clock: systemClock, memory } as const;
    // Whoever asks hears of it by the slice's end.
    const told = await runStream({
      ...options,
      until: 'forever',
      waiting: null,
      fence: nextFence(),
      limits: { progressEveryMs: 10, tellWaitAfterMs: 20, boundsEveryMs: 20 },
    });
    expect(told).toMatchObject({ ended: 'deadline', records: 0, waiting: { code: 'memory-in-use' } });
    const ended = runStream({
      ...options,
      until: 'present-end',
      fence: nextFence(),
      limits: { progressEveryMs: 10 },
      onProgress: ({ state, waitingFor }) => {
        states.push(state);
        if (state === 'waiting') said.push(waitingFor ?? '');
      },
    });
    await vi.waitFor(
      () =>
        expect(said.at(-1)).toMatch(
          /^stream of spending, version 1 is waiting for \d+ MB of memory: it is held by reading clicks/,
        ),
      { timeout: 20_000 },
    );
    expect(states.at(-1)).toBe('waiting');
    others.release();
    const result = await ended;
    expect(result).toMatchObject({ ended: 'present-end', records: RECORDS, waiting: null });
    expect(states.at(-1)).toBe('running');
    expect([intake.usedBytes, memory.usedBytes]).toEqual([0, 0]);
    await reader.close();
  });
});
