import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { readManifest } from '../../engine/models/read-manifest.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions, TrainingProgress } from '../../engine/training/training-types.ts';
import { duckDbMemory } from '../../engine/memory/duckdb-memory.ts';
import { intakeMemory } from '../../engine/memory/intake-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { filesIn, readParquet, testFolder, withDuckDb } from './training-fixture.ts';

const EVENTS = 40_000;
const ENTITIES = 2_000;
const LABELS = 3_000;
const DAYS_90_S = 7_776_000;

let made: string;
let folder: string;
let service: CompiledService;
let before: string[];

const visitor = entity('visitor', { visitor: z.int() });
const events = source('events', {
  schema: z.object({ ts: z.iso.datetime(), visitor: z.int(), amount: z.number() }),
  eventTime: 'ts',
  history: { path: 'events.parquet' },
});
const visits = featureView('visits', {
  entity: visitor,
  source: events,
  features: (f) => ({
    count_7d: f.count().over('7d'),
    sum_1d: f.sum('amount').over('1d'),
    avg: f.avg('amount'),
    last: f.last('amount'),
  }),
});

/** 40,000 events of 2,000 visitors, over 90 days; 3,000 labels on them, and 130,000: more than one row group. */
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'millrace-training-runs-'));
  await withDuckDb(async (duckdb) => {
    await duckdb.run(
      `COPY (SELECT make_timestamptz((hash(i) % ${DAYS_90_S} * 1000000)::BIGINT) AS ts, (hash(i, 1) % ${ENTITIES})::BIGINT AS visitor,
               (hash(i, 2) % 1000)::DOUBLE / 7 AS amount
             FROM range(${EVENTS}) t(i)) TO '${made}/events.parquet'`,
    );
    for (const [name, labels] of [
      ['spine', LABELS],
      ['big', 130_000],
    ] as const) {
      await duckdb.run(
        `COPY (SELECT i AS label, (hash(i, 3) % ${ENTITIES + 100})::BIGINT AS visitor,
                 make_timestamptz((hash(i, 4) % ${DAYS_90_S} * 1000000)::BIGINT) AS event_timestamp
               FROM range(${labels}) t(i)) TO '${made}/${name}.parquet'`,
      );
    }
  });
});

afterAll(() => rm(made, { recursive: true, force: true }));

beforeEach(async () => {
  folder = await testFolder();
  await cp(made, folder, { recursive: true });
  const definitions = await compileDefinitions(
    definitionsInMemory([visitor, events, visits, featureService('model', [visits])], folder),
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
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    ...more,
  });
}

test('the same bytes and the same manifest each time, in one pass or many, in little memory', async () => {
  const spine = join(folder, 'big.parquet');
  const manifest = await exportTo('a.parquet', { spine });
  expect(manifest.rows).toBe(130_000);
  const passes = new Set<number>();
  const percents: number[] = [];
  const onProgress = ({ pass, percent }: TrainingProgress): void => {
    passes.add(pass);
    percents.push(percent);
  };
  const others = [
    await exportTo('b.parquet', { spine }),
    await exportTo('c.parquet', { spine, statesMb: 0.25, onProgress }),
    await exportTo('d.parquet', { spine, statesMb: 20, repeatOf: manifest }),
  ];
  expect(Math.max(...passes)).toBeGreaterThan(3);
  expect(percents).toEqual(percents.toSorted((a, b) => a - b));
  for (const other of others) expect(other).toEqual(manifest);
  const bytes = await readFile(join(folder, 'a.parquet'));
  for (const name of ['b', 'c', 'd']) expect(bytes.equals(await readFile(join(folder, `${name}.parquet`)))).toBe(true);
  expect(await filesIn(folder)).toEqual(
    [...before, ...['a', 'b', 'c', 'd'].flatMap((name) => [`${name}.parquet`, `${name}.parquet.manifest.json`])].sort(),
  );
});

