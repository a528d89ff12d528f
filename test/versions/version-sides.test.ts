import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { diffVersions as diffActivity } from '../../activities/diff-versions.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { versions, viewVersion } from '../../engine/postgres/view-versions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { Cell } from '../../engine/values/cell.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { chosenVersions } from '../../engine/versions/choose-versions.ts';
import { definitionSides, type SidesContext, versionSides } from '../../engine/versions/diff-sides.ts';
import { diffVersions } from '../../engine/versions/diff-versions.ts';
import type { VersionsDiff } from '../../engine/versions/diff-types.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';

const DAY_US = 86_400_000_000;
const source = { invalidLimit: { rate: 1, window: 1000 } };
const before = spendingView({ topic: 'purchases', source });
/** Small amounts do not count, and the lifetime feature is gone. */
const after: CompiledView = {
  ...spendingView({ topic: 'purchases', lifetime: false, fingerprint: 'b'.repeat(64), source }),
  prepare: (event, out) => {
    if (Number(event.row['amount']) < 10) return 'filtered';
    const outcome = before.prepare(event, { ...out, inputs: [] });
    if (outcome !== 'ok') return outcome;
    const value = event.row['amount'] as number;
    Object.assign(out, { keyText: String(event.row['customer']), key: [String(event.row['customer'])] });
    Object.assign(out, {
      eventTimeUs: event.eventTimeUs,
      id: event.id,
      partition: event.partition,
      offset: event.offset,
    });
    out.inputs[0] = true;
    out.inputs[1] = value;
    return 'ok';
  },
};

let world: ParityWorld & { close(): Promise<void> };
let context: SidesContext;
let bought = 0;
beforeEach(async () => {
  world = await openWorld(inject('stack').databaseUrl, { view: before, nowUs: 20 * DAY_US });
  const { pool, reader, clock } = world;
  context = { pool, reader, clock, code: codeOf([before, after]) };
  bought = 0;
});
afterEach(() => world.close());

function buy(count: number): void {
  for (let index = 0; index < count; index++) {
    const number = ++bought;
    const at = new Date(number * 3_600_000).toISOString();
    const purchase = { id: `p${number}`, at, customer: `c${number % 7}`, amount: (number * 7) % 23 };
    world.append(number % 2, [{ value: purchaseBytes(purchase), timestampUs: 20 * DAY_US }]);
  }
}

async function build(view: CompiledView): Promise<number> {
  const { pool, reader, folder, clock } = world;
  return (await runBackfill({ view, pool, reader, spillDir: folder, clock, builder: 'diff-test' })).version;
}

async function publish(view: CompiledView): Promise<number> {
  const version = await build(view);
  await publishVersion({ pool: world.pool, view: view.name, version });
  return version;
}

async function diffOf(asked: { before: number; after: number }, atUs?: number): Promise<VersionsDiff> {
  const sides = await versionSides(context, { view: before.name, ...asked });
  const listings = listingsOfProcess(world.clock);
  return await diffVersions({
    ...sides,
    reader: world.reader,
    listings,
    spillDir: world.folder,
    ...(atUs === undefined ? {} : { atUs }),
  });
}

/** Of all entities that a version stores, what readers would get. */
async function stored(view: CompiledView, version: number, atUs: number): Promise<Map<string, Cell[]>> {
  const { stateTable: table } = (await viewVersion(world.pool, view.name, version))!;
  const { rows } = await world.pool.query<{ customer: string; state: Buffer }>(
    `SELECT customer, state FROM ${stateTable(table)}`,
  );
  const reducer = createViewReducer(view.layout);
  return new Map(rows.map(({ customer, state }) => [customer, reducer.read(reducer.decode(state), atUs)]));
}

