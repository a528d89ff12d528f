import fc from 'fast-check';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { compactArchive } from '../../engine/archive/compact-archive.ts';
import type { ArchiveFailPoint } from '../../engine/archive/archive-options.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { backfillMonitor, type MonitorBackfillOptions } from '../../engine/monitors/backfill-monitor.ts';
import { foldMonitors } from '../../engine/monitors/fold-parts.ts';
import { monitorSizes } from '../../engine/monitors/monitor-sizes.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type ArchiveWorld, openArchiveWorld } from '../archive/archive-fixture.ts';
import { BASE_MS, type Flight, flightArbitrary, monitoredFlights } from '../laws/monitored-flights.ts';
import { bucketTexts, firstDifference, naiveBuckets } from '../laws/monitors-oracle.ts';

const PARTITIONS = 3;
const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);
const HOUR = 3_600_000;
const ALL = { object: 'flights', segment: 'any', fromMs: -1e13, untilMs: 1e14 } as const;

class Crash extends Error {}

let world: ArchiveWorld;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl, { partitions: 1, batchSize: () => 16 });
});
afterEach(() => world.close());

let topics = 0;

async function freshSource(more: object = {}): Promise<CompiledSource & { topic: string }> {
  const topic = `flights_${++topics}`;
  world.broker.createTopic(topic, PARTITIONS);
  await world.pool.query(
    'TRUNCATE millrace_catalog.monitor_bucket, millrace_catalog.monitor_state, millrace_catalog.monitor_part, millrace_catalog.monitor_source',
  );
  await world.pool.query("DELETE FROM millrace_catalog.archive_range WHERE source = 'flights'");
  await world.pool.query("DELETE FROM millrace_catalog.archive_file WHERE source = 'flights'");
  return { ...(await monitoredFlights(topic, more)), topic };
}

function append(topic: string, flights: readonly Flight[]): void {
  for (const { record, oracle } of flights) world.broker.append(topic, oracle.partition, [record]);
}

/** All that is kept of monitors, to the byte. */
async function kept(): Promise<unknown[]> {
  const { rows: states } = await world.pool.query(
    `SELECT grain, begin_ms, encode(sha256(state), 'hex') AS state FROM millrace_catalog.monitor_state ORDER BY 1, 2`,
  );
  const { rows: buckets } = await world.pool.query(
    'SELECT grain, begin_ms, segment_name, segment_value, records, fields::text FROM millrace_catalog.monitor_bucket ORDER BY 1, 2, 3, 4',
  );
  return [...states, ...buckets];
}

function backfill(source: CompiledSource, more: Partial<MonitorBackfillOptions> = {}) {
  return backfillMonitor({
    source,
    pool: world.pool,
    reader: world.archived,
    openDuckDb: () => openDuckDb({ tempDir: world.archiveDir, memoryMb: 256 }),
    listings: listingsOfProcess(systemClock),
    clock: systemClock,
    ...more,
  });
}

const POINTS: readonly (ArchiveFailPoint | 'after-merge')[] = [
  'after-write',
  'after-rename',
  'after-cas',
  'before-commit',
  'after-commit',
  'after-merge',
];

const life = fc.record({
  point: fc.constantFrom(...POINTS),
  after: fc.nat(2),
  rows: fc.integer({ min: 5, max: 60 }),
  work: fc.constantFrom('archive', 'archive', 'archive', 'fold', 'compact'),
  append: fc.array(flightArbitrary(PARTITIONS), { maxLength: 40 }),
});

