import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import type { ViewRead } from '../../engine/online/view-read.ts';
import type { ServingLog } from '../../engine/served/serving-log.ts';
import { expectedCell, readParquet } from '../training/training-fixture.ts';
import { randomLog } from '../stream/random-log.ts';
import { testClock } from '../stream/stream-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { ORDER, smallService } from '../training/small-service.ts';
import {
  exportSpine,
  HOUR,
  isoOf,
  openWorld,
  publish,
  retime,
  type ServedWorld,
  servingLogTo,
  stream,
} from './served-fixture.ts';
import { viewsOf } from '../../engine/define/service-blocks.ts';

let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

const seed = Date.now() % 2 ** 31;
let runs = 0;
let topic = '';
let servedTopic = '';
beforeEach(() => {
  topic = `purchases-${++runs}`;
  servedTopic = `served-${runs}`;
});

function viewOf(name: string, fingerprint?: string): CompiledView {
  const view = spendingView({
    topic,
    source: { invalidLimit: { rate: 1, window: 1000 } },
    ...(fingerprint === undefined ? {} : { fingerprint }),
  });
  return { ...view, name, layout: { ...view.layout, view: name } };
}

const servingLog = (): ServingLog => servingLogTo(world.broker, servedTopic);

const CUSTOMERS = ['ana', 'bo', 'c\u{1F600}', '', 'é"\\', 'nobody'] as const;

