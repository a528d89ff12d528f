import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { findPgBouncer, startPgBouncer } from '../serving/pgbouncer.ts';
import { newProject, pack, RunningCommand, temporaryFolder, type UserFolder } from './packed.ts';

const LIMIT_MS = 300_000;
const VIEW = `orders_${randomUUID().slice(0, 8)}`;
const PASSWORD = 'only-of-this-test';
const MOST_BODY_BYTES = 1 << 20;
const hasPooler = (await findPgBouncer()) !== null;

/** One installation: its worker and its API, each a process with the rights of its role alone. */
interface Site {
  readonly name: string;
  readonly roots: string;
  /** Acts as the owner of the database. */
  readonly admin: UserFolder;
  /** Reaches Temporal, and the database as the worker does. */
  readonly operator: UserFolder;
  readonly worker: RunningCommand;
  readonly serve: RunningCommand;
  readonly url: string;
  readonly token: string;
}

const folder = temporaryFolder();
const stack = inject('stack');
const logins: string[] = [];
const closers: (() => Promise<unknown>)[] = [];
let database: OwnDatabase;
let project: UserFolder;
let sites: Readonly<Record<'plain' | 'blue', Site>>;

beforeAll(async () => {
  project = await newProject(folder.path, await pack(folder.path), 'shop');
  await project.done('npm', 'pkg', 'delete', 'devDependencies');
  await project.install();
  database = await createOwnDatabase(stack.databaseUrl);
  sites = {
    plain: await open('default', (text) => text),
    // The same names, and another meaning.
    blue: await open('blue', (text) => text.replace('!order.returned', 'order.returned')),
  };
}, LIMIT_MS);
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
  for (const login of logins) await database.pool.query(`DROP OWNED BY ${ident(login)}; DROP ROLE ${ident(login)}`);
  await database.drop();
  folder.remove();
}, LIMIT_MS);

/** The database's address as a login of its own, which is a member of a role and acts as it. */
async function urlAs(role: string): Promise<string> {
  const login = `${role}_${randomUUID().slice(0, 8)}`;
  await database.pool.query(`CREATE ROLE ${ident(login)} LOGIN PASSWORD '${PASSWORD}' IN ROLE ${ident(role)}`);
  await database.pool.query(`ALTER ROLE ${ident(login)} SET role = ${ident(role)}`);
  logins.push(login);
  const url = new URL(database.url);
  url.username = login;
  url.password = PASSWORD;
  return url.href;
}

/** Migrates, and starts worker and API as a deployment does, the API behind a pooler in transaction mode. */
async function open(name: string, edit: (definitions: string) => string): Promise<Site> {
  const { roles } = installationNames(name);
  const home = join(folder.path, name);
  for (const part of ['features', 'data']) cpSync(join(project.path, part), join(home, part), { recursive: true });
  const roots = join(home, 'out');
  mkdirSync(roots);
  const definitions = readFileSync(join(home, 'features/orders.ts'), 'utf8')
    .replaceAll('customer_orders', VIEW)
    .replace("  topic: 'orders',\n", '');
  const common = project.with({
    MILLRACE_INSTALLATION: name,
    MILLRACE_TASK_QUEUE: `production-${VIEW}`,
    MILLRACE_FEATURES: join(home, 'features'),
    MILLRACE_ROOTS: `${roots}:${join(home, 'data')}`,
    KAFKA_BROKERS: stack.kafkaBrokers.join(','),
    TEMPORAL_ADDRESS: stack.temporalAddress,
    TEMPORAL_NAMESPACE: stack.temporalNamespace,
  });
  common.write(join('..', '..', name, 'features/orders.ts'), edit(definitions));
  const admin = common.with({ DATABASE_URL: database.url });
  expect(await admin.millrace('migrate')).toMatchObject({ status: 0 });
  const operator = common.with({ DATABASE_URL: await urlAs(roles.worker) });
  const worker = started(operator.start('worker'));
  await worker.said(/READY/);
  const serverUrl = await urlAs(roles.server);
  const pooler = hasPooler ? await startPgBouncer(serverUrl) : null;
  if (pooler !== null) closers.push(() => pooler.stop());
  const variables = { DATABASE_URL: pooler?.url ?? serverUrl, MILLRACE_PG_POOLED: pooler === null ? '0' : '1' };
  const serve = started(common.with({ ...variables, MILLRACE_API_AUTH: 'tokens' }).start('serve', '--port', '0'));
  const [, url] = await serve.said(/(http:\S+) answers/);
  const site = { name, roots, admin, operator, worker, serve, url: url! };
  return { ...site, token: await tokenOf(site, '--scope', 'read:*') };
}

