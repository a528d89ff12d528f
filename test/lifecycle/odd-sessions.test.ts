import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';
import { createLogin } from '../postgres/test-login.ts';

const role = `odd_${randomUUID().slice(0, 8)}`;
let admin: pg.Pool;
let harness: LifecycleHarness;
let world: ClicksWorld;

beforeAll(async () => {
  const stack = inject('stack');
  admin = createPool(stack.databaseUrl, { max: 1 });
  const url = new URL(await createLogin(admin, stack.databaseUrl, role, 'SUPERUSER'));
  for (const setting of [
    "DateStyle = 'SQL, DMY'",
    "TimeZone = 'America/New_York'",
    'extra_float_digits = 0',
    "bytea_output = 'escape'",
  ])
    await admin.query(`ALTER ROLE ${ident(role)} SET ${setting}`);
  url.searchParams.set('options', '-c search_path=app');
  harness = await LifecycleHarness.open(stack);
  world = await ClicksWorld.open({ ...stack, databaseUrl: url.href }, harness.taskQueue);
  world.define(", mean: f.avg('amount')");
  world.writeHistory(world.make(1_000));
  await world.send(world.make(200));
  await world.startWorker();
});
afterAll(async () => {
  await world?.close();
  await harness?.close();
  await admin?.query(`DROP ROLE ${ident(role)}`);
  await admin?.end();
});

it('a role whose sessions write dates, zones, doubles and bytes in another way, and a URL with options of its own, change no answer', async () => {
  const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
  await startLifecycle(harness.client, world.view, { catchUpLag: 0 }, harness.taskQueue);
  await harness.reach(handle, 'published');
  expect(await world.served()).toEqual(world.expected());
  await sendCommand(harness.client, world.view, 'promote');
  await world.send(world.make(300));
  const streaming = await harness.reach(handle, 'streaming');
  expect(streaming.proof).toMatchObject({ verdict: 'equal', cellsDiffering: 0 });
  const expected = world.expected();
  await eventually(async () => JSON.stringify(await world.served()) === JSON.stringify(expected));
  // Any client of the role's, with none of our settings.
  const url = new URL(world.databaseUrl);
  url.search = '';
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    const shown = await client.query<{ TimeZone: string }>('SHOW TimeZone');
    expect(shown.rows[0]?.TimeZone).toBe('America/New_York');
    const at = new Date(world.newestUs / 1000 + 1).toISOString();
    const { rows } = await client.query<{
      person: string;
      n: string;
      total: string;
      n_1d: string;
      last_amount: string;
      mean: string;
    }>(
      `SELECT person, n::text, total::text, n_1d::text, last_amount::text, encode(float8send(mean), 'hex') AS mean
        FROM millrace.${ident(`${world.view}_at`)}($1::timestamptz) ORDER BY person`,
      [at],
    );
    const read = Object.fromEntries(
      rows.map((row) => [row.person, [row.n, row.total, row.n_1d, row.last_amount].map(Number)]),
    );
    expect(read).toEqual(expected);
    const bits = (value: number): string => {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value);
      return bytes.toString('hex');
    };
    for (const { person, n, total, mean } of rows)
      expect([person, mean]).toEqual([person, bits(Number(total) / Number(n))]);
  } finally {
    await client.end();
  }
}, 180_000);
