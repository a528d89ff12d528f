import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { removableBeforeUs } from '../../engine/state/removable-rows.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { FailPoint, RunStreamOptions } from '../../engine/stream/stream-options.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { replayTopic } from './replay.ts';
import { catalogRows, openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from './stream-fixture.ts';
import { purchaseBytes, spendingView } from './stream-view.ts';

const TOPIC = 'purchases';
const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const BASE_US = Date.UTC(2026, 2, 1) * 1000;
const POINTS: readonly FailPoint[] = ['after-cas', 'before-commit', 'before-sweep-commit', 'after-sweep'];
const seed = Date.now() % 2 ** 31;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

class Crash extends Error {}

/** Windows of a day and of seven, in tiles of an hour; nothing over all time. */
function expiringView(expireUs: number, more: Parameters<typeof spendingView>[0] = { topic: TOPIC }): CompiledView {
  const source = { invalidLimit: { rate: 1, window: 1000 }, ...more.source };
  const view = spendingView({ lifetime: false, ...more, source });
  return { ...view, layout: { ...view.layout, expireUs } };
}

/** A version that streams, life after life. */
class Streamed {
  readonly broker = new MemoryBroker();
  readonly reader = createMemoryLogReader(this.broker);
  readonly view: CompiledView;
  readonly version: number;
  #records = 0;
  #lives = 0;

  private constructor(view: CompiledView, version: number) {
    this.view = view;
    this.version = version;
  }

  static async open(view: CompiledView, partitions = 1): Promise<Streamed> {
    const broker = new MemoryBroker();
    broker.createTopic(TOPIC, partitions);
    const version = await publishEmptyVersion(database.pool, view, broker.bounds(TOPIC));
    const streamed = new Streamed(view, version);
    streamed.broker.createTopic(TOPIC, partitions);
    await database.pool.query(
      'UPDATE millrace_catalog.stream_offset SET cluster_id = $1 WHERE view = $2 AND version = $3',
      [streamed.broker.bounds(TOPIC).clusterId, view.name, version],
    );
    return streamed;
  }

  buy(customer: string, atUs: number, { partition = 0, nowUs = atUs } = {}): void {
    const at = new Date(atUs / 1000).toISOString().replace('Z', `${String(atUs % 1000).padStart(3, '0')}Z`);
    const value = purchaseBytes({ id: `id-${this.#records++}`, at, customer, amount: this.#records % 10 });
    this.broker.append(TOPIC, partition, [{ value, timestampUs: nowUs }]);
  }

  run(more: Partial<RunStreamOptions> = {}): ReturnType<typeof runStream> {
    return runStream({
      view: this.view,
      version: this.version,
      pool: database.pool,
      reader: this.reader,
      clock: testClock,
      until: 'present-end',
      fence: { generation: 1, attemptMs: ++this.#lives, owner: 'expiry-test' },
      ...more,
      limits: { batchRecords: 8, maxBatchRecords: 16, batchMs: 1, ...more.limits },
    });
  }

  async watermarkUs(): Promise<number> {
    const offsets = await catalogRows(database.pool, 'stream_offset', this.view.name, this.version);
    return Math.max(...offsets.map((row) => (row['watermark_us'] as number | null) ?? Number.NEGATIVE_INFINITY));
  }

  async stored(): Promise<string[]> {
    const lines = await stateBytes(database.pool, this.view, this.version);
    return lines.map((line) => (JSON.parse(line.slice(0, line.lastIndexOf(' '))) as { customer: string }).customer);
  }

  async removed(): Promise<number> {
    return (await viewVersion(database.pool, this.view.name, this.version))!.expiredRows;
  }
}

/** Of the lines that `stateBytes` prints, those of states that a read at a time finds. */
function found(view: CompiledView, lines: readonly string[], atUs: number): string[] {
  const reducer = createViewReducer(view.layout);
  return lines.filter((line) => {
    const state = reducer.decode(Buffer.from(line.slice(line.lastIndexOf(' ') + 1), 'hex'));
    return reducer.finds(state, atUs);
  });
}

test(`what a read can see has the same bytes whether rows were removed or not, wherever a stream dies (seed ${seed})`, async () => {
  const event = fc.record({
    customer: fc.constantFrom('ana', 'bo', 'cy', 'di', 'ed'),
    partition: fc.nat(1),
    // Mostly now, or as late as a window, an expiry and both together reach.
    beforeUs: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 * HOUR }) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 20 * DAY }) },
      {
        weight: 2,
        arbitrary: fc
          .tuple(
            fc.constantFrom(DAY, 7 * DAY, 8 * DAY),
            fc.integer({ min: -2, max: 2 }),
            fc.integer({ min: -1, max: 1 }),
          )
          .map(([days, hours, step]) => days + hours * HOUR + step),
      },
    ),
  });
  const stage = fc.record({
    passedUs: fc.oneof(fc.constantFrom(0, HOUR, 8 * DAY, 9 * DAY + 2 * HOUR), fc.integer({ min: 0, max: 12 * DAY })),
    events: fc.array(event, { minLength: 1, maxLength: 12 }),
    deaths: fc.array(fc.record({ point: fc.constantFrom(...POINTS), after: fc.nat(2) }), { maxLength: 2 }),
    inShards: fc.boolean(),
    // Streamed together with the next one: rows go between batches, and what is cached of them does not.
    isHeld: fc.boolean(),
    isEager: fc.boolean(),
  });
  let removed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(stage, { minLength: 2, maxLength: 6 }),
      fc.constantFrom(6 * HOUR, DAY, 10 * DAY),
      async (stages, expireUs) => {
        const run = await Streamed.open(expiringView(expireUs), 2);
        let nowUs = BASE_US;
        for (const [at, { passedUs, events, deaths, inShards, isHeld, isEager }] of stages.entries()) {
          nowUs += passedUs;
          for (const { customer, partition, beforeUs } of events)
            run.buy(customer, nowUs - Math.max(0, beforeUs), { partition, nowUs });
          if (isHeld && at < stages.length - 1) continue;
          const eager = { batchRecords: 2, maxBatchRecords: 2, expireEveryMs: 0, sweepEveryMs: 0 };
          const limits = { sweepPages: 1, ...(isEager ? eager : {}) };
          for (const death of [...deaths, null]) {
            let passed = 0;
            const failAt = (point: FailPoint): void => {
              if (point === death?.point && passed++ === death.after) throw new Crash();
            };
            const shards = inShards ? [[0], [1]] : [undefined];
            const ends = await Promise.allSettled(shards.map((partitions) => run.run({ partitions, failAt, limits })));
            for (const end of ends) if (end.status === 'rejected' && !(end.reason instanceof Crash)) throw end.reason;
          }
          const watermarkUs = await run.watermarkUs();
          const { states } = await replayTopic(run.view, run.reader);
          const stored = await stateBytes(database.pool, run.view, run.version);
          for (const atUs of [watermarkUs, watermarkUs + HOUR, watermarkUs + expireUs])
            expect(found(run.view, stored, atUs)).toEqual(found(run.view, states, atUs));
        }
        removed += await run.removed();
      },
    ),
    { numRuns: 40, seed, endOnFailure: true },
  );
  expect(removed).toBeGreaterThan(0);
}, 300_000);