test('differ in the very cells in which their stored states do', async () => {
  buy(60);
  await publish(before);
  buy(40);
  await world.stream();
  // Built aside, up to the same end.
  expect(await build(after)).toBe(2);
  const diff = await diffOf({ before: 1, after: 2 });
  const atUs = 100 * 3_600_000_000 + 1;
  const [one, other] = [await stored(before, 1, atUs), await stored(after, 2, atUs)];
  expect(diff).toMatchObject({
    before: { version: 1, fingerprint: before.fingerprint },
    after: { version: 2, fingerprint: after.fingerprint },
    at: new Date(atUs / 1000).toISOString().replace('.000Z', '.000001Z'),
    entities: 7,
    isWhole: true,
    isOneScan: true,
    onlyBefore: ['last_amount'],
    onlyAfter: [],
    logs: [],
  });
  const differing = ['purchases_1d', 'spent_7d'].map(
    (_, index) => [...one].filter(([customer, cells]) => cells[index] !== other.get(customer)![index]).length,
  );
  expect(differing[1]).toBeGreaterThan(0);
  expect(diff.features.map((feature) => feature.differing)).toEqual(differing);
});

test('are held up to what both have committed, and each has its own code', async () => {
  buy(30);
  await publish(before);
  expect(await publish(after)).toBe(2);
  buy(30);
  // The newer one alone streams on.
  await world.stream({ view: after });
  const diff = await diffOf({ before: 1, after: 2 });
  expect(diff.at).toBe('1970-01-02T06:00:00.000001Z');
  expect(diff.before.counts.applied + diff.before.counts.invalid).toBe(30);
  expect(diff.after.counts.applied + diff.after.counts.filtered + diff.after.counts.invalid).toBe(30);
  const lone = { ...context, code: codeOf([before]) };
  await expect(versionSides(lone, { view: before.name, before: 1, after: 2 })).rejects.toMatchObject({
    code: 'definition-changed',
  });
});

test('a definition that was not built yet is held to what is live over the same log', async () => {
  buy(50);
  await publish(before);
  const live = (await liveVersion(world.pool, before.name))!;
  // Not in what is live: neither reads it.
  buy(20);
  const sides = await definitionSides(context, live, before, after);
  expect(sides.after).toMatchObject({ version: null, cut: sides.before.cut });
  const listings = listingsOfProcess(world.clock);
  const given = { reader: world.reader, listings, spillDir: world.folder };
  const planned = await diffVersions({ ...sides, ...given });
  expect(planned.differing).toBeGreaterThan(0);
  const same = await definitionSides(context, live, before, before);
  expect(await diffVersions({ ...same, ...given })).toMatchObject({ differing: 0, isOneScan: true, logs: [] });
  // What came of it then, is what was said.
  expect(await build(after)).toBe(2);
  const then = await diffOf({ before: 1, after: 2 });
  const told = ({ features, entities, at }: VersionsDiff): unknown => ({ features, entities, at });
  expect(told(then)).toEqual(told(planned));
});

test('without Kafka a definition is held to the history alone, and two versions of a topic are refused', async () => {
  buy(10);
  await publish(before);
  await publish(after);
  const away = { ...context, reader: null };
  const live = (await liveVersion(world.pool, before.name))!;
  const sides = await definitionSides(away, live, before, after);
  expect([sides.before.cut, sides.after.cut]).toEqual([null, null]);
  await expect(versionSides(away, { view: before.name, before: 1, after: 2 })).rejects.toMatchObject({
    code: 'kafka-not-configured',
  });
});

test('what retention took from the newer one alone is told as another log', async () => {
  buy(40);
  await publish(before);
  const live = (await liveVersion(world.pool, before.name))!;
  world.broker.deleteBefore('purchases', 0, 5);
  const { before: older, after: newer } = await definitionSides(context, live, before, before);
  expect(older.cut?.partitions[0]).toMatchObject({ lowOffset: 0 });
  expect(newer.cut?.partitions[0]).toMatchObject({ lowOffset: 5 });
  const given = { reader: world.reader, listings: listingsOfProcess(world.clock), spillDir: world.folder };
  await expect(diffVersions({ before: older, after: newer, ...given })).rejects.toMatchObject({ code: 'offsets-gone' });
});

