/** What a service derives in a training set as served: by the version of it that was served at each row's time, over what its views served then. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { exportSummary } from '../../activities/export-summary.ts';
import { Output } from '../../cli/output.ts';
import { printExport } from '../../cli/print-export.ts';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import { StoredServiceCode } from '../../engine/bundles/service-code.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import type { TrainingOptions } from '../../engine/training/training-types.ts';
import { renderExport } from '../../workflows/export-training-set/page.ts';
import { writeProject } from '../define/code-of.ts';
import { readParquet } from '../training/training-fixture.ts';
import { exportSpine, HOUR, isoOf, openWorld, publish, retime, type ServedWorld, stream } from './served-fixture.ts';

const T0 = Date.UTC(2001, 0, 1) * 1000;

async function definitionsOf(features: string, request: string, derived: string): Promise<Definitions> {
  const folder = writeProject({
    'index.ts': `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
const shop = entity('shop', { shop: z.string() });
const orders = source('orders', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string(), amount: z.int() }), eventTime: 'at', eventId: 'id', topic: 'orders',
});
export const sales = featureView('sales', { entity: shop, source: orders, features: (f) => ({ ${features} }) });
export const model = featureService('model', {
  views: [sales.as('from', { shop: 'sender' }), sales.as('to', { shop: 'receiver' })],
  request: z.object({ ${request} }),
  derived: (d) => ({ ${derived} }),
});`,
  });
  return compileDefinitions(await importDefinitions(folder));
}

const TOTALS = `n: f.count(), total: f.sum('amount', { type: z.int() })`;
const TWO = 'n: f.count(), most: f.max("amount")';
const SEATS = 'seats: z.int()';
const FIRST = `load: d.number(({ from, to }, { request, at }) => from.total * request.seats + to.n + new Date(at / 1000).getUTCMinutes())`;
const SECOND = `load: d.number(({ from, to }) => 1000 * from.total / to.n), word: d.string(() => 'two')`;
const THIRD = `word: d.string(({ from }) => 'most ' + from.most), load: d.number(({ to }, { request }) => to.n - request.seats), later: d.int(({ to }) => to.n)`;

let world: ServedWorld;
let third: Definitions;

/** As if version by version was applied at these times. */
async function applied(hours: readonly number[]): Promise<void> {
  for (const [index, hour] of hours.entries())
    await world.pool.query(
      `UPDATE millrace_catalog.service_version SET applied_at = $2 WHERE service = 'model' AND version = $1`,
      [index + 1, isoOf(T0 + hour * HOUR)],
    );
}

/**
 * The view is served from T0 on, its second version from T0 + 2 h on. The service is applied at half an hour, what it derives is another thing from 1 h
 * on, and what is applied at 1.5 h waits for the view.
 */
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
  world.broker.createTopic('orders', 1);
  const order = (id: string, hour: number, shop: string, amount: number): void => {
    const atUs = T0 + hour * HOUR;
    const value = Buffer.from(JSON.stringify({ id, at: isoOf(atUs), shop, amount }));
    world.broker.append('orders', 0, [{ value, timestampUs: atUs }]);
  };
  const apply = (definitions: Definitions) => applyDefinitions({ pool: world.pool, definitions, actor: 'ana@laptop' });
  const first = await definitionsOf(TOTALS, SEATS, FIRST);
  const second = await definitionsOf(TOTALS, SEATS, SECOND);
  third = await definitionsOf(TWO, SEATS, THIRD);
  order('a', -1, 'north', 5);
  order('b', -0.5, 'south', 7);
  const view = first.views.get('sales')!;
  const one = await publish(world, view);
  order('c', 0.6, 'north', 20);
  // Committed an hour and a half after it happened.
  order('d', 0.7, 'south', 1);
  await stream(world, view, one, 1);
  const two = await publish(world, third.views.get('sales')!);
  await retime(world, view, one, {
    publishedUs: T0,
    endedUs: T0 + 2 * HOUR,
    commitsUs: [T0 + 0.65 * HOUR, T0 + 1.9 * HOUR],
  });
  await retime(world, third.views.get('sales')!, two, { publishedUs: T0 + 2 * HOUR, endedUs: null, commitsUs: [] });
  for (const definitions of [first, second, third]) await apply(definitions);
  await applied([0.5, 1, 1.5]);
});
afterAll(() => world.close());

const labels = [
  [0.25, 3],
  [0.75, 3],
  [1.25, 4],
  [1.75, 5],
  [2.25, 6],
] as const;
const spine = [
  ...labels.map(([hour, seats]) => ({
    sender: 'north',
    receiver: 'south',
    event_timestamp: isoOf(T0 + hour * HOUR),
    seats,
  })),
  // Nobody's.
  { sender: 'north', receiver: 'nobody', event_timestamp: isoOf(T0 + 1.25 * HOUR), seats: 1 },
];

