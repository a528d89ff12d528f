import { afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { type BackfillResult, runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView, Definitions } from '../../engine/define/compiled-view.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { versionSides } from '../../engine/versions/diff-sides.ts';
import { diffVersions } from '../../engine/versions/diff-versions.ts';
import { ownRate } from '../../engine/versions/expected-work.ts';
import { type PlannedView, planAgainstLive } from '../../engine/versions/plan-against-live.ts';
import { type Edit, taggedView } from '../define/tagged-project.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';

const DAY_US = 86_400_000_000;
const FROM_MS = Date.UTC(2026, 0, 1);
const ORDERS = 400;
const SHOPS = 60;

/** The project's view over the topic alone. */
async function ordersView(...edits: readonly Edit[]): Promise<CompiledView> {
  const { compiled } = await taggedView(...edits);
  return { ...compiled, source: { ...compiled.source, history: null } };
}

let before: CompiledView;
let after: CompiledView;
beforeAll(async () => {
  before = await ordersView();
  after = await ordersView(
    ['index.ts', `f.max('price').over('1d')`, `f.max('price').over('5d')`],
    ['index.ts', `n_1d:`, `n_2d: f.count().over('2d'), n_1d:`],
  );
});

let world: ParityWorld & { close(): Promise<void> };
beforeEach(async () => {
  world = await openWorld(inject('stack').databaseUrl, { view: before, nowUs: FROM_MS * 1000 + 30 * DAY_US });
  for (let number = 0; number < ORDERS; number++) {
    const at = new Date(FROM_MS + number * 1_500_000).toISOString();
    const order = { id: `o${number}`, at, shop: `s${(number * 7) % SHOPS}`, price: (number * 13) % 97, note: 'late' };
    world.append(number % 2, [
      { value: Buffer.from(JSON.stringify(order)), timestampUs: FROM_MS * 1000 + 30 * DAY_US },
    ]);
  }
});
afterEach(() => world.close());

async function build(view: CompiledView, mayTakeStates = false): Promise<BackfillResult> {
  const { pool, reader, folder: spillDir, clock } = world;
  return await runBackfill({ view, pool, reader, spillDir, clock, builder: 'plan-test', mayTakeStates });
}

async function publish(view: CompiledView): Promise<void> {
  await publishVersion({ pool: world.pool, view: view.name, version: (await build(view)).version });
}

async function planned(
  views: readonly CompiledView[],
  known: readonly CompiledView[],
  more: { entities?: number; reader?: null } = {},
): Promise<PlannedView[]> {
  const definitions: Definitions = {
    folder: '/',
    baseFolder: '/',
    views: new Map(views.map((view) => [view.name, view])),
    services: new Map(),
    sources: new Map(),
    labelSets: new Map(),
  };
  const { pool, reader, clock, folder } = world;
  const listings = listingsOfProcess(clock);
  return await planAgainstLive({
    definitions,
    pool,
    reader,
    clock,
    listings,
    spillDir: folder,
    code: codeOf(known),
    ...more,
  });
}

test('what would change is told before, and is what comes of it', async () => {
  await publish(before);
  const [plan, ...others] = await planned([after], [before, after], { entities: SHOPS });
  expect(others).toEqual([]);
  expect(plan).toMatchObject({
    view: 'sales',
    change: 'changed',
    live: { version: 1, fingerprint: before.fingerprint },
    difference: {
      featuresAdded: ['n_2d'],
      featuresRemoved: [],
      featuresChanged: [{ name: 'price_1d', what: ['window 1d → 5d'] }],
      contract: { added: [], removed: [], changed: [] },
      source: [],
    },
    notCompared: null,
    expected: { historyRows: 0, topicRecords: 0, rows: 0, measured: 'as fast as states were copied on two cores' },
    sample: { entities: SHOPS, isWhole: true, onlyAfter: ['n_2d'], before: { version: 1 }, after: { version: null } },
  });
  const live = (await liveVersion(world.pool, 'sales'))!;
  expect(plan!.expected!.minutes).toBeGreaterThan(0);
  expect(plan!.expected!.stateBytes).toBeGreaterThan(1_000);
  // Nothing was written, nothing was built.
  expect(await liveVersion(world.pool, 'sales')).toEqual(live);
  expect(await build(after, true)).toMatchObject({ version: 2, madeFrom: 1 });
  const { pool, reader, clock, folder } = world;
  const code = codeOf([before, after]);
  const sides = await versionSides({ pool, reader, clock, code }, { view: 'sales', before: 1, after: 2 });
  const then = await diffVersions({ ...sides, reader, listings: listingsOfProcess(clock), spillDir: folder });
  expect(then.differing).toBeGreaterThan(0);
  expect(plan!.sample!.features).toEqual(then.features);
  // Of a part of the entities, what is said of all of them holds.
  const [part] = await planned([after], [before, after], { entities: 20 });
  expect(part!.sample).toMatchObject({ entities: 20, isWhole: false });
  for (const [index, { interval }] of part!.sample!.features.entries()) {
    expect(then.features[index]!.share).toBeGreaterThanOrEqual(interval.low);
    expect(then.features[index]!.share).toBeLessThanOrEqual(interval.high);
  }
});

test('where nothing has to be built the values are those there are', async () => {
  await publish(before);
  const more = await ordersView(['index.ts', `n_1d:`, `n_5h: f.count().over('5h', { hop: '1h' }), n_1d:`]);
  const [plan] = await planned([more], [before, more]);
  expect(plan).toMatchObject({
    change: 'changed',
    difference: { featuresAdded: ['n_5h'], featuresChanged: [], rebuild: { isNeeded: false } },
    sample: { differing: 0, isOneScan: true, logs: [] },
  });
  expect(plan!.sample!.cells).toBe(SHOPS * before.layout.features.length);
});

test('what has to be built from the log takes as long as the version did that was, however many were made of its states since', async () => {
  await publish(before);
  const built = (await liveVersion(world.pool, 'sales'))!;
  const longer = await ordersView(['index.ts', `f.max('price').over('1d')`, `f.max('price').over('9d')`]);
  const expected = {
    topicRecords: ORDERS,
    rows: ORDERS,
    minutes: expect.closeTo(ORDERS / ownRate(built)!.rowsPerSecond / 60, 9) as number,
    measured: 'as fast as version 1 was built',
  };
  expect(await planned([longer], [before, longer])).toMatchObject([
    { difference: { rebuild: { isNeeded: true } }, expected },
  ]);
  const { version } = await build(after, true);
  await publishVersion({ pool: world.pool, view: 'sales', version });
  expect(ownRate((await liveVersion(world.pool, 'sales'))!)).toBeNull();
  expect(await planned([longer], [after, longer])).toMatchObject([{ expected }]);
});

test('views are new, unchanged, or defined no more', async () => {
  const [fresh] = await planned([before], []);
  expect(fresh).toMatchObject({
    change: 'new',
    live: null,
    expected: { rows: ORDERS, minutes: null, measured: 'nothing was measured', stateBytes: null },
  });
  await publish(before);
  const nothing = { difference: null, expected: null, sample: null, notCompared: null };
  expect(await planned([before], [])).toMatchObject([{ change: 'unchanged', live: { version: 1 }, ...nothing }]);
  expect(await planned([], [])).toMatchObject([{ view: 'sales', change: 'retired', fingerprint: null, ...nothing }]);
  // The very code under the name that its version has: today's reading of it gives another.
  const stored = { viewOf: async () => Object.freeze({ ...after, fingerprint: before.fingerprint }) };
  const { pool, reader, clock, folder: spillDir } = world;
  const definitions = {
    folder: '/',
    baseFolder: '/',
    views: new Map([['sales', after]]),
    services: new Map(),
    sources: new Map(),
    labelSets: new Map(),
  };
  const listings = listingsOfProcess(clock);
  expect(await planAgainstLive({ definitions, pool, reader, clock, listings, spillDir, code: stored })).toMatchObject([
    { change: 'unchanged', ...nothing },
  ]);
});

test('what cannot be compared is told with its reason, and what is known all the same', async () => {
  await publish(before);
  // The code of the live version is not at hand: its layout and its tags are.
  const [lone] = await planned([after], [after]);
  expect(lone).toMatchObject({
    change: 'changed',
    difference: { featuresAdded: ['n_2d'], contract: null, source: null, rebuild: { isNeeded: false } },
    sample: null,
    notCompared: { code: 'definition-changed' },
    expected: { rows: 0 },
  });
  world.broker.deleteBefore('orders', 0, 10);
  const [gone] = await planned([after], [before, after]);
  expect(gone).toMatchObject({ sample: null, notCompared: { code: 'offsets-gone' }, expected: { rows: 0 } });
  const [away] = await planned([after], [before, after], { reader: null });
  expect(away).toMatchObject({
    difference: { rebuild: { isNeeded: true, why: 'topic orders cannot be asked' } },
    expected: { topicRecords: null },
    sample: { entities: 0, logs: ['topic orders is read by neither'] },
  });
  await world.pool.query('UPDATE millrace_catalog.view_version SET semantics = $1', [ENGINE_SEMANTICS - 1]);
  const [retired] = await planned([after], [before, after]);
  expect(retired).toMatchObject({ change: 'changed', sample: null, notCompared: { code: 'semantics-retired' } });
  await world.pool.query("UPDATE millrace_catalog.view_version SET fingerprint = 'before'");
  const [upgrading] = await planned([{ ...after, fingerprintBefore: async () => 'before' }], []);
  expect(upgrading).toMatchObject({ change: 'upgrading', difference: null });
});
