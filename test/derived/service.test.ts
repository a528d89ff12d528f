import { featureService, featureView } from 'millrace';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { readParquet } from '../training/training-fixture.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { createClient, type FeatureClient } from '../../engine/online/client.ts';
import type { DerivedFailed, ServiceDerivedFailed } from '../../engine/online/view-read.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { startApi } from '../../serving/start-api.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';
import { airport, land, landings, NOW_US } from './landings.ts';

interface ErrorBody {
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
}

const traffic = featureView('traffic', {
  entity: airport,
  source: landings,
  features: (f) => ({ n_1d: f.count().over('1d'), weight: f.sum('weight') }),
  derived: (d) => ({ mean: d.number((v) => (v.weight === null ? null : Number(v.weight) / v.n_1d)) }),
});
const model = featureService('model', {
  views: [traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })],
  request: z.object({ seats: z.int().min(1), note: z.string().optional() }),
  derived: [
    (d) => ({
      ratio: d.number(({ from, to }) => (to.n_1d === 0 ? null : from.n_1d / to.n_1d)),
      seats_a_flight: d.number(({ from }, { request }) => request.seats / from.n_1d),
      heavier: d.boolean(({ from, to }) => (from.weight ?? 0n) > (to.weight ?? 0n)),
      hour: d.int((_, { at }) => new Date(at / 1000).getUTCHours()),
    }),
    (d) => ({
      told: d.list(z.string(), ({ model: own, from }, { request }) => [
        String(own.ratio),
        String(from.mean),
        request.note ?? '',
      ]),
    }),
  ],
});

let world: ParityWorld & { close(): Promise<void> };
let client: FeatureClient;
let service: CompiledService;
const failed: (DerivedFailed | ServiceDerivedFailed)[] = [];

beforeAll(async () => {
  const { views, services } = await compileDefinitions(definitionsInMemory([traffic, model], '/'));
  service = services.get('model')!;
  world = await openWorld(inject('stack').databaseUrl, { view: views.get('traffic')!, nowUs: NOW_US });
  await land(world);
  client = createClient({ pool: world.pool, clock: world.clock, onDerivedFailed: (each) => failed.push(each) });
});
afterAll(async () => {
  await client?.close();
  await world?.close();
});

const keys = { origin: 'LAS', destination: 'PHL' } as const;

test('a service derives of its roles, of the request and of the time, under its own name', async () => {
  const read = await client.getService(model, keys, { request: { seats: 180, note: 'n' }, at: NOW_US });
  expect(read.model).toEqual({
    values: {
      ratio: 2,
      seats_a_flight: 90,
      heavier: true,
      hour: new Date(NOW_US / 1000).getUTCHours(),
      told: ['2', '150', 'n'],
    },
    errors: null,
    asOfUs: NOW_US,
    requestId: read.from.requestId,
  });
  expect(read.from.values).toEqual({ n_1d: 2, weight: 300n, mean: 150 });
});

test('a value in error is an error of what reads it, and of nothing else; what fails is told with what it saw', async () => {
  failed.length = 0;
  const { model: own } = await client.getService(
    model,
    { origin: 'nowhere', destination: 'BIG' },
    { request: { seats: 180 }, at: NOW_US, requestId: 'r' },
  );
  expect(own.errors).toEqual({ seats_a_flight: 'derived-failed', heavier: 'input-error' });
  expect(own.values).toMatchObject({ ratio: 0, seats_a_flight: null, heavier: null, told: ['0', 'null', ''] });
  expect(failed.filter((each) => 'service' in each)).toEqual([
    {
      service: 'model',
      requestId: 'r',
      feature: 'seats_a_flight',
      reason: 'expected double or null from the function, received Infinity',
      inputs: {
        from: { n_1d: 0, weight: null, mean: null },
        to: { n_1d: 2, weight: 'value-out-of-range', mean: 'input-error' },
        request: { seats: 180, note: null },
      },
      atUs: NOW_US,
    },
  ]);
});

test('a request that is not what the service asks for is refused by name, and nothing is read', async () => {
  const ask = (request: unknown): Promise<unknown> => client.getService(model, keys, { request } as never);
  await expect(ask({ seats: 0 })).rejects.toMatchObject({
    code: 'invalid-request',
    message: expect.stringContaining('seats'),
  });
  await expect(ask({})).rejects.toMatchObject({
    code: 'invalid-request',
    message: expect.stringContaining('seats: is missing'),
  });
  await expect(ask({ seats: 1, chairs: 2 })).rejects.toMatchObject({
    code: 'invalid-request',
    message: expect.stringContaining('chairs'),
  });
  await expect(client.getService(model, keys, undefined as never)).rejects.toMatchObject({ code: 'invalid-request' });
});

