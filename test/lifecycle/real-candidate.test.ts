import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { sendCommand, sendVersionCommand } from '../../cli/lifecycle-client.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { listVersions } from '../../engine/online/list-versions.ts';
import { servedTimes } from '../../engine/postgres/served-times.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { ClicksWorld } from './clicks-world.ts';
import { eventually } from './lifecycle-harness.ts';
import { TwoDefinitions } from './two-definitions.ts';

const KEPT_SECONDS = 12;
const COMMON = ['n', 'total', 'n_1d', 'last_amount'];

let two: TwoDefinitions;
let world: ClicksWorld;
beforeAll(async () => {
  two = await TwoDefinitions.open(inject('stack'), ", most: f.max('amount')");
  ({ world } = two);
});
afterAll(() => two?.close());

/** Clicks and reads without end, by store and by SQL; `stop` gives what readers saw. */
function underLoad(): { stop(): Promise<{ versions: number[]; reads: number }> } {
  const run = { goes: true, reads: 0 };
  const versions = new Set<number>();
  const store = createOnlineStore({ pool: world.pool, clock: systemClock });
  const clicks = async (): Promise<void> => {
    while (run.goes) await world.send(world.make(100));
  };
  const reads = async (): Promise<void> => {
    while (run.goes) {
      const found = await store.get(world.view, [['u0'], ['u1'], ['u2']]);
      const [{ version, features }] = found as [(typeof found)[0]];
      // All of one version, with that version's features and a value of each.
      expect(new Set(found.map((read) => read.version))).toEqual(new Set([version]));
      expect(features.map(({ name }) => name)).toEqual(version === 1 ? COMMON : [...COMMON, 'most']);
      expect(found.every(({ values, errors }) => values.every((value) => value !== null) && errors === null)).toBe(
        true,
      );
      versions.add(version);
      run.reads++;
      await new Promise(setImmediate);
    }
  };
  const sql = async (): Promise<void> => {
    while (run.goes) {
      const { rows } = await world.pool.query<Record<string, unknown>>(
        `SELECT * FROM millrace.${world.view} WHERE person = 'u0'`,
      );
      expect(rows).toHaveLength(1);
      expect(rows[0]!['n']).toBeGreaterThan(0);
      run.reads++;
      await new Promise(setImmediate);
    }
  };
  const ended = Promise.all([clicks(), reads(), reads(), sql()]);
  // One that fails is told when it is waited for, and not before.
  ended.catch(() => undefined);
  return {
    async stop() {
      run.goes = false;
      await ended;
      return { versions: [...versions].toSorted(), reads: run.reads };
    },
  };
}

it('is changed under load: built aside, approved, rolled back, approved again; the old version goes after its time', {
  timeout: 240_000,
}, async () => {
  const options = { sliceSeconds: 5, keepPreviousHours: KEPT_SECONDS / 3600 };
  await two.stream(options);
  const load = underLoad();

  const fingerprint = await two.applySecond();
  expect(fingerprint).not.toBe(false);
  const waiting = await two.harness.until(two.lifecycle, ({ candidate }) => candidate?.isCaughtUp === true);
  expect(waiting).toMatchObject({ version: 1, candidate: { version: 2, fingerprint } });
  expect(await listVersions(world.pool, world.view)).toMatchObject([
    { version: 2, role: 'candidate', served: [] },
    { version: 1, role: 'live' },
  ]);

  const { version: approved } = await sendVersionCommand(two.harness.client, world.view, 'approve', { version: 2 });
  expect(approved).toBe(2);
  const back = await sendVersionCommand(two.harness.client, world.view, 'rollback', { version: 1 });
  expect(back).toMatchObject({ version: 1, previous: { version: 2 } });
  const seen = await load.stop();
  expect(seen.versions).toEqual([1, 2]);
  // What was kept had streamed on, and so does what was rolled back from.
  await two.servedInFull();
  const again = await sendVersionCommand(two.harness.client, world.view, 'approve', { version: 2 });
  expect(again).toMatchObject({ version: 2, previous: { version: 1 } });
  await two.servedInFull();
  expect(await listVersions(world.pool, world.view)).toMatchObject([
    { version: 2, role: 'live' },
    { version: 1, role: 'previous', keptUntilUs: expect.any(Number) as number },
  ]);

  await two.harness.until(two.lifecycle, ({ previous }) => previous === null);
  await eventually(async () => (await viewVersion(world.pool, world.view, 1))?.status === 'discarded');
  const tables = await world.pool.query("SELECT FROM pg_tables WHERE schemaname = 'millrace_state'");
  expect(tables.rows).toHaveLength(1);
  const [before, after] = await Promise.all([1, 2].map((version) => viewVersion(world.pool, world.view, version)));
  expect([servedTimes(before!).length, servedTimes(after!).length]).toEqual([2, 2]);
  const late = sendVersionCommand(two.harness.client, world.view, 'rollback', { version: 1 });
  await expect(late).rejects.toMatchObject({ code: 'no-previous' });
  await world.send(world.make(100));
  await two.servedInFull();
  expect(await two.harness.reach(two.lifecycle, 'streaming')).toMatchObject({ version: 2, error: null });
  await sendCommand(two.harness.client, world.view, 'retire');
  await two.lifecycle.result();
});
