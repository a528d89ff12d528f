import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { compactArchive } from '../../engine/archive/compact-archive.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { DuckDb } from '../../engine/duckdb/duckdb.ts';
import { batchTurn, duckDbMemory } from '../../engine/memory/duckdb-memory.ts';
import { intakeMemory } from '../../engine/memory/intake-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { type MemoryShares, memoryShares } from '../../engine/memory/memory-shares.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { LogBatch } from '../../engine/topic/log-reader.ts';
import { purchaseBytes } from '../stream/stream-view.ts';
import { createMemoryLogReader } from '../stream/memory-log.ts';
import { type ArchiveWorld, asText, openArchiveWorld, readBetween } from './archive-fixture.ts';

const MB = 1 << 20;
/** About; no two alike. */
const LARGE_BYTES = 100_000;
const RECORDS = 300;

let databaseUrl = '';
let world: ArchiveWorld;

beforeAll(() => {
  databaseUrl = inject('stack').databaseUrl;
});

beforeEach(async () => {
  world = await openArchiveWorld(databaseUrl, { partitions: 2, batchSize: () => 8 });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await world.close();
});

function memoryOf(shares: Partial<MemoryShares> = {}): MemoryBudget {
  return new MemoryBudget({ ...memoryShares(1024), ...shares });
}

/** Records of 100 kB into both partitions. */
function appendLarge(count = RECORDS): void {
  for (let index = 0; index < count; index++) {
    const at = new Date(1_700_000_000_000 + index * 1_000).toISOString();
    const customer = `${index}-`.repeat(LARGE_BYTES / 4).slice(0, LARGE_BYTES);
    const value = purchaseBytes({ id: `p${index}`, at, customer, amount: index % 40 });
    world.broker.append(world.topic, index % 2, [{ key: null, value, timestampUs: 1_700_000_000_000_000 + index }]);
  }
}

/** Forgets what is archived, and gives a reader that has it all from there. */
function archivedReader(memory: MemoryBudget): ReturnType<typeof withArchive> {
  const half = RECORDS / 2;
  for (const partition of [0, 1]) world.broker.deleteBefore(world.topic, partition, half);
  return withArchive(
    createMemoryLogReader(world.broker, () => 64),
    {
      pool: world.pool,
      archiveDir: world.archiveDir,
      duckdbTempDir: join(world.archiveDir, '.duckdb'),
      memory,
    },
  );
}

const positions = new Map([
  [0, 0],
  [1, 0],
]);
const ends = new Map([
  [0, RECORDS / 2],
  [1, RECORDS / 2],
]);

