import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { featureService, featureView } from 'millrace';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { z } from 'zod';
import { exportSummary } from '../../activities/export-summary.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService, Definitions } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { createClient, type FeatureClient } from '../../engine/online/client.ts';
import { createServingLog } from '../../engine/served/create-serving-log.ts';
import type { ServingLog } from '../../engine/served/serving-log.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';
import { loggedReads } from '../served/logged-reads.ts';
import { readParquet } from '../training/training-fixture.ts';
import { airport, land, landings, NOW_US } from './landings.ts';

const HOUR_US = 3_600_000_000;
const TOPIC = 'service-log';
const seed = Date.now() % 2 ** 31;

const traffic = featureView('traffic', {
  entity: airport,
  source: landings,
  features: (f) => ({ n_1d: f.count().over('1d'), weight: f.sum('weight') }),
});
const views = [traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })] as const;
const model = featureService('model', {
  views: [...views],
  request: z.object({
    seats: z.int().min(0),
    code: z.int64().nullable(),
    scheduled: z.iso.datetime(),
    note: z.string().optional(),
  }),
  derived: (d) => ({
    seats_a_flight: d.number(({ from }, { request }) => request.seats / from.n_1d),
    heavier: d.boolean(({ from, to }) => (from.weight ?? 0n) > (to.weight ?? 0n)),
    wait: d.int((_, { request, at }) => request.scheduled - at),
    told: d.list(z.string(), ({ from }, { request }) => [String(from.n_1d), request.note ?? '', String(request.code)]),
  }),
});
/** The same by name, after its request and one of its features became something else. */
const changed = featureService('model', {
  views: [...views],
  request: z.object({ seats: z.number(), note: z.string().optional(), late: z.boolean() }),
  derived: (d) => ({
    heavier: d.boolean(() => null),
    wait: d.number(() => 1),
  }),
});

let world: ParityWorld & { close(): Promise<void> };
let kafka: KafkaFixture;
let log: ServingLog;
let client: FeatureClient;
let api: RunningApi;
let service: CompiledService;
let definitions: Definitions;

const compile = async (of: typeof model | typeof changed): Promise<CompiledService> =>
  (await compileDefinitions(definitionsInMemory([traffic, of], '/'))).services.get('model')!;

beforeAll(async () => {
  definitions = await compileDefinitions(definitionsInMemory([traffic, model], '/'));
  service = definitions.services.get('model')!;
  world = await openWorld(inject('stack').databaseUrl, { view: definitions.views.get('traffic')!, nowUs: NOW_US });
  await land(world);
  const brokers = inject('stack').kafkaBrokers;
  kafka = await openKafka(brokers);
  await kafka.createTopic(TOPIC, 3);
  const { pool, clock } = world;
  log = createServingLog({ kafka: { brokers }, topic: TOPIC, sample: 1, clock, flushMs: 1 });
  client = createClient({ pool, clock, servingLog: log });
  api = await startApi({ pool, clock, definitions, servingLog: log });
});
afterAll(async () => {
  await api?.close();
  await client?.close();
  await log?.close();
  await kafka?.close();
  await world?.close();
});

const settled = (): Promise<void> => vi.waitFor(() => expect(log.figures.buffered).toBe(0), 60_000);

interface Ask {
  readonly origin: string;
  readonly destination: string;
  readonly request: {
    readonly seats: number;
    readonly code: string | null;
    readonly scheduled: string;
    readonly note?: string;
  };
  readonly at: number;
}

