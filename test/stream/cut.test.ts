import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { setVersionStatus, viewVersion } from '../../engine/postgres/view-versions.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { FailPoint } from '../../engine/stream/stream-options.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { type LogStep, type RandomLog, randomLog } from './random-log.ts';
import { catalogRows, openStreamDatabase, stateBytes, testClock } from './stream-fixture.ts';
import { spendingView } from './stream-view.ts';

/*
 * Design §7, for every cut, 0 and the end included, whatever dies on the way:
 * state(batch[0,E) ⊕ stream[E,N)) == state(batch[0,N)) == state(stream[0,N)), byte for byte over the whole state table.
 */

const POINTS: readonly FailPoint[] = ['after-fetch', 'after-cas', 'before-commit', 'after-commit'];
// A failure is reported at once, with its seed: shrinking takes longer than a test may.
const seed = Date.now() % 2 ** 31;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let folder: string;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  folder = await mkdtemp(join(tmpdir(), 'millrace-cut-'));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

class Crash extends Error {}

interface Death {
  readonly point: FailPoint;
  readonly after: number;
}

/** Everything a version has become: what must not depend on where the cut was. */
interface Outcome {
  readonly states: string[];
  readonly deadLetters: string[];
  readonly offsets: unknown[];
  readonly counts: Record<string, number>;
}

/** A log that can be filled and read, in memory or in Kafka. */
interface Log {
  readonly reader: LogReader;
  append(steps: readonly LogStep[]): Promise<void>;
}

let versions = 0;

/** Backfills what is there after `before`, then streams what comes with `after`, dying where it is told to. */
async function build(
  view: CompiledView,
  log: Log,
  before: readonly LogStep[],
  after: readonly LogStep[],
  deaths: readonly Death[],
  batchRecords: number,
): Promise<Outcome> {
  const { pool } = database;
  const { reader } = log;
  await log.append(before);
  const { version } = await runBackfill({
    view,
    pool,
    reader,
    spillDir: folder,
    clock: testClock,
    builder: 'cut',
  });
  await setVersionStatus(pool, view.name, version, ['built'], 'live');
  await log.append(after);
  versions++;
  for (let life = 0; ; life++) {
    const death = deaths[life];
    let passed = 0;
    try {
      const result = await runStream({
        view,
        version,
        pool,
        reader,
        clock: testClock,
        until: 'present-end',
        fence: { generation: versions, attemptMs: life + 1, owner: 'cut' },
        limits: {
          batchRecords,
          maxBatchRecords: batchRecords * 2,
          batchMs: 1,
          cache: { decoded: 2_000, encoded: 4_000_000 },
        },
        failAt: (point) => {
          if (point === death?.point && passed++ === death.after) throw new Crash();
        },
      });
      expect(result.ended).toBe('present-end');
      break;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }
  const outcome = await outcomeOf(view, version);
  await setVersionStatus(pool, view.name, version, ['live'], 'superseded');
  return outcome;
}

async function outcomeOf(view: CompiledView, version: number): Promise<Outcome> {
  const { pool } = database;
  const offsets = await catalogRows(pool, 'stream_offset', view.name, version);
  const counts: Record<string, number> = {};
  const add = (some: object): void => {
    for (const [name, count] of Object.entries(some)) counts[name] = (counts[name] ?? 0) + Number(count);
  };
  add((await viewVersion(pool, view.name, version))!.counts);
  for (const row of offsets) add(row['counts'] as object);
  const letters = await catalogRows(pool, 'dead_letter', view.name, version);
  return {
    states: await stateBytes(pool, view, version),
    deadLetters: letters
      .map(({ topic, partition, offset, reasons, payload, broker_timestamp_us }) =>
        JSON.stringify({
          topic: topic === 'history' ? topic : 'topic',
          partition,
          offset,
          reasons,
          payload: payload === null ? null : Buffer.from(payload as Uint8Array).toString('hex'),
          broker_timestamp_us,
        }),
      )
      .sort(),
    offsets: offsets
      .map(({ partition, next_offset, watermark_us, anchor_offset, anchor_digest }) => ({
        partition,
        next_offset,
        watermark_us,
        anchor_offset,
        anchor_digest,
      }))
      .sort((a, b) => Number(a.partition) - Number(b.partition)),
    counts,
  };
}

function memoryLog(partitions: number, fetch: number, topic: string): Log {
  const broker = new MemoryBroker();
  broker.createTopic(topic, partitions);
  return {
    reader: createMemoryLogReader(broker, () => fetch),
    append: async (steps) => {
      for (const step of steps) {
        if ('control' in step) broker.appendControl(topic, step.partition, step.control);
        else broker.append(topic, step.partition, [step.record]);
      }
    },
  };
}

async function expectCutInvisible(
  log: RandomLog,
  cutAt: number,
  makeLog: () => Promise<Log>,
  view: CompiledView | ((log: Log) => CompiledView),
  deaths: readonly Death[],
  batchRecords: number,
): Promise<void> {
  const { steps } = log;
  const run = async (cut: number, dying: readonly Death[]): Promise<Outcome> => {
    const made = await makeLog();
    const used = typeof view === 'function' ? view(made) : view;
    return build(used, made, steps.slice(0, cut), steps.slice(cut), dying, batchRecords);
  };
  const batch = await run(steps.length, []);
  const both = await run(cutAt, deaths);
  const stream = await run(0, []);
  expect(both).toEqual(batch);
  expect(stream).toEqual(batch);
}

const deathsArbitrary = fc.array(fc.record({ point: fc.constantFrom(...POINTS), after: fc.nat(4) }), { maxLength: 4 });
/** Where to cut, as a share of the log: both ends often. */
const cutArbitrary = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));