function started(command: RunningCommand): RunningCommand {
  closers.push(() => command.kill());
  return command;
}

/** A new token, as soon as the API knows it: it looks for them every few seconds. */
async function tokenOf({ admin, url }: Pick<Site, 'admin' | 'url'>, ...options: string[]): Promise<string> {
  const made = await admin.millrace('token', 'create', `t-${randomUUID()}`, '--json', '--expires', '1h', ...options);
  expect(made).toMatchObject({ status: 0 });
  const { token } = JSON.parse(made.stdout) as { token: string };
  await vi.waitFor(async () => expect(await statusOf(url, token)).not.toBe(401), { timeout: 30_000, interval: 200 });
  return token;
}

async function statusOf(url: string, token: string): Promise<number> {
  const answer = await fetch(`${url}/v1/views`, { headers: { authorization: `Bearer ${token}` } });
  await answer.text();
  return answer.status;
}

function ask({ url }: Site, token: string | null, body: string | object, path = '/v1/features'): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function codeOf(response: Response): Promise<[number, unknown]> {
  const { code } = (await response.json()) as { readonly code: unknown };
  return [response.status, code];
}

const oneEntity = { features: [VIEW], entity: { customer_id: 'c01' } };

describe('worker and serve as processes of their own, each with its role, two installations', {
  timeout: LIMIT_MS,
}, () => {
  test('a view of the same name is computed in both, and each serves its own', async () => {
    const values: unknown[] = [];
    for (const site of [sites.plain, sites.blue]) {
      const begun = await site.operator.millrace('start', VIEW, '--wait');
      expect(begun).toMatchObject({ status: 0, stdout: expect.stringMatching(/published/) as string });
      const answer = await ask(site, site.token, oneEntity);
      expect(answer.status).toBe(200);
      const { results } = (await answer.json()) as {
        results: { views: Record<string, { values: { last_amount: string } }> }[];
      };
      const got = await site.operator.millrace('get', VIEW, 'customer_id=c01', '--json');
      const { values: read } = JSON.parse(got.stdout) as { values: { last_amount: string } };
      expect(results[0]!.views[VIEW]!.values.last_amount).toBe(read.last_amount);
      values.push(read.last_amount);
    }
    // Orders that were kept, and orders that were returned.
    expect(values[0]).not.toBe(values[1]);
  });

  test('a training set is exported into a folder that workflows may write', async () => {
    for (const { operator, roots } of [sites.plain, sites.blue]) {
      const out = join(roots, 'churn.parquet');
      const spine = join(roots, '../data/labels.csv');
      const done = await operator.millrace('export', '--service', 'churn_model', '--spine', spine, '--out', out);
      expect(done).toMatchObject({ status: 0 });
    }
  });

  test('neither sees the other', async () => {
    // A token of one is none of the other’s.
    expect(await codeOf(await ask(sites.blue, sites.plain.token, oneEntity))).toEqual([401, 'unauthorized']);
    expect(await codeOf(await ask(sites.plain, sites.blue.token, oneEntity))).toEqual([401, 'unauthorized']);
    // Nor may the roles of one read what is the other’s.
    const { roles } = installationNames('default');
    for (const schema of ['millrace_blue', 'millrace_blue_catalog', 'millrace_blue_state', 'millrace_blue_sql'])
      for (const role of Object.values(roles)) {
        const { rows } = await database.pool.query<{ may: boolean }>('SELECT has_schema_privilege($1, $2, $3) AS may', [
          role,
          schema,
          'USAGE',
        ]);
        expect({ role, schema, may: rows[0]!.may }).toEqual({ role, schema, may: false });
      }
    const retired = await sites.blue.operator.millrace('retire', VIEW, '--yes', '--wait');
    expect(retired).toMatchObject({ status: 0 });
    expect((await ask(sites.plain, sites.plain.token, oneEntity)).status).toBe(200);
    expect((await ask(sites.blue, sites.blue.token, oneEntity)).status).toBe(409);
    const status = await sites.plain.operator.millrace('status', VIEW, '--json');
    expect(status.stdout).toContain('published');
  });
});