test(`archivers and folds that die anywhere: each record is told once, as the list tells it, and as a backfill computes it (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 2, maxLength: 6 }), async (lives) => {
      const source = await freshSource();
      const { pool, archiveDir } = world;
      const flights: Flight[] = [];
      for (const { point, after, rows, work, append: more } of lives) {
        append(source.topic, more);
        flights.push(...more);
        let passed = 0;
        const die = (at: string): void => {
          if (at === point && passed++ >= after) throw new Crash();
        };
        const running =
          work === 'archive'
            ? world.archive({ source, roll: { rows }, failAt: die })
            : work === 'fold'
              ? foldMonitors({ pool, source: source.name, budgetBytes: 1 << 28, failAt: die })
              : compactArchive({ source: source.name, pool, archiveDir, clock: systemClock, minFiles: 2 });
        await running.catch((error: unknown) => {
          if (!(error instanceof Crash)) throw error;
        });
      }
      await world.archive({ source, roll: { rows: 30 } });
      await foldMonitors({ pool, source: source.name, budgetBytes: 1 << 28 });
      const oracle = naiveBuckets(flights.map((flight) => flight.oracle));
      expect(firstDifference(bucketTexts(await readBuckets(pool, ALL)), bucketTexts(oracle))).toEqual([]);
      const archived = await kept();
      await backfill(source);
      expect(await kept()).toEqual(archived);
    }),
    { seed, numRuns: 5, endOnFailure: true },
  );
});

/** Flights of one hour and origin. */
function flightsOf(count: number, hour: number, origin: (index: number) => string): Flight[] {
  return Array.from({ length: count }, (_, index) => {
    const atMs = BASE_MS + hour * HOUR + index;
    const value = {
      id: `${hour}-${index}`,
      at: new Date(atMs).toISOString(),
      origin: origin(index),
      delay: index % 90,
      weight: index / 8,
      cancelled: false,
    };
    const record = { key: null, value: Buffer.from(JSON.stringify(value)), timestampUs: atMs * 1000 };
    return { record, oracle: { partition: index % PARTITIONS, brokerMs: atMs, row: null, left: null } };
  });
}

test('a backfill of some hours puts back those alone, a dry run nothing, and what is archived meanwhile is folded in after it', async () => {
  const source = await freshSource();
  const { pool } = world;
  append(
    source.topic,
    [0, 1, 2].flatMap((hour) => flightsOf(40, hour, () => 'AMS')),
  );
  await world.archive({ source });
  const before = await kept();
  await pool.query("UPDATE millrace_catalog.monitor_bucket SET fields = '{}' WHERE segment_name = ''");
  expect(await backfill(source, { dryRun: true })).toEqual({
    source: 'flights',
    archivedRecords: 120,
    files: 1,
    hasHistory: false,
    historyRows: null,
    buckets: null,
  });
  const fields = async (): Promise<number[]> =>
    (await readBuckets(pool, { ...ALL, segment: null, field: 'delay' })).map(
      ({ beginMs }) => (beginMs - BASE_MS) / HOUR,
    );
  expect(await fields()).toEqual([]);
  expect(await backfill(source, { fromMs: BASE_MS + HOUR + 1, untilMs: BASE_MS + 2 * HOUR })).toMatchObject({
    buckets: 1,
  });
  expect(await fields()).toEqual([1]);
  let archives = true;
  const others: Promise<unknown>[] = [];
  await backfill(source, {
    onProgress: ({ phase }) => {
      if (phase !== 'archive' || !archives) return;
      archives = false;
      others.push(backfill(source).catch((error: { code: string }) => error.code));
      append(
        source.topic,
        flightsOf(30, 3, () => 'JFK'),
      );
    },
  });
  expect(await kept()).toEqual(before);
  await world.archive({ source });
  expect(await fields()).toEqual([0, 1, 2, 3]);
  expect(await Promise.all(others)).toEqual(['monitors-busy']);
});

test('a source that says monitors: false is archived, and nothing is told of it', async () => {
  const source = await freshSource({ monitors: false });
  append(
    source.topic,
    flightsOf(40, 0, () => 'AMS'),
  );
  expect(await world.archive({ source })).toMatchObject({ records: 40 });
  expect(await kept()).toEqual([]);
  await expect(backfill(source)).rejects.toMatchObject({ code: 'not-monitored' });
});

test('where the budget is spent, sketches of the smallest segments go first, and that is said', async () => {
  const source = { ...(await freshSource()), monitorBytes: 95_000 };
  const { pool } = world;
  append(
    source.topic,
    [0, 1].flatMap((hour) => flightsOf(1200, hour, (index) => `A${Math.floor(Math.sqrt(index))}`)),
  );
  await world.archive({ source });
  const { rows } = await pool.query<{ sketched: number | null; bytes: string; dropped: boolean }>(
    'SELECT sketched, bytes, dropped_at IS NOT NULL AS dropped FROM millrace_catalog.monitor_source',
  );
  expect(rows[0]).toMatchObject({ dropped: true });
  expect(await monitorSizes(pool)).toEqual([
    { source: 'flights', bytes: Number(rows[0]!.bytes), budgetBytes: 95_000, hasDropped: true },
  ]);
  const { sketched } = rows[0]!;
  expect(sketched).toBeLessThan(20);
  const buckets = await readBuckets(pool, { ...ALL, field: 'delay' });
  const whole = buckets.filter(({ segment }) => segment === null);
  expect(whole.map(({ values }) => values!.bins!.size > 0)).toEqual([true, true]);
  const origins = buckets.filter(({ segment }) => segment?.name === 'origin');
  expect(origins.filter(({ values }) => values!.bins !== null).length).toBe(2 * sketched!);
  // Counts and sums of all stay.
  expect(origins.reduce((sum, { count }) => sum + count, 0)).toBe(2400);
});