async function overHttp(requestId: string, at: number, asks: readonly Ask[]): Promise<FeaturesResponse['results']> {
  const entities = asks.map(({ origin, destination, request }) => ({ keys: { origin, destination }, request }));
  const response = await fetch(`${api.url}/v1/features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify({ service: 'model', entities, at: formatDateTime(at) }),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as FeaturesResponse).results;
}

/** The same through the typed client. */
function typed(requestId: string, { origin, destination, request, at }: Ask) {
  const { seats, code, scheduled, note } = request;
  const given = { seats, code: code === null ? null : BigInt(code), scheduled: microsOf(scheduled), note };
  return client.getService(model, { origin, destination }, { request: given as never, at, requestId });
}

function microsOf(iso: string): number {
  return Date.parse(iso) * 1000 + Number(iso.slice(23, 26));
}

let sets = 0;
async function exported(
  rows: readonly object[],
  more: Partial<TrainingOptions> = {},
): Promise<{
  readonly manifest: TrainingManifest;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly columns: string[];
}> {
  const name = join(world.folder, `set-${++sets}`);
  await writeFile(`${name}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const manifest = await exportTrainingSet({
    service,
    spine: `${name}.jsonl`,
    out: `${name}.parquet`,
    mode: 'as-served',
    pool: world.pool,
    archiveDir: null,
    reader: kafka.reader,
    servedTopic: TOPIC,
    spillDir: world.folder,
    clock: world.clock,
    ...more,
  });
  const read = await readParquet(`${name}.parquet`);
  return { manifest, rows: read.rows, columns: Object.keys(read.rows[0]!) };
}

const place = fc.constantFrom('LAS', 'PHL', 'BIG', 'nowhere');
const askOf: fc.Arbitrary<Omit<Ask, 'at'>> = fc.record({
  origin: place,
  destination: place,
  request: fc.record(
    {
      seats: fc.nat(400),
      code: fc.option(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String), { nil: null }),
      scheduled: fc.integer({ min: -1e12, max: 1e12 }).map((us) => formatDateTime(NOW_US + us)),
      note: fc.string({ unit: 'grapheme' }),
    },
    { requiredKeys: ['seats', 'code', 'scheduled'] },
  ),
});

test(`a training set of requests has what they were asked with, and what was derived then (seed ${seed})`, async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          isHttp: fc.boolean(),
          hours: fc.integer({ min: 0, max: 40 }),
          asks: fc.array(askOf, { minLength: 1, maxLength: 3 }),
        }),
        { minLength: 1, maxLength: 8 },
      ),
      async (requests) => {
        run++;
        const expected: { row: object; ask: Ask; values: Readonly<Record<string, unknown>>; errors: object | null }[] =
          [];
        for (const [n, { isHttp, hours, asks }] of requests.entries()) {
          const at = NOW_US + hours * HOUR_US;
          const requestId = `run-${run}-${n}`;
          // One request is of one entity in the client; of several over HTTP, each pair once.
          const own = [...new Map(asks.map((ask) => [`${ask.origin} ${ask.destination}`, { ...ask, at }])).values()];
          const asked = isHttp ? own : own.slice(0, 1);
          const answers = isHttp
            ? (await overHttp(requestId, at, asked)).map(({ derived }) => derived!)
            : [(await typed(requestId, asked[0]!)).model];
          for (const [index, ask] of asked.entries()) {
            const { origin, destination } = ask;
            const { values, errors } = answers[index]!;
            expected.push({ row: { request_id: requestId, origin, destination }, ask, values, errors });
          }
        }
        await settled();
        const keyed = expected.map(({ row }, n) => ({ n, ...row }));
        const { rows, manifest } = await exported(keyed, { onError: 'null' });
        const counted: Record<string, number> = {};
        for (const [n, { ask, values, errors }] of expected.entries()) {
          const row = rows[n]!;
          const { seats, code, scheduled, note = null } = ask.request;
          expect({
            seats: Number(row['request__seats']),
            code: row['request__code'],
            scheduled: row['request__scheduled'],
            note: row['request__note'],
          }).toEqual({ seats, code: code && BigInt(code), scheduled: microsOf(scheduled), note });
          // Its own oracle: `at` is the time of the read, and nothing else.
          expect(Number(row['model__wait'])).toBe(microsOf(scheduled) - ask.at);
          expect(row['model__seats_a_flight'] ?? null).toBe(values['seats_a_flight'] ?? null);
          expect(row['model__heavier'] ?? null).toBe(values['heavier'] ?? null);
          expect(row['model__told']).toEqual(values['told']);
          for (const [feature, error] of Object.entries(errors ?? {}))
            counted[`${feature} ${String(error)}`] = (counted[`${feature} ${String(error)}`] ?? 0) + 1;
        }
        expect(manifest.derived).toMatchObject({
          request: ['request__code', 'request__note', 'request__scheduled', 'request__seats'],
          logged: { rowsNotLogged: 0, notServed: [] },
        });
        expect(manifest.derived?.tag).toBe(undefined);
        const told = manifest.derived!.features.flatMap(({ name, errors }) =>
          Object.entries(errors!).map(([code, n]) => [`${name} ${code}`, n]),
        );
        expect(Object.fromEntries(told)).toEqual(counted);
        expect(manifest.derived!.logged!.definitions.reduce((sum, { rows: n }) => sum + n, 0)).toBe(expected.length);
      },
    ),
    { seed, numRuns: 6 },
  );
});

