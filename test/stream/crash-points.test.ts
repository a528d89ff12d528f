import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { addCounts, emptyCounts, type LogCounts } from '../../engine/admission/log-counts.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { viewHours } from '../../engine/monitors/view-hours.ts';
import type { FailPoint } from '../../engine/stream/stream-options.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { randomLog } from './random-log.ts';
import { replayTopic } from './replay.ts';
import { catalogRows, openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from './stream-fixture.ts';
import { spendingView } from './stream-view.ts';

const TOPIC = 'purchases';
const POINTS: readonly FailPoint[] = ['after-fetch', 'after-cas', 'before-commit', 'after-commit'];
// A failure is reported at once, with its seed: shrinking takes longer than a test may.
const seed = Date.now() % 2 ** 31;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

class Crash extends Error {}

test(`a stream that dies anywhere, again and again, ends in the state of a plain replay (seed ${seed})`, async () => {
  const crashes = fc.array(fc.record({ point: fc.constantFrom(...POINTS), after: fc.nat(6) }), { maxLength: 6 });
  const shape = fc.record({
    batchRecords: fc.integer({ min: 8, max: 60 }),
    cache: fc.record({ decoded: fc.constantFrom(0, 5_000, 1e9), encoded: fc.constantFrom(0, 1_100_000, 1e9) }),
    fetch: fc.integer({ min: 1, max: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(randomLog(120), crashes, shape, async (log, deaths, { batchRecords, cache, fetch }) => {
      const broker = new MemoryBroker();
      broker.createTopic(TOPIC, log.partitions);
      const reader = createMemoryLogReader(broker, () => fetch);
      const view = spendingView({ topic: TOPIC, source: { invalidLimit: { rate: 1, window: 1000 } } });
      const version = await publishEmptyVersion(database.pool, view, broker.bounds(TOPIC));
      for (const step of log.steps) {
        if ('control' in step) broker.appendControl(TOPIC, step.partition, step.control);
        else broker.append(TOPIC, step.partition, [step.record]);
      }
      for (let life = 0; ; life++) {
        const death = deaths[life];
        let passed = 0;
        try {
          const result = await runStream({
            view,
            version,
            pool: database.pool,
            reader,
            clock: testClock,
            until: 'present-end',
            fence: { generation: 1, attemptMs: life + 1, owner: `life-${life}` },
            limits: { batchRecords, maxBatchRecords: batchRecords * 2, batchMs: 1, cache },
            failAt: (point) => {
              if (point === death?.point && passed++ === death.after) throw new Crash();
            },
          });
          expect(result.ended).toBe('present-end');
          if (life >= deaths.length) break;
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
        }
      }
      const replayed = await replayTopic(view, reader);
      expect(await stateBytes(database.pool, view, version)).toEqual(replayed.states);
      const letters = await catalogRows(database.pool, 'dead_letter', view.name, version);
      expect(letters.map((row) => `${String(row['partition'])}:${String(row['offset'])}`).sort()).toEqual(
        replayed.deadLetters,
      );
      const offsets = await catalogRows(database.pool, 'stream_offset', view.name, version);
      const totals = emptyCounts();
      for (const row of offsets) addCounts(totals, { ...emptyCounts(), ...(row['counts'] as Partial<LogCounts>) });
      expect(totals).toEqual(replayed.counts);
      const hours = (await viewHours(database.pool, { view: view.name, fromMs: -1e15, untilMs: 1e15 })).filter(
        (hour) => hour.version === version,
      );
      const ordered = [...replayed.hours].sort(([a], [b]) => a - b);
      expect(hours).toEqual(
        ordered.map(([beginMs, { ok, filtered, failed, late, 'null-key': nullKey }]) => {
          const offered = ok + filtered + failed + nullKey;
          const keptShare = (offered - filtered) / offered;
          return { version, beginMs, offered, filtered, nullKey, failed, late, keptShare };
        }),
      );
    }),
    { numRuns: 25, seed, endOnFailure: true },
  );
}, 300_000);