test(`exports of logged requests equal what was served, all of them (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      randomLog(60),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
      fc.array(
        fc.record({
          customers: fc.uniqueArray(fc.constantFrom(...CUSTOMERS), { minLength: 1, maxLength: 3 }),
          hour: fc.integer({ min: -60, max: 60 }),
          service: fc.option(fc.constant('model')),
        }),
        { minLength: 1, maxLength: 40 },
      ),
      async (log, shares, requests) => {
        topic = `purchases-${++runs}`;
        servedTopic = `served-${runs}`;
        world.broker.createTopic(topic, log.partitions);
        world.broker.createTopic(servedTopic, 2);
        const views = [viewOf(`one_${runs}`), viewOf(`two_${runs}`)] as const;
        const store = createOnlineStore({ pool: world.pool, clock: testClock });
        const logged = servingLog();
        const startUs = log.steps.find((step) => 'record' in step)?.record.timestampUs ?? 0;
        const expected: { requestId: string; customer: string; reads: ViewRead[] }[] = [];
        const cuts = shares.map((share) => Math.round(share * log.steps.length)).sort((a, b) => a - b);
        let from = 0;
        let asked = 0;
        // Versions are built aside and flipped while it is read; the second view goes on with its first.
        for (const [phase, until] of [...cuts, log.steps.length].entries()) {
          for (const step of log.steps.slice(from, until)) {
            if ('control' in step) world.broker.appendControl(topic, step.partition, step.control);
            else world.broker.append(topic, step.partition, [step.record]);
          }
          from = until;
          for (const [index, view] of views.entries()) {
            if (phase === 0 || (phase === 2 && index === 0)) await publish(world, view);
            else await stream(world, view, phase > 2 && index === 0 ? 2 : 1, 5);
          }
          const last = Math.ceil(((phase + 1) * requests.length) / 4);
          for (; asked < last; asked++) {
            const { customers, hour, service } = requests[asked]!;
            const requestId = `request-${asked}`;
            const keys = customers.map((customer) => [customer]);
            const both: ViewRead[][] = [];
            for (const view of views) {
              const reads = await store.get(view.name, keys, { atUs: startUs + hour * HOUR });
              logged.offer(requestId, service, reads, keys);
              both.push(reads);
            }
            for (const [at, customer] of customers.entries())
              expected.push({ requestId, customer, reads: both.map((reads) => reads[at]!) });
          }
        }
        await logged.close();
        expect(logged.figures).toMatchObject({ logged: expected.length * 2, buffered: 0 });

        const spine = expected.map(({ requestId, customer }, n) => ({ n, request_id: requestId, customer }));
        const { manifest, out } = await exportSpine(world, views, 'requests', spine, { servedTopic, onError: 'null' });
        const set = await readParquet(out);
        const differences: unknown[] = [];
        for (const [n, row] of set.rows.entries()) {
          const { requestId, reads } = expected[n]!;
          expect([Number(row['n']), row['request_id']]).toEqual([n, requestId]);
          for (const read of reads) {
            for (const [index, { name, result }] of read.features.entries()) {
              const cell = row[`${read.view}__${name}`];
              const value = expectedCell(result, read.values[index]!);
              if (!Object.is(cell, value)) differences.push({ n, view: read.view, name, cell, value });
            }
            expect(row[`${read.view}__seq`]).toBe(read.seq === null ? null : BigInt(read.seq));
            expect(row[`${read.view}__as_of`]).toBe(read.asOfUs);
          }
        }
        expect(differences).toEqual([]);
        for (const { view, features } of manifest.views) {
          const reads = expected.flatMap((one) => one.reads.filter((read) => read.view === view));
          for (const { name, errors } of features) {
            const tooLarge = reads.filter((read) => read.errors?.[name] === 'value-out-of-range').length;
            expect(errors).toEqual(tooLarge === 0 ? {} : { 'value-out-of-range': tooLarge });
          }
        }
        for (const { logged: manifestLogged } of manifest.views) {
          expect(manifestLogged!.rowsNotLogged).toBe(0);
          expect(manifestLogged!.definitions.reduce((sum, { rows }) => sum + rows, 0)).toBe(spine.length);
        }

        // The log goes on; from the manifest it is the same export.
        const bytes = await readFile(out);
        world.broker.appendControl(servedTopic, 0, 1);
        const again = await exportSpine(world, views, 'requests', spine, { servedTopic, repeatOf: manifest });
        expect(again.manifest).toEqual(manifest);
        expect(bytes.equals(await readFile(out))).toBe(true);
      },
    ),
    { numRuns: 8, seed, endOnFailure: true },
  );
}, 120_000);

/** One version over two customers, and its reads by some requests. */
async function served(
  view: CompiledView,
  requests: readonly { id: string; customers: readonly string[]; features?: readonly string[] }[],
): Promise<Map<string, ViewRead[]>> {
  const store = createOnlineStore({ pool: world.pool, clock: testClock });
  const logged = servingLog();
  const reads = new Map<string, ViewRead[]>();
  for (const { id, customers, features } of requests) {
    const keys = customers.map((customer) => [customer]);
    const answered = await store.get(view.name, keys, { atUs: Date.UTC(2001, 0, 2) * 1000, features });
    logged.offer(id, null, answered, keys);
    reads.set(id, [...(reads.get(id) ?? []), ...answered]);
  }
  await logged.close();
  return reads;
}

async function published(view: CompiledView): Promise<void> {
  world.broker.createTopic(topic, 1);
  world.broker.createTopic(servedTopic, 2);
  for (const [index, customer] of ['ana', 'bo'].entries()) {
    const value = purchaseBytes({ id: `p${index}`, at: '2001-01-01T12:00:00Z', customer, amount: index + 5 });
    world.broker.append(topic, 0, [{ value, timestampUs: 1e15 }]);
  }
  await publish(world, view);
}

test('without join keys a request stands for its one entity; several are ambiguous, unless they are told apart', async () => {
  const view = viewOf(`keys_${runs}`);
  await published(view);
  await served(view, [
    { id: 'a', customers: ['ana'] },
    { id: 'b', customers: ['bo', 'ana'] },
    { id: 'c', customers: ['ana', 'ana'] },
    { id: 'd', customers: ['ana'] },
    { id: 'd', customers: ['ana'], features: ['last_amount'] },
  ]);
  const export_ = (rows: object[], more: object = {}) =>
    exportSpine(world, [view], 'keys', rows as Record<string, unknown>[], { servedTopic, ...more });
  const amounts = async (rows: object[], more: object = {}): Promise<unknown[]> =>
    (await readParquet((await export_(rows, more)).out)).rows.map((row) => row[`${view.name}__last_amount`]);

  // An entity that a request names twice got one answer; a request may stand in any number of rows.
  expect(await amounts([{ request_id: 'a' }, { request_id: 'c' }, { request_id: 'a' }])).toEqual([5n, 5n, 5n]);
  await expect(export_([{ request_id: 'a' }, { request_id: 'b' }])).rejects.toMatchObject({
    code: 'request-ambiguous',
    message: expect.stringMatching(
      /request "b" read 2 entities \(row 2\); the spine lacks their join keys \(customer\)/,
    ),
  });
  const both = [
    { request_id: 'b', customer: 'ana' },
    { request_id: 'b', customer: 'bo' },
  ];
  expect(await amounts(both)).toEqual([5n, 6n]);
  await expect(export_([{ request_id: 'd', customer: 'ana' }])).rejects.toMatchObject({
    code: 'request-ambiguous',
    message: expect.stringMatching(/answered differently for the same entity/),
  });
  await expect(export_(both, { missing: 'null' })).resolves.toBeDefined();
  await expect(export_([{ request_id: 'd' }], { missing: 'null' })).rejects.toMatchObject({
    code: 'request-ambiguous',
  });
  // The column may have any name; a label time beside it does not matter then.
  const named = [{ decision: 'a', customer: 'ana', event_timestamp: isoOf(0) }];
  expect(await amounts(named, { requestColumn: 'decision' })).toEqual([5n]);
  await expect(export_(named, { requestColumn: 'request' })).rejects.toMatchObject({
    code: 'spine-column-missing',
    message: expect.stringMatching(/no column "request" \(the request id\)/),
  });
  await expect(export_([{ request_id: null }, { request_id: '' }])).rejects.toMatchObject({
    code: 'spine-bad-request',
  });
  await expect(export_([{ request_id: 'a' }], { servedTopic: null })).rejects.toMatchObject({
    code: 'serving-log-missing',
  });
  await expect(export_([{ request_id: 'a' }], { compare: true })).rejects.toMatchObject({
    code: 'compare-needs-times',
  });
  const clash = await export_([{ request_id: 'a', [`${view.name}__seq`]: 1 }]).catch((error: unknown) => error);
  expect(clash).toMatchObject({ code: 'feature-column-clash' });
});

test('a request that is not in the log is named, or null and counted', async () => {
  const view = viewOf(`missing_${runs}`);
  await published(view);
  await served(view, [
    { id: 'a', customers: ['ana'] },
    { id: 'p', customers: ['ana'], features: ['last_amount'] },
  ]);
  const spine = ['x', 'a', 'y', 'z', 'w'].map((request_id) => ({ request_id }));
  await expect(exportSpine(world, [view], 'missing', spine, { servedTopic })).rejects.toMatchObject({
    code: 'request-not-logged',
    message: expect.stringMatching(
      /serving log "served-\d+": view "missing_\d+": 4 rows with no read by its request: "x" \(row 1\), "y" \(row 3\), "z" \(row 4\), …/,
    ),
  });
  // Logged, but for another entity than the row's.
  const other = [{ request_id: 'a', customer: 'bo' }];
  await expect(exportSpine(world, [view], 'missing', other, { servedTopic })).rejects.toMatchObject({
    code: 'request-not-logged',
    message: expect.stringMatching(/1 row with no read of its entity by its request: "a" \(row 1\)/),
  });
  const { manifest, out } = await exportSpine(world, [view], 'missing', spine, { servedTopic, missing: 'null' });
  expect((await readParquet(out)).rows.map((row) => row[`${view.name}__purchases_1d`])).toEqual([
    null,
    1n,
    null,
    null,
    null,
  ]);
  expect(manifest.views[0]!.logged).toEqual({
    rowsNotLogged: 4,
    rowsLostCommit: 0,
    rowsCommitUnknown: 0,
    definitions: [{ version: 1, fingerprint: view.fingerprint, rows: 1 }],
    notServed: [],
  });
  // Logged, but it did not ask for all features.
  await expect(exportSpine(world, [view], 'missing', [{ request_id: 'p' }], { servedTopic })).rejects.toMatchObject({
    code: 'request-feature-not-served',
    message: expect.stringMatching(/"p" \(row 1\) did not ask for "purchases_1d", "spent_7d"/),
  });
  const part = await exportSpine(world, [view], 'missing', [{ request_id: 'p' }], { servedTopic, missing: 'null' });
  expect((await readParquet(part.out)).rows[0]).toMatchObject({
    [`${view.name}__purchases_1d`]: null,
    [`${view.name}__last_amount`]: 5n,
  });
  expect(part.manifest.views[0]!.logged!.notServed).toEqual([
    { feature: 'purchases_1d', otherDefinition: 0, notAsked: 1 },
    { feature: 'spent_7d', otherDefinition: 0, notAsked: 1 },
  ]);
});

test('reads of an older definition: same name and type are what was served, the rest is refused by name', async () => {
  const then = viewOf(`older_${runs}`, 'a'.repeat(64));
  await published(then);
  await served(then, [{ id: 'old', customers: ['ana'] }]);
  // Now: `last_amount` is a double, `spent_7d` is as it was, `purchases_1d` became `purchases_2d`.
  const base = viewOf(`older_${runs}`, 'b'.repeat(64));
  const [first, second, third] = base.layout.features;
  const now: CompiledView = {
    ...base,
    layout: {
      ...base.layout,
      features: [{ ...first!, name: 'purchases_2d' }, second!, { ...third!, result: { kind: 'double' } }],
    },
  };
  const spine = [{ request_id: 'old' }];
  await expect(exportSpine(world, [now], 'older', spine, { servedTopic })).rejects.toMatchObject({
    code: 'served-by-other-definition',
    message: expect.stringMatching(
      /definition aaaaaaaaaaaa \(version 1\), which served "old" \(row 1\), has no such feature "purchases_2d", "last_amount", or of another type/,
    ),
  });
  const { manifest, out } = await exportSpine(world, [now], 'older', spine, { servedTopic, missing: 'null' });
  expect((await readParquet(out)).rows[0]).toMatchObject({
    [`${now.name}__purchases_2d`]: null,
    [`${now.name}__spent_7d`]: 5n,
    [`${now.name}__last_amount`]: null,
    [`${now.name}__seq`]: 0n,
  });
  expect(manifest.views[0]!.logged).toEqual({
    rowsNotLogged: 0,
    rowsLostCommit: 0,
    rowsCommitUnknown: 0,
    definitions: [{ version: 1, fingerprint: 'a'.repeat(64), rows: 1 }],
    notServed: [
      { feature: 'purchases_2d', otherDefinition: 1, notAsked: 0 },
      { feature: 'last_amount', otherDefinition: 1, notAsked: 0 },
    ],
  });
  // A definition that no catalog knows: not even what its values are can be told.
  await world.pool.query(`UPDATE millrace_catalog.view_version SET fingerprint = 'c' WHERE view = $1`, [then.name]);
  await expect(exportSpine(world, [now], 'older', spine, { servedTopic })).rejects.toMatchObject({
    code: 'served-by-other-definition',
    message: expect.stringMatching(/"purchases_2d", "spent_7d", "last_amount"/),
  });
});

test('every type of key and feature, several entities, history alone: by request and by time what was served', async () => {
  const service = await smallService(world.folder, 'wide');
  const views = viewsOf(service);
  const [byKey, byShop] = views as [CompiledView, CompiledView];
  for (const view of views) {
    const version = await publish(world, view);
    await retime(world, view, version, { publishedUs: Date.UTC(2001, 5, 1) * 1000, endedUs: null, commitsUs: [] });
  }
  world.broker.createTopic(servedTopic, 2);
  const store = createOnlineStore({ pool: world.pool, clock: testClock });
  const logged = servingLog();
  const atUs = Date.UTC(2001, 5, 1) * 1000 + HOUR / 2;
  const order = { ...ORDER, big: 2n ** 63n - 1n, at: Date.UTC(2001, 4, 31, 12) * 1000 + 1 };
  const keyOf = (view: CompiledView): ScalarValue[] =>
    view.layout.keys.map(({ name }) => order[name as keyof typeof order]);
  const reads: ViewRead[] = [];
  for (const view of views) {
    const [read] = await store.get(view.name, [keyOf(view)], { atUs });
    logged.offer('r', 'wide', [read!], [keyOf(view)]);
    reads.push(read!);
  }
  await logged.close();
  expect(reads.every(({ found }) => found)).toBe(true);

  const options = { servedTopic, reader: world.reader };
  const cells = async (rows: Record<string, unknown>[], more: object = {}): Promise<unknown[]> => {
    const { out } = await exportSpine(world, views, 'types', rows, { ...options, ...more });
    const [row] = (await readParquet(out)).rows;
    return reads.flatMap(({ view, features }) => features.map(({ name }) => row![`${view}__${name}`]));
  };
  const expected = reads.flatMap(({ features, values }) =>
    features.map(({ result }, index) => expectedCell(result, values[index]!)),
  );
  expect(expected).toContain(2n ** 63n - 1n);
  const keys = Object.fromEntries(byKey.layout.keys.map(({ name }) => [name, ORDER[name as keyof typeof ORDER]]));
  expect(await cells([{ request_id: 'r' }])).toEqual(expected);
  expect(await cells([{ request_id: 'r', ...keys }])).toEqual(expected);
  expect(byShop.layout.keys.length).toBe(1);
  expect(await cells([{ ...keys, event_timestamp: isoOf(atUs) }])).toEqual(expected);
  expect(await cells([{ ...keys, event_timestamp: isoOf(atUs) }], { compare: true })).toEqual(expected);
});