test('the activity gives a summary that a workflow can decide by', async () => {
  buy(60);
  await publish(before);
  await build(after);
  const deps: ActivityDeps = {
    definitions: {
      folder: '/',
      baseFolder: '/',
      views: new Map(),
      services: new Map(),
      sources: new Map(),
      labelSets: new Map(),
    },
    code: context.code,
    pool: world.pool,
    reader: world.reader,
    topicReader: null,
    archiveDir: '/',
    servedTopic: 'served',
    clock: world.clock,
    roots: null,
    spillDir: world.folder,
    memory: new MemoryBudget(memoryShares(1024)),
    identity: 'test',
  };
  const input = { view: before.name, before: 1, after: 2, entities: 200_000 };
  const beats: unknown[] = [];
  const environment = new MockActivityEnvironment();
  environment.on('heartbeat', (figures: unknown) => beats.push(figures));
  const summary = await environment.run(() => diffActivity(deps, input));
  const diff = await diffOf(input);
  expect(summary).toEqual({
    view: before.name,
    before: 1,
    after: 2,
    atMs: 60 * 3_600_000,
    entities: diff.entities,
    isWhole: true,
    cells: diff.cells,
    differing: diff.differing,
    features: diff.features.map(({ feature, cells, differing }) => ({ feature, cells, differing })),
    onlyBefore: ['last_amount'],
    onlyAfter: [],
  });
  expect(beats.at(-1)).toMatchObject({ phase: 'compare' });
  // Of a feature of another type nothing is equal; with other keys nothing is compared, and that is no equality.
  const double = {
    ...after.layout,
    features: after.layout.features.map((one) => ({ ...one, result: { kind: 'double' } as const })),
  };
  const retyped = { ...deps, code: codeOf([before, { ...after, layout: double }]) };
  const all = await environment.run(() => diffActivity(retyped, input));
  expect(all).toMatchObject({ cells: 14, differing: 14 });
  const keys = [{ name: 'customer', type: { kind: 'int64' } as const }];
  const rekeyed = { ...deps, code: codeOf([before, { ...after, layout: { ...after.layout, keys } }]) };
  const none = await environment.run(() => diffActivity(rekeyed, input));
  expect(none).toMatchObject({ cells: 0, incomparable: expect.stringContaining('the join keys differ') });
});

test('which two: the live one and the candidate, else the previous and the live one; and none that are not there', async () => {
  buy(5);
  expect(() => chosenVersions('spending', [])).toThrow(expect.objectContaining({ code: 'view-not-published' }));
  await publish(before);
  const known = () => versions(world.pool, before.name);
  expect(() => chosenVersions('spending', [])).toThrow(expect.objectContaining({ code: 'view-not-published' }));
  const only = await known();
  expect(() => chosenVersions('spending', only)).toThrow(expect.objectContaining({ code: 'unknown-version' }));
  await publish(after);
  expect(chosenVersions('spending', await known())).toEqual({ before: 1, after: 2 });
  await build(before);
  expect(chosenVersions('spending', await known())).toEqual({ before: 2, after: 3 });
  const asked = { view: before.name, before: 1 };
  await expect(versionSides(context, { ...asked, after: 9 })).rejects.toMatchObject({
    code: 'unknown-version',
    details: { known: [1, 2, 3] },
  });
  await expect(versionSides(context, { view: 'nobody', before: 1, after: 2 })).rejects.toMatchObject({
    code: 'unknown-view',
  });
  await world.pool.query("UPDATE millrace_catalog.view_version SET status = 'building' WHERE version = 3");
  await expect(versionSides(context, { ...asked, after: 3 })).rejects.toMatchObject({
    code: 'version-not-built',
    retryable: true,
  });
});