describe('an archive of large records', () => {
  it('is read by bytes, within what there is for records on their way in, and the same bytes', async () => {
    appendLarge();
    const before = await readBetween(world.reader, world.topic, [0, 0], [RECORDS / 2, RECORDS / 2]);
    await world.archive({ memory: memoryOf() });
    // 3 MB in flight, where a file has 30.
    const memory = memoryOf({ intake: { heap: 4 * MB, buffers: 3 * MB } });
    const intake = intakeMemory(memory);
    const reader = archivedReader(memory);
    const asked = vi.spyOn(DuckDb.prototype, 'chunks');
    let most = 0;
    const seen: string[] = [];
    for await (const batch of reader.read({ topic: world.topic, positions, ends })) {
      most = Math.max(most, intake.used.buffers);
      const bytes = batch.records.reduce((sum, { value }) => sum + value!.length, 0);
      expect(batch.memory?.bytes ?? 0).toBeGreaterThanOrEqual(bytes);
      expect(batch.records.length === 1 || bytes <= intake.limits.buffers / 16).toBe(true);
      for (const record of batch.records) seen.push(asText(record));
    }
    expect(seen.toSorted()).toEqual(before.flat().map(asText).toSorted());
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(3 * MB);
    // DuckDB's chunks, too: 2,048 rows would have been all of a file.
    const windows = asked.mock.calls.map(([sql]) => /"offset" >= (\d+) AND "offset" < (\d+)$/.exec(sql));
    expect(windows.length).toBeGreaterThan(1);
    for (const window of windows) expect((Number(window![2]) - Number(window![1])) * LARGE_BYTES).toBeLessThan(17 * MB);
    expect(intake.usedBytes).toBe(0);
    await reader.close();
  });

  it('gives its memory back where the read is left, aborted, or keeps its records', async () => {
    appendLarge();
    await world.archive({ memory: memoryOf() });
    const memory = memoryOf();
    const intake = intakeMemory(memory);
    const reader = archivedReader(memory);
    for await (const batch of reader.read({ topic: world.topic, positions, ends })) {
      expect(batch.records.length).toBeGreaterThan(0);
      break;
    }
    expect(intake.usedBytes).toBe(0);
    const kept: LogBatch[] = [];
    for await (const batch of reader.read({ topic: world.topic, positions, ends })) {
      batch.memory?.keep();
      kept.push(batch);
      if (kept.length === 3) break;
    }
    expect(intake.usedBytes).toBe(kept.reduce((sum, batch) => sum + (batch.memory?.bytes ?? 0), 0));
    for (const { memory: held } of kept) held?.release();
    expect(intake.usedBytes).toBe(0);
    // All of it is in use: the read waits, until it is aborted.
    const others = await intake.reserve(intake.limits, 'others');
    const abort = new AbortController();
    const next = reader
      .read({ topic: world.topic, positions, ends, signal: abort.signal })
      [Symbol.asyncIterator]()
      .next();
    await vi.waitFor(() => expect(intake.waiting()).toHaveLength(1), { timeout: 20_000 });
    abort.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    others.release();
    expect(intake.usedBytes).toBe(0);
    await reader.close();
  });

  it('is merged into files whose row groups are bounded by bytes, or not at all', async () => {
    // A chunk of 2,048 of these would be 200 MB, of a DuckDB of 64.
    const memory = memoryOf({ duckDbBytes: 64 * MB });
    appendLarge();
    await world.archive({ memory, roll: { rows: 20 } });
    const files = async (): Promise<string[]> =>
      (await readdir(join(world.archiveDir, world.source.name))).filter((name) => name.endsWith('.parquet'));
    expect((await files()).length).toBeGreaterThan(10);
    const before = await readBetween(world.archived, world.topic, [0, 0], [RECORDS / 2, RECORDS / 2]);
    const compact = (): ReturnType<typeof compactArchive> =>
      compactArchive({
        source: world.source.name,
        pool: world.pool,
        archiveDir: world.archiveDir,
        clock: systemClock,
        memory,
      });
    // Not while a batch has its turn.
    const turn = await duckDbMemory(memory).reserve(batchTurn(memory), 'backfill of a');
    expect((await compact()).merged).toBe(0);
    turn.release();
    const { merged, into } = await compact();
    expect(merged).toBeGreaterThan(2);
    // Thirty megabytes are more than a quarter of DuckDB's memory: several files.
    expect(into).toBeGreaterThan(1);
    expect(duckDbMemory(memory).usedBytes).toBe(0);
    const after = await readBetween(archivedReader(memory), world.topic, [0, 0], [RECORDS / 2, RECORDS / 2]);
    expect(after.flat().map(asText)).toEqual(before.flat().map(asText));
  });
});