const exported = (name: string, more: Partial<TrainingOptions> = {}, rows: readonly object[] = spine) =>
  exportSpine(world, [], name, rows as typeof spine, {
    service: third.services.get('model')!,
    code: codeOf(knownViews),
    serviceCode: new StoredServiceCode({ pool: world.pool }),
    onError: 'null',
    ...more,
  });
const knownViews: Definitions['views'] extends ReadonlyMap<string, infer View> ? View[] : never = [];
beforeAll(async () => {
  knownViews.push((await definitionsOf(TOTALS, SEATS, FIRST)).views.get('sales')!, third.views.get('sales')!);
});

test('each row has what the version of its time derived, of what was served then; before the first it is null, and counted', async () => {
  const { manifest, out } = await exported('derived');
  const { rows } = await readParquet(out);
  expect(rows.map((row) => ['load', 'word', 'later'].map((name) => row[`model__${name}`]))).toEqual([
    // Nothing of the service was applied yet.
    [null, null, null],
    // north had 5 and 20 of it, south one order; 45 minutes past.
    [25 * 3 + 1 + 45, null, null],
    [(1000 * 25) / 1, 'two', null],
    // The third was applied, and its view served the second's.
    [(1000 * 25) / 1, 'two', null],
    [2 - 6, 'most 20', 2n],
    // 25,000 / 0.
    [null, 'two', null],
  ]);
  // What functions of then saw alone is no column.
  expect(Object.keys(rows[0]!).filter((name) => name.includes('__'))).toEqual([
    'from__n',
    'from__most',
    'to__n',
    'to__most',
    'model__word',
    'model__load',
    'model__later',
  ]);
  const hour = (at: number): number => T0 + at * HOUR;
  expect(manifest.derived).toMatchObject({
    request: ['seats'],
    served: {
      rowsNotServed: 1,
      versions: [
        { version: 1, fromUs: hour(0.5), untilUs: hour(1), rows: 1, notServed: ['word', 'later'] },
        { version: 2, fromUs: hour(1), untilUs: hour(2), rows: 3, notServed: ['later'] },
        { version: 3, fromUs: hour(2), rows: 1 },
      ],
    },
  });
  const errors = manifest.derived!.features.map((feature) => [feature.name, feature.nulls, feature.errors]);
  expect(errors).toEqual([
    ['word', 2, {}],
    ['load', 2, { 'derived-failed': 1 }],
    ['later', 5, {}],
  ]);

  const again = await exported('derived-again', { repeatOf: manifest });
  expect(await readFile(again.out)).toEqual(await readFile(out));
  const other = { ...manifest.derived!.served!.versions[0]!, tag: 'another' };
  const pinned = { ...manifest, derived: { ...manifest.derived!, served: { rowsNotServed: 5, versions: [other] } } };
  await expect(exported('derived-again', { repeatOf: pinned })).rejects.toMatchObject({
    code: 'training-set-changed',
    message: expect.stringContaining('version 1 of service "model" is another one') as string,
  });
});

test('what an export comes to tells of derived columns as of others, and of the rows that nothing was served to', async () => {
  const early = { sender: 'north', receiver: 'south', event_timestamp: isoOf(T0 - HOUR), seats: 1 };
  const { manifest, out } = await exported('summed', {}, [...spine, early]);
  const summary = exportSummary('model', out, manifest);
  expect(summary.features.map(({ column }) => column)).toEqual([
    'from__n',
    'from__most',
    'to__n',
    'to__most',
    'model__word',
    'model__load',
    'model__later',
  ]);
  expect(summary.features[5]).toEqual({ column: 'model__load', nullRate: 3 / 7, errors: { 'derived-failed': 1 } });
  expect(summary.rowsNull).toEqual([
    { of: 'from', why: 'not-served', rows: 1 },
    { of: 'to', why: 'not-served', rows: 1 },
    { of: 'model', why: 'not-served', rows: 2 },
  ]);
  expect(renderExport(summary)).toContain('| model | not-served | 2 |');
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  printExport(new Output(), summary);
  const text = written.mock.calls.map(([line]) => String(line)).join('');
  written.mockRestore();
  expect(text).toMatch(/│ model +│ not-served │ 2 +│/);
  expect(text).toMatch(/│ model__later +│ 85\.71 % │/);
  expect(
    exportSummary('model', out, (await exported('timed-sum', { mode: 'event-time' })).manifest),
  ).not.toHaveProperty('rowsNull');
});

test('an error in what was derived fails the export, unless it is taken as null', async () => {
  await expect(exported('failed', { onError: 'fail' })).rejects.toMatchObject({
    code: 'derived-failed',
    message: expect.stringContaining('"load"') as string,
  });
});

