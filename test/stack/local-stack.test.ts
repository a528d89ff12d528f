import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openSpillFolder } from '../../config/spill-folder.ts';
import { removeDataDir } from '../../stack/data-dir.ts';
import { readEnvironment } from '../../config/environment.ts';
import { type LocalStack, type StackOf, startStack } from '../../stack/local-stack.ts';
import { commandLineOf, identityOf, isAlive } from '../../config/process-identity.ts';
import { registerSearchAttributes } from '../../config/search-attributes.ts';
import { temporaryDataDir } from '../../stack/test-stack.ts';

const env = readEnvironment({
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  JAVA_HOME: process.env['JAVA_HOME'],
  // What the services are none the wiser of.
  KAFKA_SASL_PASSWORD_OF_OURS: 'planted-secret',
  AWS_SECRET_ACCESS_KEY: 'planted-secret',
  HTTPS_PROXY: 'http://user:planted-secret@proxy',
});
const quiet = (): void => undefined;
const dataDirs: string[] = [];

function newDataDir(): string {
  const dataDir = temporaryDataDir();
  dataDirs.push(dataDir);
  return dataDir;
}

afterEach(() => {
  for (const dataDir of dataDirs.splice(0)) {
    if (existsSync(join(dataDir, '.millrace-data'))) removeDataDir(dataDir);
    else rmSync(dataDir, { recursive: true, force: true });
  }
});

async function start(dataDir: string): Promise<LocalStack> {
  const stack = await startStack({ env, dataDir, onProgress: quiet });
  onTestFinished(() => stack.stop());
  return stack;
}

async function query(databaseUrl: string, statement: string): Promise<pg.QueryResult<Record<string, unknown>>> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await client.query<Record<string, unknown>>(statement);
  } finally {
    await client.end();
  }
}

function kafkaOf(stack: Pick<LocalStack, 'kafka'>): Kafka {
  return new Kafka({ brokers: [...stack.kafka.brokers], logLevel: logLevel.NOTHING });
}

async function produce(stack: LocalStack, value: string): Promise<void> {
  const admin = kafkaOf(stack).admin();
  await admin.connect();
  if (!(await admin.listTopics()).includes('kept')) {
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: true });
  }
  await admin.disconnect();
  const producer = kafkaOf(stack).producer();
  await producer.connect();
  await producer.send({ topic: 'kept', messages: [{ value }] });
  await producer.disconnect();
}

async function consume(stack: LocalStack, count: number): Promise<string[]> {
  const consumer = kafkaOf(stack).consumer({ groupId: `reader-${count}` });
  await consumer.connect();
  await consumer.subscribe({ topic: 'kept', fromBeginning: true });
  const values: string[] = [];
  const done = Promise.withResolvers<void>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      values.push(String(message.value));
      if (values.length === count) done.resolve();
    },
  });
  await done.promise;
  await consumer.disconnect();
  return values;
}

async function temporalAttributes(stack: LocalStack): Promise<Record<string, unknown>> {
  const connection = await Connection.connect({ address: stack.temporal.address });
  try {
    const { namespaceInfo } = await connection.workflowService.describeNamespace({
      namespace: stack.temporal.namespace,
    });
    expect(namespaceInfo?.name).toBe('default');
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    return customAttributes ?? {};
  } finally {
    await connection.close();
  }
}

/** Processes whose command line names the data directory: all of a stack's, whoever started them. */
function processesOf(dataDir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandLineOf(pid)?.includes(dataDir));
}

