import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { systemClock } from '../../engine/log/clock.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions, TrainingProgress } from '../../engine/training/training-types.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { exportSmall } from './small-service.ts';
import { filesIn, readParquet, testFolder, withDuckDb } from './training-fixture.ts';

const EVENTS = 200_000;
const ENTITIES = 5_000;

let folder: string;
let service: CompiledService;
let before: string[];

/** 200,000 events of 5,000 entities, over 90 days; 150,000 labels on them: more than one row group. */
beforeEach(async () => {
  folder = await testFolder();
  await withDuckDb(async (duckdb) => {
    await duckdb.run(
      `COPY (SELECT make_timestamptz(hash(i) % 7776000 * 1000000)::TIMESTAMPTZ AS ts, (hash(i, 1) % ${ENTITIES})::BIGINT AS visitor,
               (hash(i, 2) % 1000)::DOUBLE / 7 AS value
             FROM range(${EVENTS}) t(i)) TO '${folder}/events.parquet'`,
    );
    await duckdb.run(
      `COPY (SELECT i AS label, (hash(i, 3) % ${ENTITIES + 100})::BIGINT AS visitor,
               make_timestamptz((hash(i, 4) % 7776000 * 1000000)::BIGINT) AS event_timestamp
             FROM range(150000) t(i)) TO '${folder}/spine.parquet'`,
    );
  });
  const user = entity('visitor', { visitor: z.int() });
  const events = source('events', {
    schema: z.object({ ts: z.iso.datetime(), visitor: z.int(), value: z.number() }),
    eventTime: 'ts',
    history: { path: 'events.parquet' },
  });
  const values = featureView('visits', {
    entity: user,
    source: events,
    features: (f) => ({
      count_7d: f.count().over('7d'),
      sum_1d: f.sum('value').over('1d'),
      avg: f.avg('value'),
      last: f.last('value'),
    }),
  });
  const definitions = await compileDefinitions(
    definitionsInMemory([user, events, values, featureService('model', [values])], folder),
  );
  service = definitions.services.get('model')!;
  before = await filesIn(folder);
});

function exportTo(name: string, more: Partial<TrainingOptions> = {}): Promise<TrainingManifest> {
  return exportTrainingSet({
    service,
    spine: join(folder, 'spine.parquet'),
    out: join(folder, name),
    mode: 'event-time',
    reader: null,
    memoryMb: 512,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    ...more,
  });
}

test('the same bytes and the same manifest each time, in one pass or many, in little memory', async () => {
  const manifest = await exportTo('a.parquet');
  const passes = new Set<number>();
  const others = [
    await exportTo('b.parquet'),
    await exportTo('c.parquet', { statesMb: 2, onProgress: ({ pass }) => passes.add(pass) }),
    await exportTo('d.parquet', { memoryMb: 110, statesMb: 20, repeatOf: manifest }),
  ];
  expect(Math.max(...passes)).toBeGreaterThan(3);
  for (const other of others) expect(other).toEqual(manifest);
  const bytes = await readFile(join(folder, 'a.parquet'));
  for (const name of ['b', 'c', 'd']) expect(bytes.equals(await readFile(join(folder, `${name}.parquet`)))).toBe(true);
  expect(await filesIn(folder)).toEqual(
    [...before, ...['a', 'b', 'c', 'd'].flatMap((name) => [`${name}.parquet`, `${name}.parquet.manifest.json`])].sort(),
  );
});

test('the manifest says what the file is made of', async () => {
  const manifest = await exportTo('a.parquet');
  expect(JSON.parse(await readFile(join(folder, 'a.parquet.manifest.json'), 'utf8'))).toEqual(manifest);
  const { createHash } = await import('node:crypto');
  const bytes = await readFile(join(folder, 'a.parquet'));
  expect(manifest).toMatchObject({
    format: 1,
    mode: 'event-time',
    service: 'model',
    rows: 150_000,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    cuts: { events: null },
    spine: { timeColumn: 'event_timestamp', columns: ['label', 'visitor', 'event_timestamp'] },
    sources: [{ source: 'events', cut: null, history: [{ rows: EVENTS }] }],
  });
  const [view] = manifest.views;
  expect(view).toMatchObject({
    view: 'visits',
    fingerprint: service.views[0]!.fingerprint,
    keys: ['visitor'],
    counts: { records: EVENTS, applied: EVENTS, late: 0, filtered: 0 },
  });
  const set = await readParquet(join(folder, 'a.parquet'));
  for (const { column, nulls, nullRate } of view!.features) {
    expect(nulls).toBe(set.rows.filter((row) => row[column] === null).length);
    expect(nullRate).toBe(nulls / 150_000);
  }
  expect(view!.rowsWithoutState).toBe(set.rows.filter((row) => row['visits__last'] === null).length);
  expect(set.rows.map((row) => row['label'])).toEqual(set.rows.map((_, n) => BigInt(n)));
});