describe('what an attacker asks is refused', { timeout: LIMIT_MS }, () => {
  test('without a token, with a wrong one, one of another scope, a revoked and an expired one', async () => {
    const { plain } = sites;
    expect(await codeOf(await ask(plain, null, oneEntity))).toEqual([401, 'unauthorized']);
    expect(await codeOf(await ask(plain, `mr_${'A'.repeat(32)}`, oneEntity))).toEqual([401, 'unauthorized']);
    const narrow = await tokenOf(plain, '--scope', 'read:another_view');
    expect(await codeOf(await ask(plain, narrow, oneEntity))).toEqual([403, 'forbidden']);
    // What there is not is refused by the same words.
    expect(await codeOf(await ask(plain, narrow, { ...oneEntity, features: ['nothing'] }))).toEqual([403, 'forbidden']);
    const { catalog } = installationNames().schemas;
    const gone = [
      ['expired', `UPDATE ${ident(catalog)}.api_token SET expires_at = now() WHERE id = $1`],
      ['revoked', `UPDATE ${ident(catalog)}.api_token SET revoked_at = now() WHERE id = $1`],
    ] as const;
    for (const [what, statement] of gone) {
      const token = await tokenOf(plain, '--scope', 'read:*');
      const { rows } = await database.pool.query<{ id: string }>(
        `SELECT id FROM ${ident(catalog)}.api_token ORDER BY created_at DESC LIMIT 1`,
      );
      await database.pool.query(statement, [rows[0]!.id]);
      await expect.poll(() => statusOf(plain.url, token), { timeout: 30_000 }).toBe(401);
      expect([what, ...(await codeOf(await ask(plain, token, oneEntity)))]).toEqual([what, 401, 'unauthorized']);
    }
  });

  test('too fast, too large, too many at once', async () => {
    const { plain } = sites;
    const slow = await tokenOf(plain, '--scope', 'read:*', '--entities-per-second', '1');
    const many = await Promise.all(Array.from({ length: 8 }, () => ask(plain, slow, oneEntity)));
    const limited = many.filter(({ status }) => status === 429);
    expect(limited.length).toBeGreaterThan(0);
    expect(Number(limited[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await codeOf(await ask(plain, plain.token, 'x'.repeat(MOST_BODY_BYTES + 1)))).toEqual([
      413,
      'body-too-large',
    ]);
    const entities = Array.from({ length: 1_001 }, () => ({ customer_id: 'c01' }));
    expect((await ask(plain, plain.token, { features: [VIEW], entities })).status).toBe(400);
    expect((await ask(plain, plain.token, '{"features": [')).status).toBe(400);
    expect((await fetch(`${plain.url}/metrics`)).status).toBe(401);
  });

  test('paths outside the roots', async () => {
    const { operator, roots } = sites.plain;
    const spine = join(roots, '../data/labels.csv');
    const exported = (from: string, to: string) =>
      operator.millrace('export', '--service', 'churn_model', '--spine', from, '--out', to, '--json');
    for (const [from, to] of [
      [spine, join(folder.path, 'stolen.parquet')],
      [spine, join(roots, '../../stolen.parquet')],
      ['/etc/passwd', join(roots, 'stolen.parquet')],
    ] as const) {
      const { status, stdout, stderr } = await exported(from, to);
      expect(status).not.toBe(0);
      expect(stdout + stderr).toContain('path-outside-roots');
    }
  });

  test('and the processes stop as they are told, without a secret in what they said', async () => {
    for (const { serve, worker, token } of [sites.plain, sites.blue]) {
      expect(await serve.stop()).toBe(0);
      expect(await worker.stop()).toBe(0);
      for (const said of [serve.output, worker.output]) {
        expect(said).not.toContain(PASSWORD);
        expect(said).not.toContain(token);
      }
    }
  });
});