describe('the rows of what has expired', () => {
  test('go from the very microsecond on at which no read can see them, also after a further event', async () => {
    const view = expiringView(DAY);
    const run = await Streamed.open(view);
    const watermarkUs = BASE_US + 40 * DAY;
    const beforeUs = removableBeforeUs(view, watermarkUs)!;
    // A day, the longest window of seven, the tile that begins it, and what an event may be ahead.
    expect(beforeUs).toBe(watermarkUs - HOUR - 8 * DAY);
    for (const [customer, atUs] of [
      ['gone', beforeUs - 1],
      ['kept', beforeUs],
    ] as const)
      run.buy(customer, atUs);
    run.buy('now', watermarkUs);
    await run.run();
    expect(await run.stored()).toEqual(['kept', 'now']);
    expect(await run.removed()).toBe(1);
    // The next tile's turn is the next pass's.
    run.buy('now', watermarkUs + HOUR);
    await run.run();
    expect(await run.stored()).toEqual(['now']);
    expect(await viewVersion(database.pool, view.name, run.version)).toMatchObject({
      expiredRows: 2,
      expiredBeforeUs: beforeUs + HOUR,
    });
  });

  test.for([
    ['a view with features over all time', { lifetime: true }],
    ['a source without a guard', { source: { maxAheadUs: Number.POSITIVE_INFINITY } }],
    ['a source whose records have no timestamps', { source: { brokerTime: 'none' as const } }],
  ] as const)('stay: %s', async ([, more]) => {
    const run = await Streamed.open(expiringView(DAY, { topic: TOPIC, ...more }));
    run.buy('old', BASE_US);
    run.buy('now', BASE_US + 400 * DAY);
    await run.run();
    expect(await run.stored()).toEqual(['now', 'old']);
    expect(await run.removed()).toBe(0);
  });

  test('go some pages at a time, each step whole or not at all, and the next life goes on where it was', async () => {
    const run = await Streamed.open(expiringView(DAY));
    for (let n = 0; n < 400; n++) run.buy(`c${n}`, BASE_US + n);
    run.buy('now', BASE_US + 40 * DAY);
    const limits = { batchRecords: 500, maxBatchRecords: 500, sweepPages: 1 };
    const steps: number[] = [];
    const failAt = async (point: FailPoint): Promise<void> => {
      if (point !== 'after-sweep') return;
      const removed = await run.removed();
      if (removed === (steps.at(-1) ?? 0)) return;
      steps.push(removed);
      if (steps.length === 2) throw new Crash();
    };
    await expect(run.run({ limits, failAt })).rejects.toThrow(Crash);
    expect(steps).toHaveLength(2);
    expect((await run.stored()).length).toBe(401 - steps[1]!);
    const dies = (point: FailPoint): void => {
      if (point === 'before-sweep-commit') throw new Crash();
    };
    await expect(run.run({ limits, failAt: dies })).rejects.toThrow(Crash);
    expect(await run.removed()).toBe(steps[1]);
    await run.run({ limits, failAt });
    expect(await run.stored()).toEqual(['now']);
    expect(await run.removed()).toBe(400);
    expect(steps.length).toBeGreaterThan(3);
  });

  test('go while nothing arrives, and not by a token that another has taken over', async () => {
    const run = await Streamed.open(expiringView(DAY));
    run.buy('old', BASE_US);
    run.buy('now', BASE_US + 40 * DAY);
    const stop = new AbortController();
    let sweeps = 0;
    const ended = await run.run({
      until: 'forever',
      signal: stop.signal,
      limits: { expireEveryMs: 1 },
      failAt: (point) => {
        // The first may come before the records, the third does not.
        if (point === 'after-sweep' && ++sweeps === 3) stop.abort();
      },
    });
    expect(ended.ended).toBe('aborted');
    expect(await run.stored()).toEqual(['now']);
    run.buy('now', BASE_US + 80 * DAY);
    run.buy('later', BASE_US + 40 * DAY, { nowUs: BASE_US + 80 * DAY });
    let taken = false;
    const superseded = await run.run({
      failAt: async (point) => {
        if (point !== 'after-commit' || taken) return;
        taken = true;
        await database.pool.query(
          'UPDATE millrace_catalog.stream_offset SET attempt_ms = attempt_ms + 1 WHERE view = $1 AND version = $2',
          [run.view.name, run.version],
        );
      },
    });
    expect(superseded.ended).toBe('superseded');
    expect(await run.stored()).toEqual(['later', 'now']);
  });
});
