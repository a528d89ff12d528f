import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import type { ScanOrder } from '../../engine/history/history-run.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { TopicPipeline } from '../../engine/topic/topic-pipeline.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { entity, epoch, featureView, source } from '../../index.ts';
import { partitionStart } from '../log/partition-start.ts';
import { briefly, faultsOf } from './faults.ts';

const DAY_US = 86_400_000_000;

let folder: string;
let duckdb: DuckDb;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-event-time-'));
  duckdb = await openDuckDb({ memoryMb: 256, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

const schema = z.object({ id: z.string(), day: z.iso.date(), at: z.iso.datetime(), ts: epoch('s') });
const options = { schema, eventId: 'id', history: { path: '*.csv' } } as const;

test('a date as event time says which of its midnights counts, and nothing else does', async () => {
  const cases = [
    source('none', { ...options, eventTime: 'day' }),
    source('start', { ...options, eventTime: 'day', eventTimeAt: 'start' }),
    source('end', { ...options, eventTime: 'day', eventTimeAt: 'end' }),
    source('noon', { ...options, eventTime: 'day', eventTimeAt: 'noon' as never }),
    source('instant', { ...options, eventTime: 'at', eventTimeAt: 'end' }),
    source('number', { ...options, eventTime: 'ts' }),
    source('finer', { ...options, eventTime: 'ts', finerThanMicros: 'round' as never }),
  ];
  const faults = await faultsOf(cases);
  expect(briefly(faults)).toEqual([
    'source none eventTimeAt: invalid-event-time-at',
    'source noon eventTimeAt: invalid-event-time-at',
    'source instant eventTimeAt: invalid-event-time-at',
    'source finer finerThanMicros: invalid-finer-than-micros',
  ]);
  expect(faults[0]?.remedy).toContain("eventTimeAt: 'end'");
});

async function compiled(eventTimeAt: 'start' | 'end', path?: string): Promise<CompiledSource> {
  const days = source('days', {
    schema: z.object({ id: z.string(), day: z.iso.date(), n: z.int() }),
    eventTime: 'day',
    eventTimeAt,
    eventId: 'id',
    topic: 'days',
    ...(path === undefined ? {} : { history: { path, disjoint: true } }),
  });
  const definitions = await compileDefinitions(definitionsInMemory([days], folder));
  return definitions.sources.get('days')!;
}

test('a record happened at the midnight its date begins with, or at the one after it', async () => {
  for (const [eventTimeAt, expected] of [
    ['start', 0],
    ['end', DAY_US],
  ] as const) {
    const from = await compiled(eventTimeAt);
    const pipeline = new TopicPipeline(from, 0, new PartitionDedupe(from.dedupeHorizonUs, null), partitionStart());
    const step = (day: string, offset: number) =>
      pipeline.step({
        partition: 0,
        offset,
        timestampUs: 3 * DAY_US,
        key: null,
        value: Buffer.from(JSON.stringify({ id: `${offset}`, day, n: 1 })),
      });
    expect(step('1970-01-01', 0)).toMatchObject({ kind: 'event', event: { eventTimeUs: expected } });
    expect(pipeline.watermarkUs).toBe(expected);
    // The guard is about the instant, not about the date.
    expect(step('1970-01-04', 1).kind).toBe(eventTimeAt === 'start' ? 'event' : 'invalid');
    // A date that no time can be is invalid, and says so.
    expect(step('9999-12-31', 2)).toMatchObject({
      kind: 'invalid',
      reasons: ['day: expected a date YYYY-MM-DD from 1684-07-29 to 2255-06-04, received "9999-12-31"'],
    });
  }
});

const rows = [
  ['a', '1970-01-03', 1],
  ['b', '1970-01-01', 2],
  ['a', '1970-01-03', 3],
  ['c', '1970-01-02', 4],
] as const;

async function written(format: 'parquet' | 'csv' | 'jsonl', bigint = false): Promise<string> {
  const path = join(folder, `days-${bigint}.${format}`);
  const list = rows
    .map(([id, day, n]) => `('${id}', DATE '${day}', ${n}, epoch_us(DATE '${day}') // 1000000)`)
    .join(', ');
  if (format === 'parquet')
    await duckdb.run(`COPY (FROM (VALUES ${list}) v(id, day, n, ts)) TO '${path}' (FORMAT parquet)`);
  else if (format === 'csv') await writeFile(path, `id,day,n\n${rows.map((row) => row.join(',')).join('\n')}\n`);
  else await writeFile(path, rows.map(([id, day, n]) => `${JSON.stringify({ id, day, n })}\n`).join(''));
  return path;
}

async function events(from: CompiledSource, order: ScanOrder): Promise<[string | null, number, unknown][]> {
  const scan = scanHistory({
    source: from,
    order,
    duckdb,
    listings: listingsOfProcess(systemClock),
    onInvalid: (_position, _file, reasons) => {
      throw new Error(reasons.join());
    },
  });
  const found: [string | null, number, unknown][] = [];
  for await (const batch of scan) for (const { id, eventTimeUs, row } of batch) found.push([id, eventTimeUs, row['n']]);
  return found;
}

test.each(['parquet', 'csv', 'jsonl'] as const)('a history by dates, in the order of its times: %s', async (format) => {
  const path = await written(format);
  for (const eventTimeAt of ['start', 'end'] as const) {
    const shift = eventTimeAt === 'end' ? DAY_US : 0;
    const inOrder = await events(await compiled(eventTimeAt, path), 'event-time');
    expect(inOrder).toEqual([
      ['b', shift, 2],
      ['c', DAY_US + shift, 4],
      ['a', 2 * DAY_US + shift, 1],
    ]);
    const any = await events(await compiled(eventTimeAt, path), 'any');
    expect(any.toSorted((a, b) => a[1] - b[1])).toEqual(inOrder);
  }
});

test('a history by epoch numbers, in the order of its times', async () => {
  const path = await written('parquet', true);
  const seconds = source('seconds', {
    schema: z.object({ id: z.string(), ts: epoch('s'), n: z.int() }),
    eventTime: 'ts',
    eventId: 'id',
    history: { path },
  });
  const visitor = entity('visitor', { id: z.string() });
  const view = featureView('v', {
    entity: visitor,
    source: seconds,
    features: (f) => ({ at: f.max('ts'), n: f.count() }),
  });
  const definitions = await compileDefinitions(definitionsInMemory([visitor, seconds, view], folder));
  expect(await events(definitions.sources.get('seconds')!, 'event-time')).toEqual([
    ['b', 0, 2],
    ['c', DAY_US, 4],
    ['a', 2 * DAY_US, 1],
  ]);
  expect(definitions.views.get('v')?.layout.features[0]?.result).toEqual({ kind: 'timestamp' });
});

test('what a declared type of a key or a function cannot mean is refused', async () => {
  const from = source('s', { ...options, eventTime: 'at' });
  const faults = await faultsOf([
    from,
    featureView('by_local', {
      entity: entity('local', { at: z.iso.datetime({ local: true }) }),
      source: from,
      features: (f) => ({ n: f.count() }),
    }),
    featureView('typed', {
      entity: entity('named', { id: z.string() }),
      source: from,
      features: (f) => ({
        small: f.max(() => 1, { type: z.float32() }),
        sent_at: f.max(() => null, { type: epoch('s') as never }),
      }),
    }),
  ]);
  expect(faults.map(({ code }) => code)).toEqual(['unsupported-type', 'unsupported-type', 'unsupported-type']);
});
