import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bucketRows } from '../../engine/monitors/bucket-rows.ts';
import { BucketState } from '../../engine/monitors/bucket-state.ts';
import { type BucketTime, settledTime } from '../../engine/monitors/bucket-time.ts';
import { type MonitorPart, RecordGatherer } from '../../engine/monitors/gather-records.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { type Flight, flightArbitrary, monitoredFlights } from './monitored-flights.ts';
import { bucketTexts, firstDifference, naiveBuckets } from './monitors-oracle.ts';

const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);

/** Parts merged in the order given, one by one. */
function merged(parts: readonly MonitorPart[]): Map<string, { time: BucketTime; bucket: BucketState }> {
  const newest = parts.reduce<number | null>(
    (most, { newestMs }) => (newestMs === null ? most : Math.max(most ?? newestMs, newestMs)),
    null,
  );
  const buckets = new Map<string, { time: BucketTime; bucket: BucketState }>();
  for (const part of parts) {
    const time = settledTime(part, newest);
    const key = `${time.grain} ${time.beginMs}`;
    const bucket = BucketState.ofStored(part.state);
    const held = buckets.get(key);
    if (held === undefined) buckets.set(key, { time, bucket });
    else held.bucket.merge(bucket);
  }
  return buckets;
}

function gathered(source: CompiledSource, flights: readonly Flight[], mostHeld?: number): MonitorPart[] {
  const gatherer = new RecordGatherer(source, { mostHeld });
  for (const [offset, { record, oracle }] of flights.entries())
    gatherer.add({ ...record, partition: oracle.partition, offset } as never);
  return gatherer.finish();
}

const rowsOf = (buckets: ReturnType<typeof merged>): MonitorBucket[] =>
  [...buckets.values()].flatMap(({ time, bucket }) => bucketRows('flights', time, bucket));
const bytesOf = (buckets: ReturnType<typeof merged>): [string, string][] =>
  [...buckets]
    .map(([key, { bucket }]): [string, string] => [key, Buffer.from(bucket.bytes()).toString('hex')])
    .sort(([a], [b]) => (a < b ? -1 : 1));

test(`what any split of records into gatherings tells, in any order, is what the list of them tells (seed ${seed})`, async () => {
  const source = await monitoredFlights();
  fc.assert(
    fc.property(
      fc.array(flightArbitrary(3), { minLength: 1, maxLength: 300 }),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 40 }),
      fc.boolean(),
      (flights, split, shuffles) => {
        const files = [...Map.groupBy(flights, (_, index) => split[index % split.length]).values()];
        const parts = files.flatMap((of) => gathered(source, shuffles ? of.toReversed() : of));
        const some = merged(shuffles ? parts.toReversed() : parts);
        const whole = merged(gathered(source, flights));
        expect(bytesOf(some)).toEqual(bytesOf(whole));
        const oracle = naiveBuckets(flights.map((flight) => flight.oracle));
        expect(firstDifference(bucketTexts(rowsOf(some)), bucketTexts(oracle))).toEqual([]);
      },
    ),
    { seed, numRuns: 100, endOnFailure: true },
  );
});

test('what is held in bounded memory is the same: states are put into bytes as often as there is no room', async () => {
  const source = await monitoredFlights();
  const flights = fc.sample(flightArbitrary(3), { numRuns: 18_000, seed });
  const small = gathered(source, flights, 1000);
  const whole = gathered(source, flights);
  expect(small.length).toBeGreaterThan(whole.length);
  expect(bytesOf(merged(small))).toEqual(bytesOf(merged(whole)));
});

test('a segment of 20,000 values: a bucket holds 1,000 of them, the same in any split; rows show 200 and other', async () => {
  const source = await monitoredFlights();
  const at = '2026-03-11T12:00:00Z';
  const flights = Array.from({ length: 40_000 }, (_, index): Flight => {
    const value = { id: `${index}`, at, origin: `O${index % 20_000}`, delay: index % 7, weight: 1.5, cancelled: false };
    const record = { key: null, value: Buffer.from(JSON.stringify(value)), timestampUs: Date.parse(at) * 1000 };
    return { record, oracle: { partition: 0, brokerMs: 0, row: null, left: null } };
  });
  const whole = merged(gathered(source, flights));
  const split = merged(
    [0, 1, 2].flatMap((part) =>
      gathered(
        source,
        flights.filter((_, index) => index % 3 === part),
      ),
    ),
  );
  expect(bytesOf(split)).toEqual(bytesOf(whole));
  const { bucket } = [...whole.values()][0]!;
  expect(bucket.named('origin').held.size).toBe(1000);
  expect(bucket.stored().length).toBeLessThan(2 << 20);
  const rows = rowsOf(whole).filter(({ segment, field }) => segment?.name === 'origin' && field === null);
  expect(rows.length).toBe(201);
  expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(40_000);
  // Distinct values beyond 128 are estimated: three standard errors.
  const [origin] = rowsOf(whole).filter(({ segment, field }) => segment === null && field === 'origin');
  expect(Math.abs(origin!.values!.distinct! / 20_000 - 1)).toBeLessThan(0.27);
});

