import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { GRANTS, PRIVATE_TABLES } from '../../engine/postgres/grants.ts';
import { ensureMigrated } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from './clicks-world.ts';
import { LifecycleHarness } from './lifecycle-harness.ts';
import { createLogin } from '../postgres/test-login.ts';

const ROLES = installationNames().roles;

const TIMEOUT_MS = 180_000;

let harness: LifecycleHarness;
let world: ClicksWorld;
let logins: Record<'owner' | 'worker' | 'server' | 'reader', string>;
const pools: pg.Pool[] = [];

/** A pool of a login that is a member of one role, and acts as it. */
function poolOf(role: keyof typeof logins): pg.Pool {
  const pool = createPool(urlOf(role), { max: 2, applicationName: 'test' });
  pools.push(pool);
  return pool;
}

function urlOf(role: keyof typeof logins): string {
  const url = new URL(world.databaseUrl);
  url.username = logins[role];
  return url.href;
}

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  const migrated = await runCli(['migrate'], { DATABASE_URL: world.databaseUrl });
  if (migrated.exitCode !== 0) throw new Error(migrated.stderr);
  const of = (role: string): string => `${world.view}_${role}`;
  logins = { owner: of('owner'), worker: of('worker'), server: of('server'), reader: of('reader') };
  for (const [role, login] of Object.entries(logins)) {
    const group = ident(ROLES[role as keyof typeof ROLES]);
    await createLogin(world.pool, world.databaseUrl, login, `IN ROLE ${group}`);
    await world.pool.query(`ALTER ROLE ${ident(login)} SET role = ${group}`);
  }
  world.writeHistory(world.make(1_000));
  await world.send(world.make(200));
});
afterAll(async () => {
  await world?.stopWorker();
  for (const pool of pools) await pool.end();
  for (const login of Object.values(logins ?? {})) await world.pool.query(`DROP ROLE ${ident(login)}`);
  await world?.close();
  await harness?.close();
});

const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);

async function refused(pool: pg.Pool, ...statements: string[]): Promise<void> {
  for (const statement of statements) await expect(pool.query(statement)).rejects.toMatchObject({ code: '42501' });
}