test('progress names every phase and comes to 100 percent', async () => {
  const seen: TrainingProgress[] = [];
  await exportTo('a.parquet', { onProgress: (progress) => seen.push(progress) });
  expect([...new Set(seen.map(({ phase }) => phase))]).toEqual(['spine', 'cut', 'sweep', 'write']);
  expect(seen.at(-1)).toMatchObject({
    phase: 'write',
    percent: 100,
    rows: 150_000,
    totalRows: 150_000,
    events: EVENTS,
  });
});

test.each(['spine', 'cut', 'sweep', 'write'] as const)(
  'an abort while in phase "%s" leaves nothing behind',
  async (phase) => {
    const abort = new AbortController();
    const onProgress = (progress: TrainingProgress): void => {
      if (progress.phase === phase) abort.abort(new Error('enough'));
    };
    await expect(exportTo('a.parquet', { signal: abort.signal, onProgress })).rejects.toThrow('enough');
    expect(await filesIn(folder)).toEqual(before);
  },
);

test('a row function that fails mid-way leaves nothing behind, and an earlier output as it was', async () => {
  const manifest = await exportTo('a.parquet');
  const files = await filesIn(folder);
  await writeFile(join(folder, 'events.parquet'), 'not a Parquet file');
  await expect(exportTo('a.parquet', { overwrite: true })).rejects.toThrow();
  expect(await filesIn(folder)).toEqual(files);
  expect(JSON.parse(await readFile(join(folder, 'a.parquet.manifest.json'), 'utf8'))).toEqual(manifest);
});

test('repeating is refused when spine, history or code is another', async () => {
  const manifest = await exportTo('a.parquet');
  const code = { ...manifest, views: manifest.views.map((view) => ({ ...view, fingerprint: 'f'.repeat(64) })) };
  const spine = { ...manifest, spine: { ...manifest.spine, sha256: '0'.repeat(64) } };
  const history = { ...manifest, sources: manifest.sources.map((source) => ({ ...source, history: [] })) };
  for (const [repeatOf, named] of [
    [code, 'fingerprint'],
    [spine, 'spine'],
    [history, 'history of source "events"'],
  ] as const) {
    await expect(exportTo('b.parquet', { repeatOf })).rejects.toMatchObject({
      code: 'training-set-changed',
      message: expect.stringContaining(named),
    });
  }
});

test('a sum that does not fit names the feature and the row', async () => {
  const own = await testFolder();
  await mkdir(join(own, 'x'));
  const user = entity('visitor', { visitor: z.int() });
  const events = source('events', {
    schema: z.object({ ts: z.iso.datetime(), visitor: z.int(), n: z.int() }),
    eventTime: 'ts',
    topic: 'events',
  });
  const sums = featureView('sums', { entity: user, source: events, features: (f) => ({ total: f.sum('n') }) });
  const definitions = await compileDefinitions(
    definitionsInMemory([user, events, sums, featureService('model', [sums])], own),
  );
  const broker = new MemoryBroker();
  broker.createTopic('events', 1);
  for (let second = 0; second < 2; second++) {
    const value = Buffer.from(
      JSON.stringify({ ts: `2001-06-01T00:00:0${second}Z`, visitor: 1, n: Number.MAX_SAFE_INTEGER }),
    );
    broker.append('events', 0, [{ value, timestampUs: 1e15 }]);
  }
  await writeFile(join(own, 's.csv'), 'visitor,event_timestamp\n1,2001-06-01T00:00:01Z\n1,2001-06-02\n');
  const run = exportSmall(own, 's.csv', {
    service: definitions.services.get('model')!,
    reader: createMemoryLogReader(broker),
  });
  await expect(run).rejects.toMatchObject({
    code: 'value-out-of-range',
    message: expect.stringMatching(/total.*spine row 2/s),
  });
});
