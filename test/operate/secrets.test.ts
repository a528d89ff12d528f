import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { freePort } from '../../stack/free-port.ts';
import { CliRun, runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';

const TIMEOUT_MS = 240_000;

/** Each of its own: a failure says whose it was. */
const SECRETS = Object.fromEntries(
  ['database', 'sasl', 'apiKey', 'metadata', 'jwks', 'tlsKey', 'token', 'jwt'].map((what) => [
    what,
    `sEcReT${what}${randomBytes(9).toString('hex')}`,
  ]),
) as Readonly<Record<'database' | 'sasl' | 'apiKey' | 'metadata' | 'jwks' | 'tlsKey' | 'token' | 'jwt', string>>;
const NOWHERE = '127.0.0.1:1';

let harness: LifecycleHarness;
let world: ClicksWorld;
let login: string;
let logFile: string;
let listener: string;
let worker: WorkerProcess | null = null;

/** The secrets that a text gives away, as they are or encoded. */
function givenAway(text: string): string[] {
  return Object.entries(SECRETS)
    .filter(([, secret]) => {
      const base64 = Buffer.from(secret).toString('base64').replaceAll('=', '').slice(0, -2);
      return text.includes(secret) || text.includes(base64);
    })
    .map(([what]) => what);
}

/** All texts within what Temporal answers, payloads as what they say. */
function textWithin(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${name} ${textWithin(part)}`)
    .join('\n');
}

function expectClean(told: Readonly<Record<string, string>>): void {
  for (const [where, text] of Object.entries(told))
    expect({ where, gives: givenAway(text) }).toEqual({ where, gives: [] });
}

/** The world's database, by a login with a password. */
function databaseUrl(): string {
  const url = new URL(world.databaseUrl);
  url.username = login;
  url.password = SECRETS.database;
  return url.href;
}

/** Where nobody answers, with a secret for each that could take one. */
function unreachable(): NodeJS.ProcessEnv {
  return {
    DATABASE_URL: `postgres://somebody:${SECRETS.database}@${NOWHERE}/features?application_name=x&password=${SECRETS.database}`,
    KAFKA_BROKERS: NOWHERE,
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USERNAME: 'somebody',
    KAFKA_SASL_PASSWORD: SECRETS.sasl,
    TEMPORAL_ADDRESS: NOWHERE,
    TEMPORAL_API_KEY: SECRETS.apiKey,
    TEMPORAL_GRPC_META_X_SECRET: SECRETS.metadata,
    MILLRACE_FEATURES: join(world.folder, 'features'),
    MILLRACE_API_JWKS_URL: `https://${NOWHERE}/keys?token=${SECRETS.jwks}`,
    MILLRACE_API_JWT_ISSUER: 'https://issuer.example',
    MILLRACE_API_JWT_AUDIENCE: 'features',
  };
}

async function textOf(path: string): Promise<string> {
  return await (await fetch(listener + path)).text();
}

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  login = `${world.view}_login`;
  await world.pool.query(`CREATE ROLE ${ident(login)} LOGIN SUPERUSER PASSWORD '${SECRETS.database}'`);
  world.writeHistory(world.make(500));
  logFile = join(world.folder, 'worker.log');
  const port = await freePort();
  listener = `http://127.0.0.1:${port}`;
  worker = await WorkerProcess.start({
    variables: {
      ...world.variables,
      DATABASE_URL: databaseUrl(),
      TEMPORAL_API_KEY: SECRETS.apiKey,
      TEMPORAL_TLS: 'false',
      TEMPORAL_GRPC_META_X_SECRET: SECRETS.metadata,
      MILLRACE_WORKER_METRICS: `127.0.0.1:${port}`,
      MILLRACE_LOG_LEVEL: 'trace',
    },
    logFile,
    onLine: () => {},
  });
});
afterAll(async () => {
  await worker?.stop();
  await world?.pool.query(`REASSIGN OWNED BY ${ident(login)} TO CURRENT_USER`);
  await world?.pool.query(`DROP OWNED BY ${ident(login)}`);
  await world?.pool.query(`DROP ROLE ${ident(login)}`);
  await world?.close();
  await harness?.close();
});

