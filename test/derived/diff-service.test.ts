/** What two versions of a service derive of the same logged requests: asked over HTTP, logged to Kafka, compared with values worked out by hand. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import { StoredServiceCode } from '../../engine/bundles/service-code.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createServingLog } from '../../engine/served/create-serving-log.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { sensitiveHash } from '../../engine/values/sensitive-hash.ts';
import { diffService } from '../../engine/versions/diff-service.ts';
import type { ServiceDiff, ServiceDiffOptions } from '../../engine/versions/service-diff-types.ts';
import { serviceSides } from '../../engine/versions/service-sides.ts';
import { startApi } from '../../serving/start-api.ts';
import { type CliResult, runCli } from '../cli/run-cli.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { publish } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

const AT_US = Date.UTC(2001, 5, 10, 12) * 1000;
const HOUR_US = 3_600_000_000;
const TOPIC = `diff-service-${process.pid}`;
const root = mkdtempSync(join(tmpdir(), 'millrace-diff-service-'));

interface Defined {
  readonly derived: string;
  readonly request?: string;
  readonly sensitive?: string;
  readonly features?: string;
}

let folders = 0;
async function define({ derived, request = '', sensitive = '', features = '' }: Defined): Promise<Definitions> {
  const folder = join(root, `features-${++folders}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'landings.ts'),
    `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
const airport = entity('airport', { airport: z.string() });
const landings = source('landings', { schema: z.object({ at: z.iso.datetime(), airport: z.string(), gate: z.string() }), eventTime: 'at', topic: 'landings', ${sensitive} });
export const traffic = featureView('traffic', { entity: airport, source: landings, features: (f) => ({ n_1d: f.count().over('1d'), gate: f.last('gate'), ${features} }) });
export const model = featureService('model', {
  views: [traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })],
  request: z.object({ seats: z.int(), note: z.string().optional(), ${request} }),
  derived: (d) => ({ ${derived} }),
});
export const plain = featureService('plain', { views: [traffic] });`,
  );
  return await loadDefinitions(folder);
}

const SAME = `busy: d.boolean(({ from }) => from.n_1d > 1), place: d.string(({ from }) => from.gate)`;
const FIRST = `${SAME}, load: d.number(({ from }, { request }) => request.seats / from.n_1d), word: d.string((_, { request }) => request.note ?? null), kind: d.int(() => 1), old: d.int(() => 1)`;
const SECOND = `${SAME}, load: d.number(({ from, to }, { request }) => request.seats / (from.n_1d + to.n_1d)), word: d.string((_, { request }) => request.note ?? 'none'), kind: d.string(() => 'one'), fresh: d.int(() => 1)`;

let database: OwnDatabase;
let kafka: KafkaFixture;
let first: Definitions;
let second: Definitions;

const apply = (definitions: Definitions): Promise<unknown> =>
  applyDefinitions({ pool: database.pool, definitions, actor: 'ana@laptop' });

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  first = await define({ derived: FIRST });
  second = await define({ derived: SECOND });
  const rows = ['LAS', 'LAS', 'PHL'].map((airport, n) => ({ at: AT_US - n - 1, airport, gate: `gate-${airport}` }));
  await publish(database.pool, first.views.get('traffic')!, rows);
  await apply(first);
  kafka = await openKafka(inject('stack').kafkaBrokers);
  await kafka.createTopic(TOPIC, 2);
  const entry = (origin: string, destination: string, seats: number, note?: string): object => ({
    keys: { origin, destination },
    request: { seats, ...(note === undefined ? {} : { note }) },
  });
  await ask('one', AT_US, [
    entry('LAS', 'LAS', 8, 'n'),
    entry('nowhere', 'LAS', 3, 'n'),
    entry('PHL', 'PHL', 0),
    entry('nowhere', 'nowhere', 5, 'n'),
  ]);
  await ask('two', AT_US + HOUR_US, [entry('LAS', 'PHL', 180, 'n')]);
});
afterAll(async () => {
  await kafka?.close();
  await database?.drop();
  rmSync(root, { recursive: true, force: true });
});

/** Asks the API, which derives by the version that is served, and logs it. */
async function ask(requestId: string, nowUs: number, entities: readonly object[]): Promise<void> {
  const { pool } = database;
  const clock = { nowUs: () => nowUs, monotonicMs: () => performance.now() };
  const brokers = inject('stack').kafkaBrokers;
  const log = createServingLog({ kafka: { brokers }, topic: TOPIC, sample: 1, clock, flushMs: 1 });
  const api = await startApi({ pool, clock, definitions: first, servingLog: log });
  const response = await fetch(`${api.url}/v1/features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify({ service: 'model', entities, at: formatDateTime(AT_US) }),
  });
  expect(response.status).toBe(200);
  await api.close();
  await vi.waitFor(() => expect(log.figures.buffered).toBe(0), 60_000);
  expect(log.figures.logged).toBe(3 * entities.length);
  await log.close();
}

async function compared(
  atHand: Definitions,
  named?: readonly [number, number],
  more: Partial<ServiceDiffOptions> = {},
  service = 'model',
): Promise<ServiceDiff> {
  const { pool } = database;
  const code = new StoredServiceCode({ pool });
  const sides = await serviceSides({ pool, code, atHand: atHand.services.get(service) }, service, named);
  return await diffService({ service, ...sides, pool, scan: { reader: kafka.reader, topic: TOPIC }, ...more });
}

const refusal = async (code: MillraceErrorCode, work: Promise<unknown>): Promise<unknown> =>
  expect(work).rejects.toMatchObject({ code });

const cli = (folder: string, ...args: string[]): Promise<CliResult> =>
  runCli(
    ['diff', ...args],
    {
      DATABASE_URL: database.url,
      KAFKA_BROKERS: inject('stack').kafkaBrokers.join(','),
      MILLRACE_SERVED_TOPIC: TOPIC,
      MILLRACE_FEATURES: folder,
    },
    root,
  );

test('what is served and the definition at hand, over all that was logged', async () => {
  const diff = await compared(second);
  const tag = (of: Definitions): string => of.services.get('model')!.derivedTag!;
  expect(diff).toMatchObject({
    service: 'model',
    before: { version: 1, fingerprint: tag(first) },
    after: { version: null, fingerprint: tag(second) },
    servedFrom: formatDateTime(AT_US),
    servedUntil: formatDateTime(AT_US + HOUR_US),
    requests: 2,
    records: 5,
    isWhole: true,
    skipped: {},
    cells: 20,
    differing: 4,
    onlyBefore: ['old'],
    onlyAfter: ['fresh'],
    retyped: [{ feature: 'kind', before: 'int', after: 'string' }],
  });
  const [busy, place, load, word] = diff.features;
  expect(busy).toMatchObject({ feature: 'busy', type: 'boolean', cells: 5, differing: 0, examples: [] });
  // Nobody landed at "nowhere": no gate.
  expect(place).toMatchObject({ feature: 'place', differing: 0, nulls: { before: 2, after: 2 } });
  // Of five, three: Wilson's interval is 23 % to 88 %, all that was logged being a sample of what is asked.
  expect(load).toMatchObject({ differing: 3, share: 0.6, errors: 1, nullToValue: 0, valueToNull: 0 });
  expect(load!.interval.low).toBeCloseTo(0.2307, 3);
  expect(load!.interval.high).toBeCloseTo(0.8824, 3);
  expect(load).toMatchObject({ nulls: { before: 0, after: 0 }, failed: { before: 2, after: 1 } });
  expect(load!.numbers).toMatchObject({ cells: 2, difference: { min: -30, max: -2 } });
  const at = formatDateTime(AT_US);
  expect(load!.examples).toEqual([
    {
      requestId: 'two',
      at,
      entity: { origin: 'LAS', destination: 'PHL' },
      request: { seats: 180, note: 'n' },
      before: 90,
      after: 60,
    },
    {
      requestId: 'one',
      at,
      entity: { origin: 'LAS', destination: 'LAS' },
      request: { seats: 8, note: 'n' },
      before: 4,
      after: 2,
    },
    {
      requestId: 'one',
      at,
      entity: { origin: 'nowhere', destination: 'LAS' },
      request: { seats: 3, note: 'n' },
      before: { error: 'derived-failed' },
      after: 1.5,
    },
  ]);
  expect(word).toMatchObject({ differing: 1, nullToValue: 1, nulls: { before: 1, after: 0 } });
  expect(word!.examples).toMatchObject([{ request: { seats: 0, note: null }, before: null, after: 'none' }]);
});

test('of a part of them: by when they were served, and by how many are to be', async () => {
  const late = await compared(second, undefined, { sinceUs: AT_US + 1 });
  expect(late).toMatchObject({ requests: 1, records: 1, isWhole: true, differing: 1 });
  const early = await compared(second, undefined, { untilUs: AT_US + HOUR_US });
  expect(early).toMatchObject({ requests: 1, records: 4, isWhole: true, differing: 3 });
  const few = await compared(second, undefined, { requests: 4 });
  // Requests are taken whole.
  expect([1, 4]).toContain(few.records);
  expect(few).toMatchObject({ requests: 1, isWhole: false, skipped: { 'beyond-the-sample': 5 - few.records } });
  // One stays, however large: what was logged is not said not to be.
  const one = await compared(second, undefined, { requests: 1, untilUs: AT_US + HOUR_US });
  expect(one).toMatchObject({ requests: 1, records: 4, isWhole: true, differing: 3 });
  await refusal('service-not-logged', compared(second, undefined, { untilUs: AT_US }));
  const nowhere = { reader: kafka.reader, topic: `${TOPIC}-none` };
  await refusal('service-not-logged', compared(second, undefined, { scan: nowhere }));
});

test('a field that may be left out was not given then; what was not logged is counted, and not made up', async () => {
  const optional = await define({
    derived: `load: d.number((_, { request }) => request.late ?? 7)`,
    request: 'late: z.number().optional()',
  });
  expect(await compared(optional)).toMatchObject({ records: 5, differing: 5, skipped: {} });
  const needed = await define({ derived: FIRST, request: 'late: z.number()' });
  expect(await compared(needed)).toMatchObject({
    records: 0,
    cells: 0,
    servedFrom: null,
    skipped: { 'other-definition': 5 },
  });
  const featured = await define({
    derived: FIRST,
    features: 'n_2d: f.count().over("2d")',
    request: 'x: z.int().optional()',
  });
  expect(await compared(featured)).toMatchObject({ records: 0, skipped: { 'other-definition': 5 } });
});

test('what may tell of sensitive fields is hashed, errors are not', async () => {
  const hushed = await define({ derived: SECOND, sensitive: "sensitive: ['gate']" });
  const { features } = await compared(hushed);
  const load = features.find(({ feature }) => feature === 'load')!;
  expect(load.examples).toMatchObject([
    {
      requestId: 'two',
      entity: { origin: sensitiveHash('LAS'), destination: sensitiveHash('PHL') },
      request: { seats: sensitiveHash(180), note: sensitiveHash('n') },
      before: sensitiveHash(90),
      after: sensitiveHash(60),
    },
    { requestId: 'one' },
    { before: { error: 'derived-failed' }, after: sensitiveHash(1.5) },
  ]);
});

test('the command prints a table, and each of the largest changes with its request', async () => {
  const { stdout, stderr, exitCode } = await cli(second.folder, 'model');
  expect([exitCode, stderr.includes('error')]).toEqual([0, false]);
  expect(stdout).toMatch(/^model: version 1 \(\w{12}\) against the definition \(\w{12}\)\n/);
  expect(stdout).toContain('4 of 20 cells differ (20.00 %), of 5 entities in 2 logged requests, served ');
  expect(stdout).toMatch(/│ load +│ double +│ 5 +│ 3 +│ 60\.00 % \(23\.07 % to 88\.24 %\) │.*│ 0 → 0 │ 2 → 1 +│\n/);
  expect(stdout).toContain('only before: old\nonly after: fresh\nanother type: kind, int before, string after\n');
  const place = 'origin=LAS destination=PHL note=n seats=180';
  expect(stdout).toContain(`  load  ${place}: 90 → 60  (two, at ${formatDateTime(AT_US)})\n`);
  const since = formatDateTime(AT_US + 1);
  const json = await cli(
    second.folder,
    'model',
    '--since',
    since,
    '--until',
    formatDateTime(AT_US + 2 * HOUR_US),
    '--json',
  );
  expect(JSON.parse(json.stdout)).toMatchObject({ service: 'model', records: 1, differing: 1 });
  for (const [args, code] of [
    [['model', '--entities', '5', '--at', since], 'bad-options'],
    [['traffic', '--requests', '5'], 'bad-options'],
    [['plain'], 'derives-nothing'],
    [['model', '--since', 'noon'], 'invalid-time'],
  ] as const) {
    const refused = await cli(second.folder, ...args);
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining(`error ${code}: `)]);
  }
});

test('a changed function is a version of the service alone, and versions are compared by what they were applied with', async () => {
  await refusal('unknown-version', compared(first));
  await apply(second);
  const { rows } = await database.pool.query('SELECT version FROM millrace_catalog.view_version');
  expect(rows).toEqual([{ version: 1 }]);
  const [before, after] = [{ version: 1 }, { version: 2 }];
  // What is at hand is what is served: the one before it, and it.
  expect(await compared(second)).toMatchObject({ before, after, differing: 4 });
  expect(await compared(first, [2, 1])).toMatchObject({ before: after, after: before, differing: 4 });
  await refusal('unknown-version', compared(second, [1, 9]));
  await refusal('unknown-service', compared(second, [1, 2], {}, 'nobody'));
  await refusal('derives-nothing', compared(second, undefined, {}, 'plain'));
  await database.pool.query(
    `UPDATE millrace_catalog.service_version SET bundle = NULL, sha256 = NULL, key_id = NULL, signature = NULL WHERE service = 'model' AND version = 1`,
  );
  await refusal('definition-changed', compared(second));
});