describe('the roles of a database', { timeout: TIMEOUT_MS }, () => {
  it('have rights on every table of the catalog that the matrix names, and there is no other', async () => {
    const { rows } = await world.pool.query<{ name: string }>(
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'millrace_catalog' AND tablename NOT LIKE 'kysely%'",
    );
    expect(rows.map(({ name }) => name).toSorted()).toEqual(Object.keys(GRANTS).toSorted());
    const { rows: ledgers } = await world.pool.query<{ name: string }>(
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'millrace_catalog' AND tablename LIKE 'kysely%migration'",
    );
    expect(ledgers.map(({ name }) => name).toSorted()).toEqual([...PRIVATE_TABLES].toSorted());
  });

  it('may be given again, and then nothing changes hands', async () => {
    const again = await runCli(['migrate', '--dry-run'], { DATABASE_URL: urlOf('owner') });
    expect(again).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('no migrations to run') });
    expect(again.stdout).not.toMatch(/CREATE ROLE|ALTER (TABLE|VIEW|FUNCTION)/);
    expect(await runCli(['migrate'], { DATABASE_URL: urlOf('owner') })).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('are printed for an administrator where the user may make the tables, and roles not', async () => {
    const login = `${world.view}_plain`;
    const database = `${world.view}_db`;
    const url = new URL(await createLogin(world.pool, world.databaseUrl, login));
    await world.pool.query(`CREATE DATABASE ${ident(database)} OWNER ${ident(login)}`);
    url.pathname = `/${database}`;
    const variables = { DATABASE_URL: url.href };
    const tried = await runCli(['migrate'], variables);
    expect(tried).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('error rights-not-given') });
    const printed = await runCli(['migrate', '--dry-run'], variables);
    expect(printed.stdout).toContain('no migrations to run');
    expect(printed.stdout).toContain(`GRANT "millrace_owner" TO ${ident(login)};`);
    expect(await runCli(['migrate', '--no-roles'], variables)).toMatchObject({ exitCode: 0 });
    const admin = new URL(url);
    admin.username = new URL(world.databaseUrl).username;
    const administrator = createPool(admin.href, { max: 1 });
    await administrator.query(printed.stdout.slice(printed.stdout.indexOf('\n')));
    await administrator.end();
    // Now it is a member of the owner, and may itself.
    expect(await runCli(['migrate'], variables)).toMatchObject({ exitCode: 0 });
    await world.pool.query(`DROP DATABASE ${ident(database)}`);
    await world.pool.query(`DROP ROLE ${ident(login)}`);
  });

  it('let a worker do all its work: backfill, publication, stream, pause, and another version', async () => {
    await world.startWorker({ DATABASE_URL: urlOf('worker') });
    await startLifecycle(harness.client, world.view, { sliceSeconds: 5, catchUpLag: 0 }, harness.taskQueue);
    await harness.reach(lifecycle(), 'published');
    await sendCommand(harness.client, world.view, 'promote');
    await world.send(world.make(200));
    await harness.reach(lifecycle(), 'streaming');
    await expect.poll(async () => await world.served(), { timeout: 30_000 }).toEqual(world.expected());
    await sendCommand(harness.client, world.view, 'rebackfill');
    await expect.poll(async () => (await harness.status(lifecycle())).version, { timeout: 60_000 }).toBe(2);
    await harness.reach(lifecycle(), 'streaming');
    const { rows } = await world.pool.query<{ owner: string }>(
      "SELECT DISTINCT tableowner AS owner FROM pg_tables WHERE schemaname = 'millrace_state'",
    );
    expect(rows).toEqual([{ owner: ROLES.worker }]);
  });

  it('do not make a worker read and write files outside the folders it is told', async () => {
    await world.stopWorker();
    const roots = join(world.folder, 'sets');
    mkdirSync(roots);
    writeFileSync(join(roots, 'spine.csv'), 'person,event_timestamp\nu1,2024-03-01T00:00:00Z\n');
    await world.startWorker({ DATABASE_URL: urlOf('worker'), MILLRACE_ROOTS: roots });
    const variables = { ...world.variables, DATABASE_URL: urlOf('worker') };
    const exporting = (spine: string, out: string): ReturnType<typeof runCli> =>
      runCli(['export', '--service', `${world.view}_service`, '--spine', spine, '--out', out], variables);
    const outside = join(world.folder, 'outside.parquet');
    expect(await exporting(join(roots, 'spine.csv'), outside)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('error path-outside-roots'),
    });
    expect(existsSync(outside)).toBe(false);
    expect(await exporting(join(world.folder, 'data', 'clicks.jsonl'), join(roots, 'out.parquet'))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('error path-outside-roots'),
    });
    expect(await exporting(join(roots, 'spine.csv'), join(roots, 'out.parquet'))).toMatchObject({ exitCode: 0 });
  });

  it('let a worker change nothing of the catalog, and see no token', async () => {
    await refused(
      poolOf('worker'),
      'CREATE TABLE millrace_catalog.mine (n int)',
      'ALTER TABLE millrace_catalog.view_version ADD COLUMN mine int',
      'DROP TABLE millrace_catalog.dead_letter',
      'TRUNCATE millrace_catalog.commit_record',
      'SELECT * FROM millrace_catalog.api_token',
      'INSERT INTO millrace_catalog.api_token SELECT',
      'CREATE SCHEMA mine',
      'CREATE OR REPLACE FUNCTION millrace_sql.power_of_two(e int) RETURNS numeric LANGUAGE sql AS $$ SELECT 1 $$',
    );
  });

  it('let a server read states and catalog, and note the use of a token; nothing else', async () => {
    const api = await startApi({ databaseUrl: urlOf('server'), access: { auth: 'tokens' } });
    try {
      const made = await runCli(['token', 'create', 'one', '--scope', 'read:*', '--json'], {
        DATABASE_URL: urlOf('owner'),
      });
      const { id, token } = JSON.parse(made.stdout) as { id: string; token: string };
      const answer = await fetch(`${api.url}/v1/features`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ features: [world.view], entity: { person: 'u1' } }),
      });
      expect(answer.status).toBe(200);
      expect((await fetch(`${api.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
      await expect
        .poll(async () => {
          const { rows } = await world.pool.query('SELECT last_used_at FROM millrace_catalog.api_token WHERE id = $1', [
            id,
          ]);
          return (rows[0] as { last_used_at: unknown }).last_used_at;
        })
        .not.toBeNull();
    } finally {
      await api.close();
    }
    await refused(
      poolOf('server'),
      `UPDATE millrace_state.${ident(`${world.view}_v2`)} SET seq = 0`,
      `DELETE FROM millrace_state.${ident(`${world.view}_v2`)}`,
      "UPDATE millrace_catalog.view_version SET status = 'retired'",
      'UPDATE millrace_catalog.api_token SET scopes = \'["admin"]\'',
      'UPDATE millrace_catalog.api_token SET revoked_at = NULL',
      'SELECT payload FROM millrace_catalog.dead_letter',
      'SELECT ids FROM millrace_catalog.dedupe_ids',
      'CREATE TABLE millrace_state.mine (n int)',
      'CREATE TEMP TABLE mine AS SELECT * FROM millrace_catalog.commit_record',
    );
  });

  it('let a reader use the SQL views and functions, and nothing below them', async () => {
    const reader = poolOf('reader');
    const view = ident('millrace', world.view);
    const { rows } = await reader.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${view}`);
    expect(rows[0]?.n).toBe(7);
    await reader.query(`SELECT * FROM ${ident('millrace', `${world.view}_at`)}(now()) WHERE person = 'u1'`);
    await refused(
      reader,
      `SELECT * FROM millrace_state.${ident(`${world.view}_v2`)}`,
      'SELECT * FROM millrace_catalog.view_version',
      'CREATE TABLE millrace.mine (n int)',
    );
  });

  it('do not let a worker start on a database that is behind, and it says who may', async () => {
    await world.stopWorker();
    await world.pool.query("DELETE FROM millrace_catalog.kysely_later_migration WHERE name = '0009-api-tokens'");
    await expect(ensureMigrated(urlOf('worker'))).rejects.toMatchObject({ code: 'database-behind' });
    await expect(world.startWorker({ DATABASE_URL: urlOf('worker') })).rejects.toMatchObject({
      message: expect.stringContaining('the database lacks 0009-api-tokens, and this user may not change its tables'),
    });
    await world.pool.query(
      "INSERT INTO millrace_catalog.kysely_later_migration SELECT '0009-api-tokens', max(timestamp) FROM millrace_catalog.kysely_later_migration",
    );
  });
});
