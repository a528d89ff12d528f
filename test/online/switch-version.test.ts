import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledView, Row } from '../../engine/define/compiled-view.ts';
import { sweepAbandonedVersions } from '../../engine/backfill/sweep-abandoned-versions.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { publishVersion, retireView } from '../../engine/online/publish-version.ts';
import { dropServed, switchVersion } from '../../engine/online/switch-version.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { servedTimes } from '../../engine/postgres/served-times.ts';
import { viewVersion, versions, type ViewVersion } from '../../engine/postgres/view-versions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import {
  buildVersion,
  compiled,
  fixedClock,
  NOW_US,
  publish,
  sale,
  shopSales,
  shopSalesNext,
  statesOf,
} from './online-fixture.ts';

const HOUR_MS = 3_600_000;
const VIEW = 'shop_sales';
const rows: Row[] = Array.from({ length: 200 }, (_, n) => sale(n));

let database: OwnDatabase;
let shops: CompiledView;
let shopsNext: CompiledView;

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl, 12);
  await migrateToLatest(database.pool);
  [shops] = (await compiled(shopSales)) as [CompiledView];
  [shopsNext] = (await compiled(shopSalesNext)) as [CompiledView];
});
afterAll(() => database.drop());

/** A view of two versions, the first of them served. */
async function twoVersions(): Promise<{ first: number; second: number }> {
  const first = await publish(database.pool, shops, rows);
  return { first, second: await buildVersion(database.pool, shopsNext, rows) };
}

function flip(version: number, more: { keepMs?: number; behindAtMost?: { records: number; seconds: number } } = {}) {
  return switchVersion({ pool: database.pool, view: VIEW, version, keepMs: HOUR_MS, behindAtMost: null, ...more });
}

async function stored(version: number): Promise<ViewVersion> {
  return (await viewVersion(database.pool, VIEW, version))!;
}

async function tables(): Promise<string[]> {
  const { rows: found } = await database.pool.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'millrace_state' AND tablename LIKE 'shop_sales%' ORDER BY 1",
  );
  return found.map(({ name }) => name);
}

/** Puts the stream of a version at an offset of partition 0; commits of the newest are `agoSeconds` old. */
async function streamedTo(version: number, offset: number, agoSeconds = 0): Promise<void> {
  const { pool } = database;
  await pool.query(
    'UPDATE millrace_catalog.stream_offset SET next_offset = $3, end_offset = $3 WHERE view = $1 AND version = $2 AND partition = 0',
    [VIEW, version, offset],
  );
  await pool.query(
    `INSERT INTO millrace_catalog.commit_record (view, version, seq, topic, partition, from_offset, until_offset, committed_at)
     VALUES ($1, $2, 1, 'sales', 0, 0, $3, clock_timestamp() - $4 * interval '1 s')`,
    [VIEW, version, offset, agoSeconds],
  );
}

