import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { getService } from '../../cli/get-service.ts';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { derivedCodeOf } from '../../engine/define/derived-code.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { publish } from '../online/online-fixture.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { type CliResult, runCli } from './run-cli.ts';

const AT_US = Date.UTC(2001, 5, 10, 12) * 1000;
const rows = ['LAS', 'LAS', 'PHL'].map((airport, n) => ({ at: AT_US - n - 1, airport }));
const root = mkdtempSync(join(tmpdir(), 'millrace-get-derived-'));
let database: OwnDatabase;

/** Two blocks of derived features over two roles of a view; `load` of the second as it is told. */
async function define(load: string, window = '1d'): Promise<Definitions> {
  const folder = join(root, 'features');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'landings.ts'),
    `import { entity, featureService, featureView, source } from 'millrace';
     import { z } from 'zod';
     const airport = entity('airport', { airport: z.string() });
     const landings = source('landings', { schema: z.object({ at: z.iso.datetime(), airport: z.string() }), eventTime: 'at', topic: 'landings' });
     export const traffic = featureView('traffic', { entity: airport, source: landings, features: (f) => ({ n_1d: f.count().over('${window}') }) });
     export const model = featureService('model', {
       views: [traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })],
       request: z.object({ seats: z.int64().min(1n), share: z.number().nullable(), note: z.string().optional() }),
       derived: [
         (d) => ({
           load: d.number(({ from, to }, { request }) => ${load}),
           told: d.list(z.string(), (_, { request }) => [String(request.seats), String(request.share), String(request.note)]),
         }),
         (d) => ({ is_full: d.boolean(({ model }) => model.load > 100) }),
       ],
     });`,
  );
  return await loadDefinitions(folder);
}

const LOAD = 'Number(request.seats) / from.n_1d';

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const definitions = await define(LOAD);
  await publish(database.pool, definitions.views.get('traffic')!, rows);
  await applyDefinitions({ pool: database.pool, definitions, actor: 'ana@laptop' });
});
afterAll(async () => {
  await database.drop();
  rmSync(root, { recursive: true, force: true });
});

const get = (...args: string[]): Promise<CliResult> =>
  runCli(['get', 'model', ...args, '--at', '2001-06-10T12:00:00Z'], { DATABASE_URL: database.url }, root);
const KEYS = ['origin=LAS', 'destination=PHL'] as const;

test('what a service derives is got with its views, of a request beside the keys', async () => {
  const { stdout, stderr, exitCode } = await get(...KEYS, 'seats=180', 'share=0.5', 'note=a=b', '--json');
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  expect(JSON.parse(stdout)).toMatchObject({
    service: 'model',
    views: { from: { values: { n_1d: 2 } }, to: { values: { n_1d: 1 } } },
    derived: { values: { load: 90, told: ['180', '0.5', 'a=b'], is_full: false }, errors: null },
  });
  const table = await get(...KEYS, 'seats=180', 'share=');
  expect(table.stdout).toMatch(
    /│ to\.n_1d +│ 1 +│\n│ model\.load +│ 90 +│\n│ model\.told +│ \["180", "null", "null"\] +│\n/,
  );
});

test('what fails of it says so beside the values, and why', async () => {
  const unknown = ['origin=nowhere', 'destination=PHL', 'seats=1', 'share='];
  const table = await get(...unknown);
  expect(table.exitCode).toBe(0);
  expect(table.stdout).toMatch(/│ model\.load +│ error: derived-failed +│/);
  expect(table.stdout).toMatch(/│ model\.is_full +│ error: input-error +│/);
  expect(table.stdout).toContain('\nmodel.load: expected double or null from the function, received Infinity\n');
  expect(JSON.parse((await get(...unknown, '--json')).stdout)).toMatchObject({
    derived: { values: { load: null, is_full: null }, errors: { load: 'derived-failed', is_full: 'input-error' } },
  });
});

test('a request that is not what the service asks for is refused by name', async () => {
  const refused = async (code: string, message: string, ...args: string[]): Promise<void> => {
    const { exitCode, stdout, stderr } = await get(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(`error ${code}`);
    expect(stderr).toContain(message);
  };
  const asked = 'expected origin=<string> destination=<string> seats=<int64> share=<double> [note=<string>]';
  await refused('invalid-request', 'service "model", request, seats: is missing', ...KEYS, 'share=1');
  await refused('invalid-request', 'request, seats: expected', ...KEYS, 'seats=0', 'share=1');
  await refused('invalid-request', 'request, share: expected', ...KEYS, 'seats=1', 'share=much');
  await refused('invalid-key', `no key or value of a request "chairs"; ${asked}`, ...KEYS, 'seats=1', 'chairs=2');
  await refused('invalid-key', `"seats" is given twice; ${asked}`, ...KEYS, 'seats=1', 'seats=2');
  await refused('invalid-key', 'key "origin" is missing', 'destination=PHL', 'seats=1', 'share=1');
});

test('the code of the version that is served is run, whatever the folder says; where none was kept it is told', async () => {
  await define('1');
  const args = [...KEYS, 'seats=180', 'share='];
  const { stdout } = await get(...args, '--json');
  expect(JSON.parse(stdout)).toMatchObject({ version: 1, derived: { values: { load: 90 } } });
  await database.pool.query('UPDATE millrace_catalog.service_version SET bundle = NULL, sha256 = NULL');
  const { exitCode, stderr } = await get(...args);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(
    'error definition-changed: service "model": the code of what its version 1 derives was not kept',
  );
});

test('what was flipped to after the version was looked up is not derived of by its code', async () => {
  const { pool } = database;
  const code = derivedCodeOf((await define(LOAD)).services.get('model')!);
  const other = (await define(LOAD, '2d')).views.get('traffic')!;
  const given = [...KEYS, 'seats=180', 'share='];
  const store = createOnlineStore({ pool, clock: systemClock });
  const got = getService(pool, store, 'model', given, AT_US, async () => {
    await publish(pool, other, rows);
    return code;
  });
  await expect(got).rejects.toMatchObject({ code: 'view-changing', retryable: true });
});