const ask: Ask = {
  origin: 'LAS',
  destination: 'PHL',
  request: { seats: 180, code: '9007199254740993', scheduled: formatDateTime(NOW_US + HOUR_US), note: 'n' },
  at: NOW_US,
};

test('client and API write the same record of the same read', async () => {
  await typed('same-client', ask);
  await overHttp('same-http', NOW_US, [ask]);
  await settled();
  const [ofClient, ofApi] = await Promise.all(
    ['same-client', 'same-http'].map((id) =>
      loggedReads(kafka.reader, TOPIC, { requestIds: new Set([id]), services: new Set(['model']) }),
    ),
  );
  const recordOf = (reads: typeof ofClient): object => {
    const {
      readId: _,
      requestId: __,
      fingerprint: ___,
      ...record
    } = { ...reads!.find(({ requestJson }) => requestJson !== null)! };
    return record;
  };
  expect(recordOf(ofApi)).toEqual(recordOf(ofClient));
  expect(recordOf(ofClient)).toMatchObject({
    view: 'model',
    service: 'model',
    role: null,
    entityJson: '{"origin":"LAS","destination":"PHL"}',
    requestJson: `{"code":"9007199254740993","note":"n","scheduled":"${ask.request.scheduled}","seats":180}`,
    valuesJson: '{"seats_a_flight":90,"heavier":true,"wait":3600000000,"told":["2","n","9007199254740993"]}',
    errorsJson: null,
  });
  // The server has the code of what it derived; a client is trusted with its own.
  const tagOf = (reads: typeof ofApi): unknown => reads!.find(({ view }) => view === 'model')?.fingerprint;
  expect([tagOf(ofApi), tagOf(ofClient)]).toEqual([service.derivedTag, '']);
  // Who asks for reads of views gets those alone.
  expect(await loggedReads(kafka.reader, TOPIC, { requestIds: new Set(['same-http']) })).toHaveLength(2);
});

test('an error that was derived is one of the set: it fails it, unless nulls are asked for', async () => {
  await typed('in-error', { ...ask, origin: 'BIG', destination: 'nowhere' });
  await settled();
  await expect(exported([{ request_id: 'in-error' }])).rejects.toMatchObject({
    code: 'value-out-of-range',
    message: expect.stringContaining('feature "heavier" of service "model": input-error in spine row 1') as unknown,
  });
  const { rows, manifest } = await exported([{ request_id: 'in-error' }], { onError: 'null' });
  expect(rows[0]).toMatchObject({ model__heavier: null, request__note: 'n' });
  expect(manifest.derived!.features.find(({ name }) => name === 'heavier')).toMatchObject({
    nulls: 1,
    errors: { 'input-error': 1 },
  });
});

test('what was something else then is refused by name, or null and counted', async () => {
  await overHttp('before', NOW_US, [ask]);
  await settled();
  const now = await compile(changed);
  await expect(exported([{ request_id: 'before' }], { service: now })).rejects.toMatchObject({
    code: 'served-by-other-definition',
    message: expect.stringMatching(
      /service "model": its definition \w{12}, which served "before" \(row 1\), has no such feature "wait", "request.late", "request.seats"/,
    ) as unknown,
  });
  const { rows, columns, manifest } = await exported([{ request_id: 'before' }], { service: now, missing: 'null' });
  expect(columns.slice(-5)).toEqual([
    'model__heavier',
    'model__wait',
    'request__late',
    'request__note',
    'request__seats',
  ]);
  expect(rows[0]).toMatchObject({
    model__heavier: true,
    model__wait: null,
    request__late: null,
    request__note: 'n',
    request__seats: null,
  });
  expect(manifest.derived!.logged).toEqual({
    rowsNotLogged: 0,
    definitions: [{ version: 0, fingerprint: service.derivedTag, rows: 1 }],
    notServed: ['wait', 'request.late', 'request.seats'].map((feature) => ({
      feature,
      otherDefinition: 1,
      notAsked: 0,
    })),
  });
});

