import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { statesObstacle } from '../../engine/backfill/states-obstacle.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';
import { purchaseBytes } from '../stream/stream-view.ts';
import { build, livingFacts, purchasesView, tagged } from './states-of-another.ts';

const DAY_US = 86_400_000_000;

let fingerprints = 0;
/** The same states, read by another rule. */
function expiring(days: number | null): CompiledView {
  const view = purchasesView({ lifetime: false });
  const fingerprint = String(++fingerprints).repeat(64).slice(0, 64);
  return tagged({
    ...view,
    fingerprint,
    layout: { ...view.layout, ...(days === null ? {} : { expireUs: days * DAY_US }) },
  });
}

const first = expiring(2);
let world: ParityWorld & { close(): Promise<void> };
let bought = 0;
beforeEach(async () => {
  world = await openWorld(inject('stack').databaseUrl, { view: first, nowUs: 90 * DAY_US });
  bought = 0;
});
afterEach(() => world.close());

function buy(customer: string, day: number): void {
  const at = new Date(day * 86_400_000).toISOString();
  const value = purchaseBytes({ id: `p-${++bought}`, at, customer, amount: bought % 9 });
  world.append(bought % 2, [{ value, timestampUs: day * DAY_US }]);
}

const made = async (view: CompiledView): Promise<{ madeFrom: number | null; version: number }> => {
  const { pool, reader, folder: spillDir, clock } = world;
  return build({ view, pool, reader, spillDir, clock, mayTakeStates: true });
};

const obstacle = async (view: CompiledView): Promise<string | null> => {
  const { pool, reader } = world;
  return statesObstacle({ view, live: (await liveVersion(pool, view.name))!, pool, reader });
};

it('a version that finds what another has removed is built from the log, until nothing could find it any more', async () => {
  buy('ana', 1);
  buy('bo', 8);
  buy('now', 10);
  await world.backfill();
  // Nothing has been removed: any rule of reading will do.
  expect(await obstacle(expiring(null))).toBeNull();
  buy('now', 16);
  await world.stream();
  expect(await viewVersion(world.pool, first.name, 1)).toMatchObject({ expiredRows: 1 });

  const longer = expiring(30);
  const why = 'rows that had expired in version 1 were removed, and would be found: expire 2d there, expire 30d here';
  expect(await obstacle(longer)).toBe(why);
  expect(await obstacle(expiring(null))).toMatch(/expire 2d there, no expire here$/);
  const rebuilt = await made(longer);
  expect(rebuilt.madeFrom).toBeNull();
  expect((await livingFacts(world.pool, longer, rebuilt.version))['states']).toHaveLength(3);

  const shorter = expiring(1);
  const taken = await made(shorter);
  expect(taken.madeFrom).toBe(1);
  const { expiredBeforeUs } = (await viewVersion(world.pool, first.name, 1))!;
  expect(expiredBeforeUs).not.toBeNull();
  // Its rows are not there either, whoever is made of it.
  expect(await viewVersion(world.pool, first.name, taken.version)).toMatchObject({ expiredRows: 0, expiredBeforeUs });
  await publishVersion({ pool: world.pool, view: first.name, version: taken.version });
  expect(await obstacle(longer)).toMatch(/^rows that had expired in version 3 were removed/);

  // By then a row of before the first removal is beyond what 30 days and the windows find.
  buy('now', 50);
  await world.stream({ view: shorter });
  expect(await obstacle(first)).toMatch(/^rows that had expired/);
  const { pool } = world;
  await pool.query('UPDATE millrace_catalog.view_version SET expired_before_us = $1 WHERE version = 3', [
    expiredBeforeUs,
  ]);
  expect(await obstacle(longer)).toBeNull();
  expect((await made(longer)).madeFrom).toBe(3);
});