test(`any cut of any log, with crashes (seed ${seed})`, async () => {
  let histories = 0;
  const holds = fc.assert(
    fc.asyncProperty(
      randomLog(70),
      fc.option(randomLog(30), { freq: 2 }),
      fc.option(fc.integer({ min: -2, max: 3 }), { freq: 2 }),
      cutArbitrary,
      deathsArbitrary,
      fc.integer({ min: 5, max: 40 }),
      fc.boolean(),
      async (log, past, untilDay, share, deaths, batchRecords, lifetime) => {
        // The history: the JSON values of another random log, as lines.
        const lines = (past?.steps ?? []).flatMap((step) =>
          'record' in step && step.record.value !== null && step.record.value.length > 0
            ? [Buffer.from(step.record.value).toString()]
            : [],
        );
        const path = join(folder, `history-${++histories}.jsonl`);
        if (lines.length > 0) await writeFile(path, `${lines.join('\n')}\n`);
        const history =
          lines.length === 0
            ? null
            : { path, untilUs: untilDay === null ? null : untilDay * 86_400_000_000, disjoint: true };
        const view = spendingView({
          topic: 'purchases',
          lifetime,
          source: { history, invalidLimit: { rate: 1, window: 1000 } },
        });
        const cutAt = Math.round(share * log.steps.length);
        await expectCutInvisible(
          log,
          cutAt,
          async () => memoryLog(log.partitions, 7, 'purchases'),
          view,
          deaths,
          batchRecords,
        );
      },
    ),
    { numRuns: 20, seed, endOnFailure: true },
  );
  await expect(holds).resolves.toBeUndefined();
}, 300_000);

test(`cuts of logs in Kafka (seed ${seed})`, async () => {
  const kafka = await openKafka(inject('stack').kafkaBrokers);
  let topics = 0;
  try {
    const holds = fc.assert(
      fc.asyncProperty(randomLog(70), cutArbitrary, deathsArbitrary, async (log, share, deaths) => {
        // Control records take transactions, which test/kafka covers.
        const steps = log.steps.filter((step) => 'record' in step);
        let topic = '';
        const makeLog = async (): Promise<Log> => {
          topic = `cut-${process.pid}-${seed}-${++topics}`;
          return kafkaLog(kafka, topic, log.partitions);
        };
        const view = (): CompiledView => spendingView({ topic, source: { invalidLimit: { rate: 1, window: 1000 } } });
        const outcomes = Math.round(share * steps.length);
        await expectCutInvisible({ ...log, steps }, outcomes, makeLog, view, deaths, 10);
      }),
      { numRuns: 4, seed, endOnFailure: true },
    );
    await expect(holds).resolves.toBeUndefined();
  } finally {
    await kafka.close();
  }
}, 300_000);

async function kafkaLog(kafka: KafkaFixture, topic: string, partitions: number): Promise<Log> {
  await kafka.createTopic(topic, partitions);
  return {
    reader: kafka.reader,
    append: async (steps) => {
      for (const step of steps) {
        if (!('record' in step)) continue;
        const { value, timestampUs } = step.record;
        // Timestamps are given: the outcome must not depend on when a test runs.
        await kafka.producer.send({
          topic,
          messages: [
            {
              partition: step.partition,
              value: value === null ? null : Buffer.from(value),
              timestamp: String(Math.max((timestampUs ?? 0) / 1000, 0)),
            },
          ],
        });
      }
    },
  };
}