test('the modes are compared in what is derived, too, by the lags of what it is derived of', async () => {
  const { manifest } = await exported('compared', { compare: true });
  const of = (column: string) => manifest.comparison!.features.find((feature) => feature.column === column)!;
  // By event time the third derives everywhere: what is derived of the same by other code has no lag.
  expect(of('model__later')).toMatchObject({
    view: 'model',
    labels: 6,
    differing: 5,
    nullAsServed: 5,
    kinds: { 'not-published': 1, 'pipeline-lag': 3 },
    split: { other: 1 },
  });
  expect(manifest.derived!.served!.versions).toHaveLength(3);
  const timed = await exported('timed', { mode: 'event-time' });
  const { rows } = await readParquet(timed.out);
  expect(rows.map((row) => row['model__load'])).toEqual([1 - 3, 2 - 3, 2 - 4, 2 - 5, 2 - 6, 0 - 1]);
  expect(timed.manifest.derived).not.toHaveProperty('served');
});

test('a field that the version of then asked for otherwise is never taken as left out', async () => {
  const refused = (what: RegExp) => ({ code: 'definition-changed', message: expect.stringMatching(what) as string });
  // It may be left out now, and could not be then: a null is nothing that functions of then could get.
  const lenient = await definitionsOf(
    TWO,
    'seats: z.int().optional()',
    THIRD.replace('request.seats', '(request.seats ?? 0)'),
  );
  const service = lenient.services.get('model')!;
  const rows = spine.map((row, index) => (index === 1 ? { ...row, seats: null } : row));
  await expect(exported('lenient', { service }, rows)).rejects.toMatchObject(
    refused(/version 1 \(.* 1 label rows\): it took no request without "seats", which 1 of them lack$/),
  );
  const whole = await exported('lenient', { service }, spine.with(0, { ...spine[0]!, seats: null as never }));
  expect((await readParquet(whole.out)).rows.map((row) => row['model__load'])[1]).toBe(25 * 3 + 1 + 45);

  // It could be left out then, and is asked for no more: the column of that name is none of a request to the present definition.
  const apply = (definitions: Definitions) => applyDefinitions({ pool: world.pool, definitions, actor: 'ana@laptop' });
  await apply(
    await definitionsOf(
      TWO,
      `${SEATS}, tip: z.int().optional()`,
      'load: d.number(({ to }, { request }) => to.n + (request.tip ?? 100))',
    ),
  );
  await apply(third);
  await applied([0.5, 1, 1.5, 3, 4]);
  const late = { ...spine[0]!, event_timestamp: isoOf(T0 + 3.5 * HOUR) };
  const { out } = await exported('without', {}, [late]);
  expect((await readParquet(out)).rows.map((row) => row['model__load'])).toEqual([102]);
  await expect(exported('with', {}, [{ ...late, tip: 1 }])).rejects.toMatchObject(
    refused(/version 4 .*: it asked for "tip" \(int\), which the present definition does not ask for so$/),
  );
});

test('a version whose code was not kept, or that saw what is not there now, is refused by name', async () => {
  const refused = (what: RegExp) => ({ code: 'definition-changed', message: expect.stringMatching(what) as string });
  await expect(exported('refused', { serviceCode: undefined })).rejects.toMatchObject(
    refused(/version 1 \(served from .* 1 label rows\): its code is not at hand; version 2 \(/),
  );
  const ofOthers = async (request: string) =>
    (await definitionsOf(TWO, request, THIRD.replace('request.seats', 'Number(request.seats)'))).services.get('model')!;
  await expect(
    exported(
      'refused',
      { service: await ofOthers('seats: z.string()') },
      spine.map((row) => ({ ...row, seats: '4' })),
    ),
  ).rejects.toMatchObject(refused(/version 1 .*: it asked for "seats" \(int\), which the present definition does not/));
  const model = third.services.get('model')!;
  const blocks = model.blocks.slice(0, 1);
  await expect(exported('refused', { service: { ...model, blocks } })).rejects.toMatchObject(
    refused(/version 1 .*: it derived of role "to" of view "sales" by receiver, which/),
  );
  await world.pool.query(`UPDATE millrace_catalog.service_version SET bundle = NULL, sha256 = NULL WHERE version = 1`);
  await expect(exported('refused')).rejects.toMatchObject(refused(/version 1 .*: its code was not kept$/));
  // Rows of its time alone are in the way.
  const { manifest } = await exported('rest', {}, spine.toSpliced(1, 1));
  expect(manifest.derived!.served!.versions.map(({ version }) => version)).toEqual([2, 3]);
});

test('what a row has to give with its request is missing by name', async () => {
  await expect(
    exported(
      'missing',
      {},
      spine.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== 'seats'))),
    ),
  ).rejects.toMatchObject({
    code: 'spine-column-missing',
    message: expect.stringContaining('seats') as string,
  });
});