test('gives all of its memory back: done, refused, broken and told to end', async () => {
  const memory = new MemoryBudget(memoryShares(1024));
  const spine = join(folder, 'big.parquet');
  let most = 0;
  const abort = new AbortController();
  await exportTo('a.parquet', { spine, memory, onProgress: () => void (most = Math.max(most, memory.usedBytes)) });
  expect(most).toBeGreaterThan(0);
  await expect(exportTo('b.parquet', { spine: join(folder, 'none.parquet'), memory })).rejects.toMatchObject({
    code: 'spine-not-found',
  });
  for (const [name, fail] of [
    ['c.parquet', () => abort.abort(new Error('enough'))],
    [
      'd.parquet',
      () => {
        throw new Error('broken');
      },
    ],
  ] as const)
    await expect(
      exportTo(name, { spine, memory, signal: abort.signal.aborted ? undefined : abort.signal, onProgress: fail }),
    ).rejects.toThrow(/enough|broken/);
  expect([memory.usedBytes, intakeMemory(memory).usedBytes, duckDbMemory(memory).usedBytes]).toEqual([0, 0, 0]);
  expect(memory.holders()).toEqual([]);
});

test('the manifest says what the file is made of', async () => {
  const manifest = await exportTo('a.parquet');
  const tags = Object.fromEntries(manifest.views[0]!.features.map(({ name, tag }) => [name, tag]));
  expect(tags).toEqual(service.blocks[0]!.view.tags?.features);
  // As a model that is trained on it has it.
  expect(await readManifest(join(folder, 'a.parquet.manifest.json'))).toMatchObject({
    features: { [manifest.views[0]!.view]: tags },
    lineage: { trainingSet: manifest.sha256, rows: manifest.rows },
  });
  expect(JSON.parse(await readFile(join(folder, 'a.parquet.manifest.json'), 'utf8'))).toEqual(manifest);
  const bytes = await readFile(join(folder, 'a.parquet'));
  expect(manifest).toMatchObject({
    format: 1,
    mode: 'event-time',
    service: 'model',
    rows: LABELS,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    cuts: { events: null },
    spine: { timeColumn: 'event_timestamp', columns: ['label', 'visitor', 'event_timestamp'] },
    sources: [{ source: 'events', cut: null, history: [{ rows: EVENTS }] }],
  });
  const [view] = manifest.views;
  expect(view).toMatchObject({
    view: 'visits',
    fingerprint: service.blocks[0]!.view.fingerprint,
    keys: ['visitor'],
    counts: { records: EVENTS, applied: EVENTS, late: 0, filtered: 0 },
  });
  const set = await readParquet(join(folder, 'a.parquet'));
  for (const { column, nulls, nullRate } of view!.features) {
    expect(nulls).toBe(set.rows.filter((row) => row[column] === null).length);
    expect(nullRate).toBe(nulls / LABELS);
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
    rows: LABELS,
    totalRows: LABELS,
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

test('an export that fails leaves nothing behind, and an earlier output as it was', async () => {
  const manifest = await exportTo('a.parquet');
  const files = await filesIn(folder);
  await writeFile(join(folder, 'events.parquet'), 'not a Parquet file');
  await expect(exportTo('a.parquet', { overwrite: true })).rejects.toMatchObject({ code: 'history-unreadable' });
  expect(await filesIn(folder)).toEqual(files);
  expect(JSON.parse(await readFile(join(folder, 'a.parquet.manifest.json'), 'utf8'))).toEqual(manifest);
});

test('a history that breaks its contract is refused with examples, not left out in silence', async () => {
  await withDuckDb((duckdb) =>
    duckdb.run(
      `COPY (SELECT ts, visitor, CASE WHEN visitor % 5 = 0 THEN 'NaN'::DOUBLE ELSE amount END AS amount
             FROM '${made}/events.parquet') TO '${folder}/events.parquet'`,
    ),
  );
  await expect(exportTo('a.parquet')).rejects.toMatchObject({
    code: 'too-many-invalid-records',
    message: expect.stringMatching(
      /source "events": 101 of 1000 consecutive rows of its history are invalid; allowed: 100\. .*\d+ × .*events\.parquet, position \d+: .*amount/s,
    ),
  });
  expect(await filesIn(folder)).toEqual(before);
});

test('repeating is refused when spine, history or code is another', async () => {
  const manifest = await exportTo('a.parquet');
  const code = { ...manifest, views: manifest.views.map((view) => ({ ...view, fingerprint: 'f'.repeat(64) })) };
  const spine = { ...manifest, spine: { ...manifest.spine, sha256: '0'.repeat(64) } };
  for (const [repeatOf, named] of [
    [code, 'fingerprint'],
    [spine, 'spine'],
  ] as const) {
    await expect(exportTo('b.parquet', { repeatOf })).rejects.toMatchObject({
      code: 'training-set-changed',
      message: expect.stringContaining(named),
    });
  }
  const sources = manifest.sources.map((source) => ({
    ...source,
    history: source.history.map((file) => ({ ...file, sha256: 'a'.repeat(64) })),
  }));
  await expect(exportTo('b.parquet', { repeatOf: { ...manifest, sources } })).rejects.toMatchObject({
    code: 'history-changed',
    message: expect.stringMatching(/source "events": the training set to repeat .* had sha256 aaaa/),
  });
  // What the release before made says nothing of its semantics.
  const { semantics, ...before } = manifest;
  expect(semantics).toBe(ENGINE_SEMANTICS);
  for (const repeatOf of [before, { ...manifest, semantics: ENGINE_SEMANTICS - 1 }])
    await expect(exportTo('b.parquet', { repeatOf })).rejects.toMatchObject({ code: 'semantics-retired' });
});

async function overflowing(): Promise<Partial<TrainingOptions>> {
  const numbers = source('numbers', {
    schema: z.object({ ts: z.iso.datetime(), visitor: z.int(), n: z.int() }),
    eventTime: 'ts',
    topic: 'numbers',
  });
  const sums = featureView('sums', {
    entity: visitor,
    source: numbers,
    features: (f) => ({ total: f.sum('n'), records: f.count() }),
  });
  const definitions = await compileDefinitions(
    definitionsInMemory([visitor, numbers, sums, featureService('model', [sums])], folder),
  );
  const broker = new MemoryBroker();
  broker.createTopic('numbers', 1);
  for (let second = 0; second < 2; second++) {
    const value = Buffer.from(
      JSON.stringify({ ts: `2001-06-01T00:00:0${second}Z`, visitor: 1, n: Number.MAX_SAFE_INTEGER }),
    );
    broker.append('numbers', 0, [{ value, timestampUs: 1e15 }]);
  }
  await writeFile(
    join(folder, 's.csv'),
    'visitor,event_timestamp\n1,2001-06-01T00:00:01Z\n1,2001-06-02T00:00:00Z\n1,2001-06-03T00:00:00Z\n',
  );
  return {
    spine: join(folder, 's.csv'),
    service: definitions.services.get('model')!,
    reader: createMemoryLogReader(broker),
  };
}

test('a sum that does not fit ends the export, naming the feature, the row, the entity and how many', async () => {
  const options = await overflowing();
  await expect(exportTo('a.parquet', options)).rejects.toMatchObject({
    code: 'value-out-of-range',
    message: expect.stringMatching(
      /feature "total" of view "sums": value-out-of-range in spine row 2 \(visitor=1\) and 1 more/,
    ),
    details: { errors: [{ view: 'sums', feature: 'total', code: 'value-out-of-range', rows: 2, firstRow: 2 }] },
  });
  expect((await readdir(folder)).filter((name) => name.includes('a.parquet'))).toEqual([]);
});

test('or is null where that is asked for, and counted', async () => {
  const options = await overflowing();
  const manifest = await exportTo('a.parquet', { ...options, onError: 'null' });
  expect(manifest.onError).toBe('null');
  expect(manifest.views[0]!.features).toMatchObject([
    { name: 'total', nulls: 2, errors: { 'value-out-of-range': 2 } },
    { name: 'records', nulls: 0, errors: {} },
  ]);
  const { rows } = await readParquet(join(folder, 'a.parquet'));
  expect(rows.map((row) => [row['sums__total'], row['sums__records']])).toEqual([
    [BigInt(Number.MAX_SAFE_INTEGER), 1n],
    [null, 2n],
    [null, 2n],
  ]);
  // Repeated, it does what it did.
  const again = await exportTo('b.parquet', { ...options, repeatOf: manifest });
  expect(again).toEqual({ ...manifest, spine: again.spine });
  expect(again.sha256).toBe(manifest.sha256);
});
