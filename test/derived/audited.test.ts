/** What services derived, in the serving log, is derived once more by audits: by the code that each record was derived by. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import { StoredServiceCode } from '../../engine/bundles/service-code.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import type { AuditOutcome } from '../../engine/parity/audit-types.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import type { RecordToWrite } from '../../engine/topic/log-writer.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { startApi } from '../../serving/start-api.ts';
import { writeProject } from '../define/code-of.ts';
import { openWorld, type ParityWorld, SERVED_TOPIC } from '../parity/parity-world.ts';

const HOUR_US = 3_600_000_000;
const NOW_US = Math.floor(Date.now() / 3_600_000) * HOUR_US;

async function definitionsOf(load: string): Promise<Definitions> {
  const folder = writeProject({
    'index.ts': `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
const airport = entity('airport', { airport: z.string() });
const landings = source('landings', { schema: z.object({ id: z.string(), at: z.iso.datetime(), airport: z.string() }), eventTime: 'at', eventId: 'id', topic: 'landings' });
export const traffic = featureView('traffic', { entity: airport, source: landings, features: (f) => ({ n_1d: f.count().over('1d'), last_id: f.last('id') }) });
export const model = featureService('model', {
  views: [traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })],
  request: z.object({ seats: z.int(), note: z.string().optional() }),
  derived: (d) => ({
    load: d.number(${load}),
    told: d.list(z.string(), ({ from, to }, { request, at }) => [String(from.last_id), String(to.n_1d), request.note ?? 'none', String(at)]),
  }),
});`,
  });
  return compileDefinitions(await importDefinitions(folder));
}
const LOAD = '({ from }, { request }) => request.seats / from.n_1d';

let world: ParityWorld & { close(): Promise<void> };
let definitions: Definitions;
let later: Definitions;
beforeAll(async () => {
  definitions = await definitionsOf(LOAD);
  world = await openWorld(inject('stack').databaseUrl, { view: definitions.views.get('traffic')!, nowUs: NOW_US });
  for (const [n, airport] of ['LAS', 'LAS', 'PHL'].entries()) {
    const record = { id: `landing-${n}`, at: formatDateTime(NOW_US - HOUR_US), airport };
    world.append(0, [{ value: Buffer.from(JSON.stringify(record)), timestampUs: NOW_US }]);
  }
  await world.backfill();
  await apply(definitions);
});
afterAll(() => world?.close());

const apply = (of: Definitions): Promise<unknown> =>
  applyDefinitions({ pool: world.pool, definitions: of, actor: 'ana@laptop' });

const audit = (): Promise<AuditOutcome> =>
  world.audit({ serviceCode: new StoredServiceCode({ pool: world.pool, services: definitions.services }) });

let logs = 0;
/** Asks the API, which derives by the version that is served, and gives what was logged, as it was sent. */
async function served(requestId: string, entries: readonly object[], of = definitions): Promise<RecordToWrite[]> {
  const sent: RecordToWrite[] = [];
  const writer = {
    send: async (_: string, records: readonly RecordToWrite[]): Promise<void> => void sent.push(...records),
    close: async (): Promise<void> => undefined,
  };
  const log = new ServingLog({ writer, topic: SERVED_TOPIC, clock: world.clock, logId: `api-${++logs}`, sample: 1 });
  const api = await startApi({ pool: world.pool, clock: world.clock, definitions: of, servingLog: log });
  try {
    const response = await fetch(`${api.url}/v1/features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': requestId },
      body: JSON.stringify({ service: 'model', entities: entries, at: formatDateTime(NOW_US) }),
    });
    expect(response.status).toBe(200);
  } finally {
    await api.close();
    await log.close();
  }
  return sent;
}

/** Puts records into the log; those of the service changed. */
function logged(
  records: readonly RecordToWrite[],
  change: (own: Record<string, unknown>) => object = (own) => own,
  isLogged: (record: Readonly<Record<string, unknown>>) => boolean = () => true,
): void {
  const rows = records.map(({ value }) => JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>);
  const all = rows.filter(isLogged).map((row) => (row['request'] === undefined ? row : { ...row, ...change(row) }));
  const timestampUs = NOW_US;
  world.broker.append(
    SERVED_TOPIC,
    0,
    all.map((row) => ({ value: Buffer.from(JSON.stringify(row)), timestampUs })),
  );
}

const entry = (origin: string, destination: string, seats: number, note?: string): object => ({
  keys: { origin, destination },
  request: { seats, ...(note === undefined ? {} : { note }) },
});

test('what was derived of what was logged is equal, errors too, and counted; without code it is not compared', async () => {
  logged(await served('one', [entry('LAS', 'PHL', 180, 'n'), entry('nowhere', 'LAS', 3), entry('PHL', 'PHL', 0)]));
  const [with_, without] = [await audit(), await world.audit()];
  expect(with_).toMatchObject({ verdict: 'equal', skipped: {}, cellsDiffering: 0 });
  expect([with_.reads - without.reads, with_.cellsCompared - without.cellsCompared]).toEqual([3, 6]);
});

test('what a client derived names no code: any version of the service may have given it', async () => {
  const before = await audit();
  const records = await served('client', [entry('LAS', 'LAS', 8)]);
  logged(records, () => ({ fingerprint: '' }));
  expect(await audit()).toMatchObject({ verdict: 'equal', reads: before.reads + 3, skipped: {} });
});

test('what a client of long ago derived is right by the version it is of, however many came since', async () => {
  const records = await served('old', [entry('LAS', 'LAS', 12)]);
  for (let factor = 2; factor < 8; factor++) await apply(await definitionsOf(`({ from }) => from.n_1d * ${factor}`));
  const before = await audit();
  logged(records, () => ({ fingerprint: '' }));
  expect(await audit()).toMatchObject({ verdict: 'equal', reads: before.reads + 3, skipped: {} });
});

test('a version of the service is held to its own code, whatever came after it', async () => {
  later = await definitionsOf('({ to }) => to.n_1d * 1000');
  await apply(later);
  const records = await served('later', [entry('LAS', 'PHL', 1)], later);
  const own = records.map(({ value }) => String(value)).find((text) => text.includes('"request":'))!;
  expect(own).toContain(String.raw`"values":"{\"load\":1000,`);
  expect(own).toContain(`"fingerprint":"${later.services.get('model')!.derivedTag}"`);
  const before = await audit();
  logged(records);
  expect(await audit()).toMatchObject({ verdict: 'equal', reads: before.reads + 3, skipped: {} });
});

test('what cannot be compared is counted by reason', async () => {
  const before = await audit();
  const records = await served('counted', [entry('LAS', 'PHL', 2)]);
  const as = (id: string) => (row: object) => ({ ...row, request_id: id, read_id: id });
  logged(records, as('no-view'), ({ role, request }) => request !== undefined || role === 'from');
  logged(
    records,
    (own) => ({ ...as('tag')(own), request_id: 'counted', fingerprint: 'of-nobody' }),
    ({ request }) => request !== undefined,
  );
  logged(
    records,
    (own) => ({ ...as('torn')(own), values: '{"load":"x"}' }),
    ({ request }) => request !== undefined,
  );
  logged(
    records,
    (own) => ({ ...as('less')(own), types: '{}' }),
    ({ request }) => request !== undefined,
  );
  const after = await audit();
  expect(after).toMatchObject({ verdict: 'equal', cellsDiffering: 0 });
  expect(after.skipped).toEqual({ 'view-read-not-logged': 1, 'other-definition': 2, unreadable: 1 });
  expect(after.reads).toBe(before.reads + 1);
});

test('a planted value is told with its service, its request and both values', async () => {
  const records = await served('planted', [entry('LAS', 'PHL', 180), entry('PHL', 'LAS', 10)]);
  logged(records, (own) =>
    String(own['entity']).startsWith('{"origin":"LAS"')
      ? { values: String(own['values']).replace('"load":1000', '"load":1001') }
      : { values: String(own['values']).replace('"load":2000', '"load":null'), errors: '{"load":"derived-failed"}' },
  );
  const outcome = await audit();
  expect(outcome).toMatchObject({ verdict: 'broken', cellsDiffering: 2, causes: { 'definition-version': 2 } });
  const tag = later.services.get('model')!.derivedTag!.slice(0, 12);
  expect(outcome.differences).toMatchObject([
    {
      entity: { origin: 'LAS', destination: 'PHL' },
      requestId: 'planted',
      asOf: formatDateTime(NOW_US),
      detail: `service "model" derived it by other code than its definition ${tag}: what it is made of is as it was logged`,
      cells: [{ feature: 'model__load', expected: 1000, received: 1001 }],
    },
    {
      entity: { origin: 'PHL', destination: 'LAS' },
      cells: [{ feature: 'model__load', expected: 2000, received: { error: 'derived-failed' } }],
    },
  ]);
  const stored = await world.pool.query('SELECT verdict FROM millrace_catalog.parity_audit ORDER BY id DESC LIMIT 1');
  expect(stored.rows).toEqual([{ verdict: 'broken' }]);
  expect(await audit()).toMatchObject({ verdict: 'broken', causes: { 'definition-version': 2 } });
});
