import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { sendCommand, sendVersionCommand } from '../../cli/lifecycle-client.ts';
import { listVersions } from '../../engine/online/list-versions.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import type { ClicksWorld } from './clicks-world.ts';
import { TwoDefinitions } from './two-definitions.ts';

let two: TwoDefinitions;
let world: ClicksWorld;
beforeAll(async () => {
  two = await TwoDefinitions.open(inject('stack'), ", n_6h: f.count().over('6h', { hop: '1h' })");
  ({ world } = two);
});
afterAll(() => two?.close());

it('a feature over tiles that are there is made of the states of the version served, told so, and approved; a rebackfill reads the log', {
  timeout: 240_000,
}, async () => {
  await two.stream({ sliceSeconds: 5 });
  await two.servedInFull();
  await world.send(world.make(300));

  const fingerprint = await two.applySecond();
  expect(fingerprint).not.toBe(false);
  const waiting = await two.harness.until(two.lifecycle, ({ candidate }) => candidate?.isCaughtUp === true);
  expect(waiting).toMatchObject({ version: 1, candidate: { version: 2, fingerprint, madeFrom: 1 } });
  expect(await listVersions(world.pool, world.view)).toMatchObject([
    { version: 2, role: 'candidate', madeFrom: 1 },
    { version: 1, role: 'live', madeFrom: null },
  ]);
  await sendVersionCommand(two.harness.client, world.view, 'approve', { version: 2 });
  await world.send(world.make(300));
  await two.servedInFull();

  await sendCommand(two.harness.client, world.view, 'rebackfill');
  await two.harness.until(two.lifecycle, ({ version }) => version === 3);
  expect((await viewVersion(world.pool, world.view, 3))?.madeFrom).toBeNull();
  await two.servedInFull();
  await sendCommand(two.harness.client, world.view, 'retire');
  await two.lifecycle.result();
});
