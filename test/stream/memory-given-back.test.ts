import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { codeOf } from '../../engine/define/known-code.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { duckDbMemory } from '../../engine/memory/duckdb-memory.ts';
import { intakeMemory } from '../../engine/memory/intake-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { auditParity } from '../../engine/parity/audit-parity.ts';
import { explainFeatures } from '../../engine/parity/explain-features.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type ArchiveWorld, appendPurchases, nextFence, openArchiveWorld } from '../archive/archive-fixture.ts';
import { createMemoryLogReader } from './memory-log.ts';
import { spendingView } from './stream-view.ts';

const RECORDS = 3_000;

let world: ArchiveWorld;
let view: CompiledView;
let builds = 0;
beforeAll(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl, { partitions: 1 });
  view = spendingView({ topic: world.topic, source: { invalidLimit: { rate: 0.5, window: 1000 } } });
  appendPurchases(world.broker, world.topic, 0, 0, RECORDS);
  await world.archive({ roll: { rows: 500 } });
  // All of it is read from the archive, whose records are counted on their way in.
  world.broker.deleteBefore(world.topic, 0, RECORDS);
});
afterAll(() => world.close());

/** What an activity is given. */
interface Given {
  readonly memory: MemoryBudget;
  readonly reader: LogReader;
  readonly signal: AbortSignal;
}

const common = (): { view: CompiledView; pool: ArchiveWorld['pool']; clock: typeof systemClock; spillDir: string } => ({
  view,
  pool: world.pool,
  clock: systemClock,
  spillDir: join(world.archiveDir, '.spill'),
});

async function backfill(given: Given): Promise<number> {
  const { version } = await runBackfill({ ...common(), ...given, builder: `given-back-${++builds}` });
  return version;
}

/** What is done, by its name; each reads the whole log. */
const own = () => ({ view: view.name, code: codeOf([view]) });

const activities: Readonly<Record<string, (given: Given) => Promise<unknown>>> = {
  backfill,
  audit: (given) =>
    auditParity({ ...common(), ...given, ...own(), archiveDir: world.archiveDir, servedTopic: null, kind: 'audit' }),
  explanation: (given) =>
    explainFeatures({ ...common(), ...given, ...own(), archiveDir: world.archiveDir, key: ['customer-1'] }),
  // The last: it is begun anew each time, which no replay of its commits would take.
  stream: async (given) => {
    const { version } = (await liveVersion(world.pool, view.name))!;
    await world.pool.query('UPDATE millrace_catalog.stream_offset SET next_offset = 0, watermark_us = NULL');
    return runStream({ ...common(), ...given, version, until: 'present-end', fence: nextFence() }).then(
      ({ ended, records }) => {
        if (ended === 'aborted') throw new Error('enough');
        return records;
      },
    );
  },
};

describe.each(Object.entries(activities))('the memory of one %s', (_, work) => {
  it('is given back where it ends well, fails half-way, and is told to end', async () => {
    const memory = new MemoryBudget(memoryShares(1024));
    const budgets = [memory, intakeMemory(memory), duckDbMemory(memory)];
    const archived = withArchive(
      createMemoryLogReader(world.broker, () => 64),
      {
        pool: world.pool,
        archiveDir: world.archiveDir,
        duckdbTempDir: join(world.archiveDir, '.duckdb'),
        memory,
      },
    );
    const setUp = new AbortController();
    if ((await liveVersion(world.pool, view.name)) === null) {
      const version = await backfill({ memory, reader: archived, signal: setUp.signal });
      await publishVersion({ pool: world.pool, view: view.name, version });
    }
    for (const way of ['well', 'broken', 'aborted'] as const) {
      const abort = new AbortController();
      let most = 0;
      let batches = 0;
      const reader: LogReader = {
        bounds: (topic) => archived.bounds(topic),
        recordAt: (...place) => archived.recordAt(...place),
        reportOffsets: async () => {},
        close: async () => {},
        read: async function* (options) {
          for await (const batch of archived.read(options)) {
            most = Math.max(most, budgets[1]!.usedBytes);
            if (++batches === 3 && way === 'broken') throw new Error('broken');
            if (batches === 3 && way === 'aborted') abort.abort(new Error('enough'));
            yield batch;
          }
        },
      };
      const running = work({ memory, reader, signal: abort.signal });
      if (way === 'well') await running;
      else await expect(running).rejects.toThrow(way === 'broken' ? 'broken' : 'enough');
      expect([way, batches >= 3, most > 0]).toEqual([way, true, true]);
      const held = budgets.map(({ usedBytes }) => usedBytes);
      const waiting = budgets.flatMap((budget) => budget.waiting());
      expect({ way, held, waiting, holders: memory.holders() }).toEqual({
        way,
        held: [0, 0, 0],
        waiting: [],
        holders: [],
      });
    }
    await archived.close();
  });
});