describe('an archiver', () => {
  it('makes a file early where batches have the memory of DuckDB, with the same records in the end', async () => {
    appendLarge();
    const before = await readBetween(world.reader, world.topic, [0, 0], [RECORDS / 2, RECORDS / 2]);
    const free = memoryOf();
    const turn = await duckDbMemory(free).reserve(duckDbMemory(free).limits, 'backfill of a');
    const { files } = await world.archive({ memory: free });
    // 30 MB, where a file may have 42: of 8 MB each.
    expect(files).toBeGreaterThanOrEqual(3);
    turn.release();
    expect([free.usedBytes, duckDbMemory(free).usedBytes]).toEqual([0, 0]);
    const after = await readBetween(archivedReader(free), world.topic, [0, 0], [RECORDS / 2, RECORDS / 2]);
    expect(after.flat().map(asText)).toEqual(before.flat().map(asText));
  });

  it('makes one file of them where nobody else has it', async () => {
    appendLarge();
    const memory = memoryOf();
    expect((await world.archive({ memory })).files).toBe(1);
    expect([memory.usedBytes, duckDbMemory(memory).usedBytes]).toEqual([0, 0]);
  });

  it('waits for its memory and says so, and gives it back when it is told to end', async () => {
    appendLarge(4);
    const memory = memoryOf();
    const others = await memory.reserve(memory.limits, 'backfill of a');
    const said: string[] = [];
    const abort = new AbortController();
    const ended = world.archive({
      memory,
      until: 'forever',
      signal: abort.signal,
      limits: { progressEveryMs: 10 },
      onProgress: ({ state, waitingFor }) => void (state === 'waiting' && said.push(waitingFor ?? '')),
    });
    await vi.waitFor(() => expect(said.at(-1)).toMatch(/the archive of .* is waiting for \d+ MB .* backfill of a/), {
      timeout: 20_000,
    });
    others.release();
    await vi.waitFor(() => expect(memory.usedBytes).toBeGreaterThan(0), { timeout: 20_000 });
    abort.abort();
    expect((await ended).ended).toBe('aborted');
    expect([memory.usedBytes, duckDbMemory(memory).usedBytes]).toEqual([0, 0]);
  });

  it('archives what it has, and waits, where there is no room for a larger record', async () => {
    appendLarge(10);
    const memory = memoryOf({ limits: { heap: 64 * MB, buffers: 40 * MB } });
    const at = new Date(1_700_000_100_000).toISOString();
    const value = purchaseBytes({ id: 'huge', at, customer: 'c'.repeat(6 * MB), amount: 1 });
    world.broker.append(world.topic, 0, [{ key: null, value, timestampUs: 1_700_000_100_000_000 }]);
    const before = await readBetween(world.reader, world.topic, [0, 0], [6, 5]);
    const others = await memory.reserve({ buffers: 20 * MB }, 'backfill of a');
    const said: string[] = [];
    const ended = world.archive({
      memory,
      limits: { progressEveryMs: 10, retryMinMs: 1, retryMaxMs: 5 },
      onProgress: ({ state, waitingFor }) => void (state === 'waiting' && said.push(waitingFor ?? '')),
    });
    await vi.waitFor(() => expect(said.at(-1)).toMatch(/waiting for \d+ MB of memory: it is held by backfill of a/), {
      timeout: 20_000,
    });
    expect(memory.usedBytes).toBe(20 * MB);
    others.release();
    expect(await ended).toMatchObject({ ended: 'present-end', records: 11 });
    expect([memory.usedBytes, duckDbMemory(memory).usedBytes]).toEqual([0, 0]);
    for (const partition of [0, 1]) world.broker.deleteBefore(world.topic, partition, partition === 0 ? 6 : 5);
    const after = await readBetween(world.archived, world.topic, [0, 0], [6, 5]);
    expect(after.flat().map(asText)).toEqual(before.flat().map(asText));
  });

  it.each(['after-fetch', 'after-write', 'after-cas', 'before-commit'] as const)(
    'gives its memory back where it fails (%s)',
    async (point) => {
      appendLarge(20);
      const memory = memoryOf();
      const failAt = (at: string): void => {
        if (at === point) throw new Error('broken');
      };
      await expect(world.archive({ memory, failAt })).rejects.toThrow('broken');
      expect([memory.usedBytes, duckDbMemory(memory).usedBytes]).toEqual([0, 0]);
    },
  );
});
