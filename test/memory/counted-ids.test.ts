import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClaimPool } from '../../engine/admission/claim-pool.ts';
import { PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { scanLog } from '../../engine/log/scan-log.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { TopicScan } from '../../engine/topic/topic-scan.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { order, orderBytes, orderSource } from '../log/orders.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';

const MB = 2 ** 20;
const IDS = 60_000;

/** A budget of so many bytes of each place, whatever a real one would share out. */
function budgetOf(heap: number, buffers: number): MemoryBudget {
  return new MemoryBudget({ ...memoryShares(2048), limits: { heap, buffers } });
}

describe('memory that cannot be done without', () => {
  it('is counted though it is not free; others are asked for it, and nobody grows meanwhile', () => {
    const budget = budgetOf(100, 100);
    const states = budget.tryReserve({ buffers: 10 }, 'states')!;
    expect(states.grow('buffers', 70)).toBe(true);
    const ids = budget.overdraw({}, 'ids');
    ids.overdraw('buffers', 50);
    expect(budget.used.buffers).toBe(130);
    // Thirty too many: of what it has beyond its least the other is to give so much back.
    expect(states.wanted('buffers')).toBe(30);
    expect(states.grow('buffers', 1)).toBe(false);
    states.shrink('buffers', 30);
    expect(states.wanted('buffers')).toBe(0);
    expect(budget.holders()).toContainEqual({ what: 'ids', heap: 0, buffers: 50 });
    ids.release();
    states.release();
    expect(budget.usedBytes).toBe(0);
  });

  it('lets those wait who come after it, and serves them when it goes', async () => {
    const budget = budgetOf(100, 100);
    const ids = budget.overdraw({ buffers: 120 }, 'ids');
    const next = budget.reserve({ buffers: 30 }, 'next');
    expect(budget.waiting()).toHaveLength(1);
    expect(budget.lacking('buffers')).toBe(50);
    ids.release();
    (await next).release();
    expect(budget.usedBytes).toBe(0);
  });
});

describe('the ids of a topic that is read to a cut', () => {
  let folder: string;
  let duckdb: DuckDb;
  let broker: MemoryBroker;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-counted-ids-'));
    duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
    broker = new MemoryBroker();
    broker.createTopic('orders', 2);
    for (let n = 0; n < IDS; n++) {
      const row = order(`o${n}`, 1_000_000_000_000 + n, n);
      broker.append('orders', n % 2, [{ value: orderBytes(row), timestampUs: row.atUs }]);
    }
  });
  afterAll(async () => {
    await duckdb.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function read(memory: MemoryBudget, each: () => void, isSaved = false): Promise<void> {
    const reader = createMemoryLogReader(broker, () => 500);
    const scan = scanLog({
      source: orderSource(),
      cut: await takeCut(reader, 'orders', systemClock),
      reader,
      duckdb,
      listings: listingsOfProcess(systemClock),
      order: 'any',
      isSaved,
      memory,
    });
    for await (const _ of scan.batches()) each();
  }

  it('are counted as they come, and given back at the end and after a failure', async () => {
    const memory = budgetOf(MB, 64 * MB);
    let most = 0;
    await read(memory, () => (most = Math.max(most, memory.used.buffers)));
    expect(most).toBeGreaterThan(IDS * 24);
    expect(most).toBeLessThan(IDS * 40 + 4 * MB);
    expect(memory.usedBytes).toBe(0);
    const broken = read(memory, () => {
      if (memory.used.buffers > MB) throw new Error('enough');
    });
    await expect(broken).rejects.toThrow('enough');
    expect(memory.usedBytes).toBe(0);
  });

  it('are counted with those that the history knows', async () => {
    const reader = createMemoryLogReader(broker, () => 500);
    const known = new PartitionDedupe(24 * 3_600_000_000, null);
    for (let n = 0; n < IDS; n++) known.judge(`h${n}`, 1_000_000_000_000, 1_000_000_000_000);
    const memory = budgetOf(MB, 64 * MB);
    const scan = new TopicScan(
      {
        source: orderSource(),
        topic: 'orders',
        cut: await takeCut(reader, 'orders', systemClock),
        reader,
        memory,
        onInvalid: () => undefined,
      },
      { horizonIds: known.takeNew()!.ids, newestEventTimeUs: 1_000_000_000_000 },
    );
    for await (const _ of scan.batches(() => undefined)) if (memory.used.buffers > 0) break;
    expect(memory.used.buffers).toBeGreaterThan(IDS * 24);
    scan.release();
    expect(memory.usedBytes).toBe(0);
  });

  it('are refused by name where they alone are more than there is', async () => {
    const memory = budgetOf(MB, MB);
    await expect(read(memory, () => undefined)).rejects.toMatchObject({
      code: 'memory-limit-too-small',
      message: expect.stringMatching(/^ids of topic orders within its horizon take \d MB/) as string,
    });
    expect(memory.usedBytes).toBe(0);
  });

  it('are held once where nobody asks for the new ones', () => {
    const bytesOf = (keepsNew: boolean): number => {
      const dedupe = new PartitionDedupe(1_000_000_000, null, new ClaimPool(), keepsNew);
      for (let n = 0; n < 10_000; n++) expect(dedupe.judge(`o${n}`, n, n)).toBe('new');
      const { bytes } = dedupe;
      expect(dedupe.takeNew() === null).toBe(!keepsNew);
      return bytes;
    };
    const [without, withNew] = [bytesOf(false), bytesOf(true)];
    expect(without + 10_000 * 24).toBeLessThanOrEqual(withNew);
  });
});