function exported(more: Partial<TrainingOptions> = {}): Promise<TrainingManifest> {
  return exportTrainingSet({
    service,
    spine: join(world.folder, 'labels.csv'),
    out: join(world.folder, 'set.parquet'),
    mode: 'event-time',
    onError: 'null',
    overwrite: true,
    pool: world.pool,
    reader: world.reader,
    archiveDir: null,
    spillDir: world.folder,
    clock: world.clock,
    ...more,
  });
}

const AT = formatDateTime(NOW_US);
const labels = (head: string, ...rows: readonly string[]): Promise<void> =>
  writeFile(join(world.folder, 'labels.csv'), `${head}\n${rows.join('\n')}\n`);

test('a training set derives the same of the same, with requests in columns of the spine', async () => {
  const pairs = [
    ['LAS', 'PHL'],
    ['PHL', 'LAS'],
    ['BIG', 'LAS'],
    ['nowhere', 'BIG'],
  ] as const;
  await labels(
    'origin,destination,event_timestamp,seats,note,label',
    ...pairs.map(([from, to], index) => `${from},${to},${AT},${180 + index},n${index},${index}`),
  );
  const manifest = await exported();
  const { rows } = await readParquet(join(world.folder, 'set.parquet'));
  for (const [index, [origin, destination]] of pairs.entries()) {
    const request = { seats: 180 + index, note: `n${index}` };
    const { model: own } = await client.getService(model, { origin, destination }, { request, at: NOW_US });
    const row = rows[index]!;
    const { ratio, seats_a_flight, heavier, hour } = own.values;
    expect([
      row['model__ratio'],
      row['model__seats_a_flight'],
      row['model__heavier'],
      Number(row['model__hour']),
    ]).toEqual([ratio, seats_a_flight, heavier, hour]);
    expect(row['model__told']).toEqual(own.values.told);
    expect(row['label']).toBeDefined();
  }
  expect(manifest.views.map(({ view, role }) => [view, role])).toEqual([
    ['traffic', 'from'],
    ['traffic', 'to'],
  ]);
  expect(manifest.derived).toMatchObject({ tag: service.derivedTag, request: ['seats', 'note'] });
  const ofErrors = Object.fromEntries(manifest.derived!.features.map(({ name, errors }) => [name, errors]));
  expect(ofErrors).toMatchObject({
    ratio: {},
    seats_a_flight: { 'derived-failed': 1 },
    heavier: { 'input-error': 2 },
  });
  const again = await exported({ repeatOf: manifest });
  expect(again.sha256).toBe(manifest.sha256);
  await expect(exported({ repeatOf: manifest, service: { ...service, derivedTag: 'another' } })).rejects.toMatchObject({
    code: 'training-set-changed',
  });
});

test('each row of a long training set has what is derived of its own values, errors and request', async () => {
  const pairs = ['LAS,PHL', 'BIG,LAS', 'nowhere,BIG', 'PHL,LAS'];
  const count = 5_001;
  await labels(
    'origin,destination,event_timestamp,seats',
    ...Array.from({ length: count }, (_, n) => `${pairs[n % 4]},${AT},${n + 1}`),
  );
  const { derived } = await exported();
  const { rows } = await readParquet(join(world.folder, 'set.parquet'));
  const flights = [2, 2, 0, 1];
  const heavier = [true, null, null, false];
  const differing = rows.filter(
    (row, n) =>
      row['model__seats_a_flight'] !== (n % 4 === 2 ? null : (n + 1) / flights[n % 4]!) ||
      row['model__heavier'] !== heavier[n % 4],
  );
  expect([rows.length, differing]).toEqual([count, []]);
  const ofEach = (rest: number): number => Math.ceil((count - rest) / 4);
  expect(Object.fromEntries(derived!.features.map(({ name, errors }) => [name, errors]))).toMatchObject({
    seats_a_flight: { 'derived-failed': ofEach(2) },
    heavier: { 'input-error': ofEach(1) + ofEach(2) },
  });
});