describe('secrets of the configuration are told nowhere', { timeout: TIMEOUT_MS }, () => {
  it('finds them where they are told', () => {
    expect(givenAway(`x ${SECRETS.sasl} ${Buffer.from(SECRETS.jwt).toString('base64')}`)).toEqual(['sasl', 'jwt']);
  });

  it('by a worker that works at level trace, whose database shuts it out, and by what Temporal keeps of it', async () => {
    await startLifecycle(harness.client, world.view, { catchUpLag: 0, sliceSeconds: 3 }, harness.taskQueue);
    const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
    await harness.reach(handle, 'published');
    await sendCommand(harness.client, world.view, 'promote');
    await harness.reach(handle, 'streaming');
    await world.sendBroken(3, 1);
    // With the heartbeat of its stream.
    const beating = await eventually(async () => {
      const text = textWithin((await handle.describe()).raw);
      return text.includes('"watermark"') && text;
    });
    await world.pool.query(`ALTER ROLE ${ident(login)} PASSWORD 'another' NOLOGIN`);
    await world.pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [login]);
    const away = await eventually(async () => {
      const ready = await textOf('/readyz');
      return ready.includes('"ok":false') && ready;
    });
    expect(away).toContain('"service":"postgres","ok":false');
    const status = await eventually(async () => {
      const now = await harness.status(handle);
      return (now.waitingFor !== null || now.error !== null) && now;
    });
    const page: unknown = await handle.query('__temporal_workflow_metadata');
    expect(textWithin(page)).toContain(world.view);
    expectClean({
      readyz: away,
      healthz: await textOf('/healthz'),
      metrics: await textOf('/metrics'),
      status: JSON.stringify(status),
      history: textWithin(await handle.fetchHistory()),
      beating,
      description: textWithin((await handle.describe()).raw),
      page: textWithin(page),
    });
    await world.pool.query(`ALTER ROLE ${ident(login)} PASSWORD '${SECRETS.database}' LOGIN`);
    await eventually(async () => (await textOf('/readyz')).startsWith('{"status":"ok"'));
    await worker?.stop();
    worker = null;
    const log = readFileSync(logFile, 'utf8');
    expect(log).toContain('READY');
    expect(log).toContain('"level":');
    expectClean({ log });
  });

  it('by a worker that does not start, for no service answers', async () => {
    const run = new CliRun(['worker'], { ...unreachable(), MILLRACE_LOG_LEVEL: 'trace' });
    const { exitCode, stdout, stderr } = await run.ended;
    expect([exitCode, stdout.includes('service-unreachable')]).toEqual([1, true]);
    expectClean({ stdout, stderr });
  });

  it('by commands, in words and as JSON, whose services do not answer or refuse', async () => {
    const commands = [
      ['status'],
      ['doctor'],
      ['migrate'],
      ['token', 'list'],
      ['get', world.view, 'person=u0'],
      ['start', world.view],
      ['serve'],
    ];
    for (const command of commands) {
      const words = await runCli(command, unreachable());
      expect([command, words.exitCode]).toEqual([command, 1]);
      const json = await runCli([...command, '--json'], unreachable());
      expectClean({
        [`${command.join(' ')} words`]: words.stdout + words.stderr,
        [`${command.join(' ')} json`]: json.stdout + json.stderr,
      });
    }
    const refused = {
      ...unreachable(),
      KAFKA_BROKERS: inject('stack').kafkaBrokers.join(','),
      TEMPORAL_API_KEY: undefined,
    };
    const doctor = await runCli(['doctor', '--json'], refused);
    expect(doctor.stdout + doctor.stderr).toContain('kafka');
    expectClean({ refused: doctor.stdout + doctor.stderr });
  });

  it('by what says that the configuration is wrong', async () => {
    const { database, sasl, apiKey, jwks } = SECRETS;
    for (const wrong of [
      { DATABASE_URL: `postgres://somebody:${database}@host:port/features` },
      { DATABASE_URL: `postgres:/somebody:${database}@host/features` },
      { DATABASE_URL: `somebody:${database}@host/features` },
      { DATABASE_URL: `mysql://somebody:p@${database}@host/features` },
      { DATABASE_URL: `postgres://somebody:${database}` },
      { DATABASE_URL: `http://host/features?password=${database}` },
      { DATABASE_DIRECT_URL: `postgres://somebody:${database}@host:port/features` },
      { KAFKA_BROKERS: `somebody:${sasl}@broker` },
      { KAFKA_SASL_PASSWORD: sasl },
      { KAFKA_SASL_MECHANISM: 'none', KAFKA_SASL_PASSWORD: sasl, KAFKA_SASL_USERNAME: 'x' },
      { TEMPORAL_ADDRESS: 'nowhere', TEMPORAL_API_KEY: apiKey },
      { MILLRACE_TEMPORAL_UI: `ftp://somebody:${apiKey}@host` },
      {
        MILLRACE_API_JWKS_URL: `https://somebody:${jwks}@issuer/keys`,
        MILLRACE_API_JWT_ISSUER: 'i',
        MILLRACE_API_JWT_AUDIENCE: 'a',
      },
      { MILLRACE_API_JWKS_URL: `ftp://somebody:${jwks}@issuer/keys` },
    ]) {
      const command = 'MILLRACE_API_JWKS_URL' in wrong ? 'serve' : 'status';
      const { exitCode, stdout, stderr } = await runCli([command], { MILLRACE_DATA_DIR: world.folder, ...wrong });
      expect([exitCode, stderr.includes('bad-configuration')]).toEqual([1, true]);
      expectClean({ [JSON.stringify(Object.keys(wrong))]: stdout + stderr });
    }
  });

  it('by an API server: not by what it answers, logs or measures, whatever it is asked', async () => {
    const variables = {
      ...world.variables,
      ...Object.fromEntries(Object.entries(unreachable()).filter(([name]) => name.startsWith('MILLRACE_API_'))),
      DATABASE_URL: databaseUrl(),
      MILLRACE_API_AUTH: 'tokens',
      MILLRACE_SERVED_SAMPLE: '0',
    };
    const run = new CliRun(['serve', '--port', '0'], variables);
    await run.printed('answers');
    const [, url] = /(http:\S+) answers/.exec(run.stdout) ?? [];
    const bearer = (token: string) => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });
    const answers: string[] = [];
    const ask = async (path: string, init?: RequestInit): Promise<void> => {
      const response = await fetch(url + path, init);
      answers.push(`${JSON.stringify([...response.headers])} ${await response.text()}`);
    };
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwt = `${part({ alg: 'RS256', kid: 'x' })}.${part({ iss: 'https://issuer.example', sub: SECRETS.jwt })}.c2ln`;
    for (const token of [SECRETS.token, `mr_${SECRETS.token}`, jwt]) {
      await ask('/v1/views', { headers: bearer(token) });
      await ask('/v1/features', { method: 'POST', headers: bearer(token), body: '{"features":' });
    }
    const owner = { ...variables, DATABASE_URL: world.databaseUrl };
    const good = (await runCli(['token', 'create', 'scraper', '--scope', 'admin'], owner)).stdout.trim();
    for (const path of ['/metrics', '/readyz', '/healthz', '/nothing']) await ask(path, { headers: bearer(good) });
    await world.pool.query(`ALTER ROLE ${ident(login)} NOLOGIN`);
    await world.pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [login]);
    for (const path of ['/metrics', '/readyz', '/v1/views']) await ask(path, { headers: bearer(good) });
    await world.pool.query(`ALTER ROLE ${ident(login)} LOGIN`);
    run.interrupt();
    const { exitCode, stdout, stderr } = await run.ended;
    expect(exitCode).toBe(0);
    const told = answers.join('\n') + stdout + stderr;
    expectClean({ answers: answers.join('\n'), stdout, stderr });
    expect(told).not.toContain(good);
    expect(answers.length).toBeGreaterThan(10);
  });
});