test('requests that are not told apart, or were never logged, are named', async () => {
  const other = { ...ask, request: { ...ask.request, seats: 1 } };
  await overHttp('twice', NOW_US, [ask, other]);
  await overHttp('again', NOW_US, [ask, ask]);
  await overHttp('two', NOW_US, [ask, { ...ask, destination: 'BIG' }]);
  await client.getMany(traffic, [{ airport: 'LAS' }], { requestId: 'views-alone', at: NOW_US });
  await settled();
  const row = (id: string): object => ({ request_id: id, origin: 'LAS', destination: 'PHL' });
  await expect(exported([row('twice')])).rejects.toMatchObject({
    code: 'request-ambiguous',
    message: expect.stringContaining(
      'service "model": request "twice" was answered differently for the same entity',
    ) as unknown,
  });
  // The same answer twice is one.
  expect((await exported([row('again')])).rows[0]).toMatchObject({ request__note: 'n' });
  await expect(exported([row('views-alone')])).rejects.toMatchObject({
    code: 'request-not-logged',
    message: expect.stringContaining(
      'service "model": 1 row with no read of its entity by its request: "views-alone" (row 1)',
    ) as unknown,
  });
  // Without the join keys a request stands for its one entity.
  expect((await exported([{ request_id: 'again' }])).rows[0]).toMatchObject({
    model__heavier: true,
    request__note: 'n',
  });
  await expect(exported([{ request_id: 'two' }])).rejects.toMatchObject({
    code: 'request-ambiguous',
    message: expect.stringContaining('service "model": request "two" read 2 entities') as unknown,
  });
  const { rows, manifest } = await exported([row('views-alone')], { missing: 'null' });
  expect(rows[0]).toMatchObject({ model__heavier: null, request__seats: null });
  expect(manifest.derived?.logged?.rowsNotLogged).toBe(1);
  // What was read of the view by itself was read for no role.
  const rowsNull = ['from', 'to', 'model'].map((of) => ({ of, why: 'not-logged', rows: 1 }));
  expect(exportSummary('model', '/out', manifest)).toMatchObject({ rowsNull });
});

test('a column of that name is refused, and a set is made again as it was, or refused', async () => {
  await overHttp('repeated', NOW_US, [ask]);
  await settled();
  await expect(exported([{ request_id: 'repeated', request__seats: 1 }])).rejects.toMatchObject({
    code: 'feature-column-clash',
    message: expect.stringContaining('the field "seats" of requests of service "model"') as unknown,
  });
  const first = await exported([{ request_id: 'repeated' }]);
  await overHttp('repeated', NOW_US, [{ ...ask, request: { ...ask.request, seats: 2 } }]);
  await settled();
  const again = await exported([{ request_id: 'repeated' }], { repeatOf: first.manifest });
  expect(again.manifest.sha256).toBe(first.manifest.sha256);
  const repeated = (of: CompiledService) =>
    exported([{ request_id: 'repeated' }], { repeatOf: first.manifest, service: of, missing: 'null' });
  const refused = (message: RegExp) => ({
    code: 'training-set-changed',
    message: expect.stringMatching(message) as unknown,
  });
  await expect(repeated(await compile(changed))).rejects.toMatchObject(
    refused(/columns of the service itself: then .*model__told \(list of string\).*, now .*request__late \(boolean\)/),
  );
  // Columns of the same names, of which nothing that was logged is: they would be null.
  const [seats, ...fields] = service.request!;
  const asked = [{ ...seats!, spec: { ...seats!.spec, type: { kind: 'double' as const } } }, ...fields];
  await expect(repeated({ ...service, request: asked })).rejects.toMatchObject(
    refused(/request__seats \(int\), now .*request__seats \(double\)/),
  );
});