test('a feature that is always null, hours without data, times of last year, a clock that jumps', async () => {
  const source = await monitoredFlights('flights', { maxAhead: false });
  const flight = (at: string, brokerAt: string, delay: number | null = null): Flight => {
    const value = { id: at + brokerAt, at, origin: 'AMS', delay, weight: null, cancelled: false };
    const record = { key: null, value: Buffer.from(JSON.stringify(value)), timestampUs: Date.parse(brokerAt) * 1000 };
    return { record, oracle: { partition: 0, brokerMs: 0, row: null, left: null } };
  };
  const now = '2026-03-11T12:30:00Z';
  const buckets = rowsOf(
    merged(
      gathered(source, [
        flight(now, now),
        flight('2026-03-11T09:00:00Z', now),
        flight('2025-03-11T09:00:00Z', now),
        // A producer's clock alone: no hour ends by it.
        flight('2099-01-01T00:00:00Z', now),
      ]),
    ),
  );
  const whole = buckets.filter(({ segment, field }) => segment === null && field === 'delay');
  expect(whole.map(({ grain, beginMs }) => `${grain} ${new Date(beginMs).toISOString()}`).toSorted()).toEqual([
    'hour 2026-03-11T09:00:00.000Z',
    'hour 2026-03-11T12:00:00.000Z',
    'week 2025-03-10T00:00:00.000Z',
    'week 2098-12-29T00:00:00.000Z',
  ]);
  for (const { count, values } of whole)
    expect([count, values]).toEqual([
      1,
      { nulls: 1, numbers: { sum: 0, squares: 0, zeros: 0 }, bins: new Map(), top: null, distinct: 0 },
    ]);
});

test('times of a hundred years, in an hour each, are weeks', async () => {
  const source = await monitoredFlights();
  const brokerUs = Date.UTC(2026, 2, 11) * 1000;
  const gatherer = new RecordGatherer(source, { mostHeld: 200_000 });
  for (let index = 0; index < 16_500; index++) {
    const at = new Date(Date.UTC(1926, 0, 1) + index * 51 * 3_600_000).toISOString();
    const value = Buffer.from(
      JSON.stringify({ id: `${index}`, at, origin: 'A', delay: 1, weight: 1, cancelled: true }),
    );
    gatherer.add({ key: null, value, timestampUs: brokerUs, partition: 0, offset: index });
  }
  const buckets = merged(gatherer.finish());
  expect(buckets.size).toBeLessThan(5400);
  expect(
    rowsOf(buckets).reduce(
      (sum, { field, segment, count }) => sum + (field === null && segment === null ? count : 0),
      0,
    ),
  ).toBe(16_500);
});

test('numbers that doubles cannot add exactly are added exactly, and rounded once', async () => {
  const source = await monitoredFlights();
  const weights = [1e16, 1, -1e16, 0.1, 1e-300, 2 ** 53 - 1, 0.1];
  const gatherer = new RecordGatherer(source);
  for (const [index, weight] of weights.entries()) {
    const value = Buffer.from(
      JSON.stringify({ id: `${index}`, at: '2026-03-11T12:00:00Z', origin: 'A', delay: null, weight, cancelled: true }),
    );
    gatherer.add({ key: null, value, timestampUs: Date.UTC(2026, 2, 11, 12) * 1000, partition: 0, offset: index });
  }
  const [bucket] = rowsOf(merged(gatherer.finish())).filter(
    ({ segment, field }) => segment === null && field === 'weight',
  );
  const { sum, squares } = bucket!.values!.numbers!;
  expect(sum).toBe(2 ** 53 + 0.2);
  // Twice 10^32, and what is far below its last place but for (2^53 - 1)^2.
  expect(squares).toBe(Number(2n * 10n ** 32n + (2n ** 53n - 1n) ** 2n + 1n));
});