test('a request that a spine lacks or has wrong is named, and one that may be left out is not missed', async () => {
  await labels('origin,destination,event_timestamp', `LAS,PHL,${AT}`);
  await expect(exported()).rejects.toMatchObject({
    code: 'spine-column-missing',
    message: expect.stringContaining('seats'),
  });
  await labels('origin,destination,event_timestamp,seats', `LAS,PHL,${AT},1`, `LAS,PHL,${AT},0`);
  await expect(exported()).rejects.toMatchObject({
    code: 'spine-bad-request',
    message: expect.stringMatching(/"seats" \(a value of the request\), row 2: expected an integer .*received/),
  });
  await labels('origin,destination,event_timestamp,seats', `LAS,PHL,${AT},3`);
  await exported();
  const { rows } = await readParquet(join(world.folder, 'set.parquet'));
  expect(rows[0]!['model__seats_a_flight']).toBe(1.5);
});

test('as it was served a training set has nothing derived where no version of the service was ever applied, and counts it', async () => {
  await labels('origin,destination,event_timestamp,seats', `LAS,PHL,${AT},3`);
  const manifest = await exported({ mode: 'as-served' });
  expect(manifest.derived).toMatchObject({ served: { rowsNotServed: 1, versions: [] } });
  const { rows } = await readParquet(join(world.folder, 'set.parquet'));
  const own = Object.entries(rows[0]!).filter(([name]) => name.startsWith('model__'));
  expect(own.map(([, value]) => value)).toEqual(service.derived!.map(() => null));
});

test('over HTTP the same, per entity with its own request; what is wrong of one is a named 400', async () => {
  const api = await startApi({
    pool: world.pool,
    clock: world.clock,
    definitions: { services: new Map([['model', service]]), views: new Map([['traffic', service.blocks[0]!.view]]) },
    logLevel: 'silent',
  });
  const ask = async (
    body: object,
  ): Promise<{ readonly status: number; readonly answer: FeaturesResponse & ErrorBody }> => {
    const response = await fetch(`${api.url}/v1/features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service: 'model', at: AT, ...body }),
    });
    return { status: response.status, answer: (await response.json()) as FeaturesResponse & ErrorBody };
  };
  try {
    const entries = [
      { keys, request: { seats: 180, note: 'n' } },
      { keys: { origin: 'nowhere', destination: 'BIG' }, request: { seats: 1 } },
    ];
    const { status, answer } = await ask({ entities: entries });
    expect(status).toBe(200);
    for (const [index, { keys: entity, request }] of entries.entries()) {
      const { model: own } = await client.getService(model, entity, { request, at: NOW_US });
      expect(answer.results[index]).toMatchObject({ entity, derived: { values: own.values, errors: own.errors } });
      expect(Object.keys(answer.results[index]!.views)).toEqual(['from', 'to']);
    }
    const one = { keys, request: { seats: 1 } };
    const refusals: readonly (readonly [object, RegExp])[] = [
      [{ entities: [one, { keys, request: { seats: 0 } }] }, /^entities\[1\].*seats/],
      [{ entities: [one, { keys, request: {} }] }, /^entities\[1\].*seats: is missing/],
      [{ entity: { keys, request: { seats: 1, chairs: 2 } } }, /chairs/],
      [{ entity: { keys, request: { seats: '1' } } }, /seats/],
      [{ entity: { keys, request: 5 } }, /request/],
      [{ entity: keys }, /seats: is missing/],
      [{ entity: { keys, request: { seats: 1 }, more: 1 } }, /"more" stands beside "keys"/],
      [{ service: undefined, features: ['traffic'], entity: { keys: { airport: 'LAS' }, request: {} } }, /take none/],
    ];
    for (const [body, message] of refusals) {
      const refused = await ask(body);
      expect({ status: refused.status, code: refused.answer.code }).toEqual({ status: 400, code: 'invalid-request' });
      expect(refused.answer.message).toMatch(message);
      expect(refused.answer.remedy).not.toBe('');
    }
    const listed = (await (await fetch(`${api.url}/v1/services`)).json()) as { readonly services: readonly object[] };
    expect(listed.services).toEqual([
      expect.objectContaining({
        service: 'model',
        request: [
          { name: 'seats', type: 'int', nullable: false, optional: false },
          { name: 'note', type: 'string', nullable: false, optional: true },
        ],
        derived: expect.arrayContaining([{ name: 'told', type: 'list of string' }]) as unknown,
      }),
    ]);
    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    expect(metrics).toMatch(/millrace_derived_errors_total\{service="model",code="derived-failed"\} 1/);
  } finally {
    await api.close();
  }
});