describe('a flip', () => {
  it('keeps the version before for its time, and can be taken back and done again', async () => {
    const { first, second } = await twoVersions();
    const { kept } = await flip(second);
    expect(kept?.version).toBe(first);
    expect(await stored(first)).toMatchObject({ status: 'superseded', keptUntilUs: expect.any(Number) as number });
    expect((await stored(first)).keptUntilUs! / 1000 - Date.now()).toBeGreaterThan(HOUR_MS / 2);
    // Whatever builds, publishes or sweeps meanwhile leaves it alone.
    await sweepAbandonedVersions({ pool: database.pool, view: VIEW });
    const third = await publish(database.pool, shopsNext, rows);
    await publishVersion({ pool: database.pool, view: VIEW, version: third });
    expect(await stored(first)).toMatchObject({ status: 'superseded', keptUntilUs: expect.any(Number) as number });
    expect((await flip(first)).kept?.version).toBe(third);
    expect((await flip(first)).kept?.version).toBe(third);
    expect(await stored(first)).toMatchObject({ status: 'live', keptUntilUs: null, endedAtUs: null });
    expect((await flip(third)).kept?.version).toBe(first);
    const times = servedTimes(await stored(first));
    expect(times).toHaveLength(2);
    expect(times[0]!.untilUs).toBeLessThan(times[1]!.fromUs);
    expect(times.every(({ fromUs, untilUs }) => fromUs < untilUs!)).toBe(true);
    const again = servedTimes(await stored(third));
    expect(again.map(({ untilUs }) => untilUs === null)).toEqual([false, true]);
    // One after the other, without a gap that a reader could tell.
    expect(times[1]!.fromUs).toBeGreaterThanOrEqual(again[0]!.untilUs!);
    expect(again[1]!.fromUs).toBeGreaterThanOrEqual(times[1]!.untilUs!);
    await retireView({ pool: database.pool, view: VIEW });
  });

  it('to a third version keeps the second alone, and a version that is gone is no way back', async () => {
    const { first, second } = await twoVersions();
    await flip(second);
    const third = await buildVersion(database.pool, shops, rows);
    expect((await flip(third)).kept?.version).toBe(second);
    expect(await stored(first)).toMatchObject({ status: 'superseded', keptUntilUs: null });
    await expect(flip(first)).rejects.toMatchObject({ code: 'no-previous', httpStatus: 409 });
    expect(await dropServed({ pool: database.pool, view: VIEW, version: first })).toBe(true);
    expect(await dropServed({ pool: database.pool, view: VIEW, version: first })).toBe(true);
    expect(await stored(first)).toMatchObject({ status: 'discarded' });
    expect(await tables()).toEqual([(await stored(second)).stateTable, (await stored(third)).stateTable].toSorted());
    await expect(dropServed({ pool: database.pool, view: VIEW, version: third })).rejects.toMatchObject({
      code: 'internal-bug',
    });
    const fourth = await buildVersion(database.pool, shops, rows);
    expect(await dropServed({ pool: database.pool, view: VIEW, version: fourth })).toBe(false);
    expect((await stored(fourth)).status).toBe('built');
    await expect(flip(fourth + 1)).rejects.toMatchObject({ code: 'version-not-built' });
    await retireView({ pool: database.pool, view: VIEW });
    expect((await versions(database.pool, VIEW)).filter(({ keptUntilUs }) => keptUntilUs !== null)).toEqual([]);
  });

  it('keeps nothing where nothing is to be kept', async () => {
    const { first, second } = await twoVersions();
    expect(await flip(second, { keepMs: 0 })).toEqual({ kept: null });
    expect(await stored(first)).toMatchObject({ status: 'superseded', keptUntilUs: null });
    await retireView({ pool: database.pool, view: VIEW });
  });

  it('is refused to a version that is far behind, in records and in time', async () => {
    const most = { records: 1000, seconds: 60 };
    const { first, second } = await twoVersions();
    await streamedTo(first, 5000, 120);
    await streamedTo(second, 3000, 0);
    await expect(flip(second, { behindAtMost: most })).rejects.toMatchObject({
      code: 'candidate-behind',
      message: expect.stringMatching(/2000 records and 1[12]\d s behind version/) as string,
    });
    expect((await stored(first)).status).toBe('live');
    // Many records of the last moments are no lag, and neither are few of any time.
    await expect(flip(second, { behindAtMost: { records: 1000, seconds: 600 } })).resolves.toMatchObject({});
    await flip(first);
    await expect(flip(second, { behindAtMost: most })).rejects.toMatchObject({ code: 'previous-behind' });
    await expect(flip(second, { behindAtMost: { records: 2000, seconds: 1 } })).resolves.toMatchObject({});
    await flip(first);
    // Of what was rolled into the archive, or came with its backfill, is not known when it was.
    await database.pool.query('DELETE FROM millrace_catalog.commit_record WHERE view = $1', [VIEW]);
    await expect(flip(second, { behindAtMost: most })).rejects.toMatchObject({
      message: expect.stringContaining('longer than is known') as string,
    });
    await expect(flip(second)).resolves.toMatchObject({});
    await retireView({ pool: database.pool, view: VIEW });
  });

  it('to and fro between two definitions gives no reader a missing or a mixed answer', async () => {
    const { pool } = database;
    const { first, second } = await twoVersions();
    const store = createOnlineStore({ pool, clock: fixedClock });
    const keys = [['north'], ['süd'], ["o'shop \\"]];
    const expected = new Map(
      [shops, shopsNext].map((view, at) => {
        const reducer = createViewReducer(view.layout);
        const values = new Map(
          [...statesOf(view, rows).values()].map(({ key, state }) => [key[0], reducer.read(state, NOW_US)]),
        );
        return [at === 0 ? first : second, keys.map(([key]) => values.get(key))];
      }),
    );
    const run = { flipping: true, answers: 0 };
    const seen = new Map<number, number>();
    const reader = async (): Promise<void> => {
      while (run.flipping) {
        const reads = await store.get(VIEW, keys);
        const [{ version }] = reads as [(typeof reads)[0]];
        expect(reads.map((read) => [read.version, read.values])).toEqual(
          expected.get(version)!.map((values) => [version, values]),
        );
        run.answers++;
        seen.set(version, (seen.get(version) ?? 0) + 1);
      }
    };
    const sqlReader = async (sql: string): Promise<void> => {
      while (run.flipping) {
        const { rows: found } = await pool.query<Record<string, unknown>>(sql);
        expect(found).toHaveLength(1);
        const names = Object.keys(found[0]!);
        expect(names.includes('sales_1d')).toBe(!names.includes('sales_2d'));
        run.answers++;
      }
    };
    const settled = Promise.all([
      reader(),
      reader(),
      reader(),
      sqlReader("SELECT * FROM millrace.shop_sales WHERE shop = 'north'"),
    ]);
    for (let turn = 0; turn < 20; turn++) {
      const enough = run.answers + 8;
      await flip(turn % 2 === 0 ? second : first);
      while (run.answers < enough) await Promise.race([settled, new Promise(setImmediate)]);
    }
    run.flipping = false;
    await settled;
    expect([...seen.keys()].toSorted()).toEqual([first, second].toSorted());
    expect(servedTimes(await stored(first))).toHaveLength(11);
    await retireView({ pool, view: VIEW });
  });
});