describe('the local stack', () => {
  it('runs real services, keeps their data over a restart, and leaves no process', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    await query(first.databaseUrl, "CREATE TABLE kept AS SELECT 'zeile'::text AS value");
    const settings = await query(
      first.databaseUrl,
      "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS sync, current_setting('server_encoding') AS encoding, datcollate AS collation FROM pg_database WHERE datname = 'millrace'",
    );
    expect(settings.rows).toEqual([{ fsync: 'on', sync: 'on', encoding: 'UTF8', collation: 'C' }]);
    for (const pid of Object.values(first.pids)) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      expect(environment).toContain('PATH=');
      expect(environment).not.toContain('planted-secret');
    }
    await produce(first, 'one');
    expect(await consume(first, 1)).toEqual(['one']);
    expect(await temporalAttributes(first)).toMatchObject({ FeatureView: 2, FeaturePhase: 2, FeatureVersion: 3 });
    await registerSearchAttributes(first.temporal);
    expect((await fetch(first.temporal.uiUrl)).status).toBe(200);
    expect(Object.keys(first.pids).sort()).toEqual(['kafka', 'postgres', 'temporal']);

    await first.stop();
    expect(processesOf(dataDir)).toEqual([]);

    const second = await start(dataDir);
    const { databaseUrl, kafka, temporal } = first;
    expect(second).toMatchObject({ databaseUrl, kafka, temporal });
    expect((await query(second.databaseUrl, 'SELECT value FROM kept')).rows).toEqual([{ value: 'zeile' }]);
    await produce(second, 'two');
    expect(await consume(second, 2)).toEqual(['one', 'two']);
    expect(await temporalAttributes(second)).toHaveProperty('FeatureView', 2);
    await second.stop();
    // A busy machine takes a moment to clear away a process that has ended.
    await vi.waitFor(() => expect(processesOf(dataDir)).toEqual([]), { timeout: 10_000, interval: 100 });
  });

  it('gives Postgres a password, keeps it for its owner alone, and lets nobody in without', async () => {
    const dataDir = newDataDir();
    const startPostgres = async (): Promise<StackOf<'postgres'>> => {
      const stack = await startStack({ env, dataDir, only: ['postgres'], onProgress: quiet });
      onTestFinished(() => stack.stop());
      return stack;
    };
    const first = await startPostgres();
    const { password, host } = new URL(first.databaseUrl);
    expect(password).toMatch(/^[\w-]{32}$/);
    const file = join(dataDir, 'postgres.pgpass');
    expect(readFileSync(file, 'utf8')).toBe(`127.0.0.1:*:*:postgres:${password}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const wrong of [`postgres@${host}`, `postgres:other@${host}`])
      await expect(query(`postgres://${wrong}/millrace`, 'SELECT 1')).rejects.toThrow(/password/i);
    const kept = await query(first.databaseUrl, 'SELECT rolpassword FROM pg_authid WHERE rolname = current_user');
    expect(String(kept.rows[0]?.['rolpassword'])).toMatch(/^SCRAM-SHA-256\$/);
    await query(first.databaseUrl, 'CREATE TABLE kept AS SELECT 1 AS one');
    await first.stop();

    // As a release without passwords left it; and where the file was lost.
    rmSync(file);
    const cluster = join(dataDir, existsSync(join(dataDir, 'postgres')) ? 'postgres' : '', 'cluster');
    writeFileSync(join(cluster, 'pg_hba.conf'), 'host all all 127.0.0.1/32 trust\n');
    const second = await startPostgres();
    expect(new URL(second.databaseUrl).password).not.toBe(password);
    expect((await query(second.databaseUrl, 'SELECT one FROM kept')).rows).toEqual([{ one: 1 }]);
    await expect(query(`postgres://postgres@${host}/millrace`, 'SELECT 1')).rejects.toThrow(/password/i);
    await query(second.databaseUrl, "ALTER ROLE postgres PASSWORD 'another'");
    await second.stop();

    // Somebody changed it: said at once, with the way out, which works.
    await expect(startPostgres()).rejects.toMatchObject({
      code: 'local-password-refused',
      remedy: expect.stringContaining('delete the file'),
    });
    rmSync(file);
    const third = await startPostgres();
    expect((await query(third.databaseUrl, 'SELECT one FROM kept')).rows).toEqual([{ one: 1 }]);
  });

  it('does not make a topic that nobody created', async () => {
    const stack = await startStack({ env, dataDir: newDataDir(), only: ['kafka'], onProgress: quiet });
    onTestFinished(() => stack.stop());
    const producer = kafkaOf(stack).producer({ retry: { retries: 0 } });
    await producer.connect();
    await expect(producer.send({ topic: 'misspelt', messages: [{ value: 'x' }] })).rejects.toThrow(/topic/);
    await producer.disconnect();
  });

  it('refuses a second stack on the same directory, naming the process', async () => {
    const dataDir = newDataDir();
    const stack = await startStack({ env, dataDir, only: ['postgres'], onProgress: quiet });
    onTestFinished(() => stack.stop());
    await expect(startStack({ env, dataDir, only: ['postgres'], onProgress: quiet })).rejects.toMatchObject({
      code: 'stack-already-running',
      details: { pid: process.pid, dataDir },
    });
    expect((await query(stack.databaseUrl, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('connects to what the environment names and starts the rest', async () => {
    const postgres = await startStack({ env, dataDir: newDataDir(), only: ['postgres'], onProgress: quiet });
    onTestFinished(() => postgres.stop());
    const named = readEnvironment({ ...env.variables, DATABASE_URL: postgres.databaseUrl });
    const stack = await startStack({
      env: named,
      dataDir: newDataDir(),
      only: ['postgres', 'kafka'],
      onProgress: quiet,
    });
    onTestFinished(() => stack.stop());
    expect(stack.databaseUrl).toBe(postgres.databaseUrl);
    expect(Object.keys(stack.pids)).toEqual(['kafka']);
  });

  it('stops what it started when one service cannot start', async () => {
    const dataDir = newDataDir();
    const stack = await startStack({ env, dataDir, only: ['postgres', 'kafka'], onProgress: quiet });
    await stack.stop();
    // A log directory of another cluster: the broker refuses it.
    const meta = join(dataDir, 'kafka', 'log', 'meta.properties');
    writeFileSync(meta, readFileSync(meta, 'utf8').replace(/node\.id=.*/, 'node.id=7'));
    await expect(startStack({ env, dataDir, only: ['postgres', 'kafka'], onProgress: quiet })).rejects.toMatchObject({
      code: 'service-did-not-start',
      details: { service: 'kafka' },
    });
    // A child that Postgres has just forked may go a moment after it.
    await vi.waitUntil(() => processesOf(dataDir).length === 0, { timeout: 30_000 });
    const again = await startStack({ env, dataDir, only: ['postgres', 'kafka'], reset: true, onProgress: quiet });
    await again.stop();
  });

  it('stops a start that is aborted', async () => {
    const dataDir = newDataDir();
    const abort = new AbortController();
    const starting = startStack({
      env,
      dataDir,
      onProgress: () => abort.abort(new Error('enough')),
      signal: abort.signal,
    });
    await expect(starting).rejects.toThrow('enough');
    await vi.waitUntil(() => processesOf(dataDir).length === 0, { timeout: 30_000 });
  });

  it('reports a service that dies', async () => {
    const lost = Promise.withResolvers<string>();
    const stack = await startStack({
      env,
      dataDir: newDataDir(),
      only: ['postgres'],
      onProgress: quiet,
      onServiceLost: (error) => lost.resolve(error.code),
    });
    onTestFinished(() => stack.stop());
    process.kill(stack.pids.postgres ?? 0, 'SIGKILL');
    expect(await lost.promise).toBe('service-lost');
  });

  it('resets a directory of its own and refuses any other', async () => {
    const dataDir = newDataDir();
    const only = ['postgres'] as const;
    const first = await startStack({ env, dataDir, only, onProgress: quiet });
    await query(first.databaseUrl, 'CREATE TABLE gone ()');
    await first.stop();
    const second = await startStack({ env, dataDir, only, reset: true, onProgress: quiet });
    expect((await query(second.databaseUrl, "SELECT to_regclass('gone') AS found")).rows).toEqual([{ found: null }]);
    await second.stop();

    const foreign = newDataDir();
    writeFileSync(join(foreign, 'thesis.txt'), 'precious');
    await expect(startStack({ env, dataDir: foreign, only, reset: true, onProgress: quiet })).rejects.toMatchObject({
      code: 'not-a-data-directory',
    });
    expect(readdirSync(foreign)).toEqual(['thesis.txt']);
  });

  it('starts where a command that needs no services has spilled before', async () => {
    const dataDir = newDataDir();
    openSpillFolder(join(dataDir, 'spill')).remove();
    expect(readdirSync(dataDir)).toEqual(['spill']);
    const stack = await startStack({ env, dataDir, only: ['postgres'], onProgress: quiet });
    await stack.stop();
  });

  it('works in a directory that the user of Postgres cannot enter', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'millrace-closed-'));
    chmodSync(closed, 0o700);
    const dataDir = join(closed, 'inside', 'stack');
    mkdirSync(join(closed, 'inside'));
    onTestFinished(() => {
      removeDataDir(dataDir);
      rmSync(closed, { recursive: true, force: true });
    });
    const only = ['postgres'] as const;
    const first = await startStack({ env, dataDir, only, onProgress: quiet });
    await query(first.databaseUrl, 'CREATE TABLE kept ()');
    await first.stop();
    const second = await startStack({ env, dataDir, only, onProgress: quiet });
    onTestFinished(() => second.stop());
    expect((await query(second.databaseUrl, "SELECT to_regclass('kept')::text AS found")).rows).toEqual([
      { found: 'kept' },
    ]);
    await second.stop();
  });
});

describe('a stack whose process is killed', () => {
  interface Owner {
    readonly process: ChildProcess;
    readonly pids: StackOf<never>['pids'];
  }

  async function spawnOwner(dataDir: string): Promise<Owner> {
    const program = `
      import { startStack } from ${JSON.stringify(join(import.meta.dirname, '../../stack/local-stack.ts'))};
      import { readEnvironment } from ${JSON.stringify(join(import.meta.dirname, '../../config/environment.ts'))};
      const stack = await startStack({ env: readEnvironment(), dataDir: ${JSON.stringify(dataDir)}, onProgress: () => undefined });
      console.log(JSON.stringify(stack.pids));
      process.on('SIGINT', () => undefined);
      setInterval(() => undefined, 60_000);`;
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      env: env.variables,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void owner.kill('SIGKILL'));
    const line = Promise.withResolvers<string>();
    owner.stdout?.once('data', (chunk: Buffer) => line.resolve(chunk.toString()));
    owner.once('exit', () => line.reject(new Error('the owner ended before its stack was ready')));
    return { process: owner, pids: JSON.parse(await line.promise) as Owner['pids'] };
  }

  async function ended(dataDir: string): Promise<void> {
    await vi.waitFor(() => expect(processesOf(dataDir)).toEqual([]), { timeout: 60_000, interval: 100 });
  }

  it('leaves no process, and the next start has the data', async () => {
    const dataDir = newDataDir();
    const owner = await spawnOwner(dataDir);
    expect(Object.keys(owner.pids)).toHaveLength(3);
    owner.process.kill('SIGKILL');
    await ended(dataDir);
    const stack = await start(dataDir);
    expect((await query(stack.databaseUrl, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await stack.stop();
  });

  it('lets a start that follows at once wait for the old processes', async () => {
    const dataDir = newDataDir();
    const owner = await spawnOwner(dataDir);
    owner.process.kill('SIGKILL');
    const stack = await start(dataDir);
    for (const pid of Object.values(owner.pids)) expect(isAlive(identityOf(pid))).toBe(false);
    await stack.stop();
  });

  it('recovers when the services were killed too', async () => {
    const dataDir = newDataDir();
    const owner = await spawnOwner(dataDir);
    for (const pid of Object.values(owner.pids)) process.kill(pid, 'SIGKILL');
    owner.process.kill('SIGKILL');
    await ended(dataDir);
    const stack = await start(dataDir);
    expect((await query(stack.databaseUrl, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await stack.stop();
  });

  it('survives an interrupt from the terminal, which its owner answers in order', async () => {
    const owner = await spawnOwner(newDataDir());
    const pid = owner.process.pid ?? 0;
    process.kill(-pid, 'SIGINT');
    for (const service of Object.values(owner.pids)) expect(isAlive(identityOf(service))).toBe(true);
    const dataDir = dataDirs.at(-1) ?? '';
    owner.process.kill('SIGKILL');
    await ended(dataDir);
  });
});
