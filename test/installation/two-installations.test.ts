import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { createClient, entity, featureView, source } from '../../index.ts';
import { startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { createLogin } from '../postgres/test-login.ts';

/** Both have a view, a source, a topic and folders of the same names, in one namespace, one database and one Kafka. */
const INSTALLATIONS = ['default', 'blue'] as const;
type Installation = (typeof INSTALLATIONS)[number];

const TIMEOUT_MS = 240_000;
const NEWEST_AMOUNT = { default: '', blue: `, most: f.max('amount')` } as const;

let harness: LifecycleHarness;
let world: ClicksWorld;
const workers: WorkerProcess[] = [];
const pools: pg.Pool[] = [];
const logins: string[] = [];

const features = (of: Installation): string => join(world.folder, of, 'features');

/** What a process of an installation is started with, as a login that is a member of that role alone. */
function variables(of: Installation, role?: 'owner' | 'worker' | 'server' | 'reader'): NodeJS.ProcessEnv {
  return {
    ...world.variables,
    MILLRACE_FEATURES: features(of),
    ...(of === 'default' ? {} : { MILLRACE_INSTALLATION: of, MILLRACE_SERVED_TOPIC: '' }),
    ...(role === undefined ? {} : { DATABASE_URL: urlOf(of, role) }),
  };
}

const loginOf = (of: Installation, role: string): string => `${world.view}_${of}_${role}`;

function urlOf(of: Installation, role: string): string {
  const url = new URL(world.databaseUrl);
  url.username = loginOf(of, role);
  return url.href;
}

function poolOf(of: Installation, role: string): pg.Pool {
  const pool = createPool(urlOf(of, role), { max: 2, installation: installationNames(of) });
  pools.push(pool);
  return pool;
}

async function cli<Answer>(of: Installation, args: readonly string[], role?: 'owner' | 'worker'): Promise<Answer> {
  const { exitCode, stdout, stderr } = await runCli([...args, '--json'], variables(of, role));
  if (exitCode !== 0) throw new Error(`${of}: millrace ${args.join(' ')} ended with ${exitCode}: ${stderr}`);
  return JSON.parse(stdout) as Answer;
}

const both = <Result>(work: (of: Installation) => Promise<Result>): Promise<Result[]> =>
  Promise.all(INSTALLATIONS.map(work));

/** Of the database, whatever is in it, of one installation's schemas: what the other must leave as it is. */
async function fingerprint(of: Installation): Promise<unknown> {
  const { schemas } = installationNames(of);
  const { rows } = await world.pool.query({
    text: `
      SELECT n.nspname || '.' || c.relname AS name, c.relkind::text AS kind, pg_get_userbyid(c.relowner) AS owner,
        c.relacl::text AS rights, NULL AS body
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY($1)
      UNION ALL
      SELECT n.nspname || '.' || p.proname, 'function', pg_get_userbyid(p.proowner), p.proacl::text, md5(p.prosrc)
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)
      UNION ALL
      SELECT nspname, 'schema', pg_get_userbyid(nspowner), nspacl::text, NULL FROM pg_namespace WHERE nspname = ANY($1)
      ORDER BY 1, 2, 3, 4, 5`,
    values: [Object.values(schemas)],
  });
  const { rows: versions } = await world.pool.query(
    `SELECT view, version, fingerprint, status, state_table FROM ${ident(schemas.catalog, 'view_version')} ORDER BY 1, 2`,
  );
  return { rows, versions };
}

interface Status {
  readonly view: string;
  readonly phase: string;
  readonly fingerprint: string;
}

/** What an installation says it has; of the default one, which other tests are, too, our view alone. */
async function statuses(of: Installation): Promise<Status[]> {
  const all = await cli<Status[]>(of, ['status'], 'worker');
  return of === 'blue' ? all : all.filter(({ view }) => view === world.view);
}

/** The features of one, as its file defines them. */
function viewOf(of: Installation) {
  const person = entity('person', { person: z.string() });
  const clicks = source(world.source, {
    schema: z.object({ id: z.string(), at: z.iso.datetime(), person: z.string(), amount: z.int() }),
    eventTime: 'at',
    eventId: 'id',
    topic: world.topic,
    history: { path: 'data/*.jsonl', disjoint: true },
  });
  return featureView(world.view, {
    entity: person,
    source: clicks,
    features: (f) => ({
      n: f.count(),
      total: f.sum('amount'),
      n_1d: f.count().over('1d'),
      last_amount: f.last('amount'),
      ...(of === 'blue' ? { most: f.max('amount') } : {}),
    }),
  });
}

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  const history = world.make(600);
  for (const of of INSTALLATIONS) {
    mkdirSync(features(of), { recursive: true });
    mkdirSync(join(world.folder, of, 'data'));
    writeFileSync(join(features(of), 'index.ts'), world.definition(NEWEST_AMOUNT[of]));
    writeFileSync(
      join(world.folder, of, 'data', 'clicks.jsonl'),
      history.map((click) => `${JSON.stringify(click)}\n`).join(''),
    );
  }
  await world.send(world.make(100));
  const kafka = new Kafka({ clientId: 'test', brokers: [...inject('stack').kafkaBrokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [{ topic: installationNames('blue').servedTopic, numPartitions: 1 }],
    waitForLeaders: false,
  });
  await admin.disconnect();
});
afterAll(async () => {
  for (const worker of workers) await worker.stop();
  for (const pool of pools) await pool.end();
  for (const login of logins) await world.pool.query(`DROP ROLE ${ident(login)}`);
  await world?.close();
  await harness?.close();
});

describe('two installations in one namespace, one database and one Kafka', { timeout: TIMEOUT_MS }, () => {
  it('are migrated each for itself', async () => {
    await runCli(['migrate'], variables('default'));
    const before = await fingerprint('default');
    const migrated = await runCli(['migrate', '--installation', 'blue'], variables('default'));
    expect(migrated).toMatchObject({ exitCode: 0 });
    const { rows } = await world.pool.query<{ schema: string }>(
      "SELECT nspname AS schema FROM pg_namespace WHERE nspname LIKE 'millrace%' ORDER BY 1",
    );
    expect(rows.map(({ schema }) => schema)).toEqual([
      'millrace',
      'millrace_blue',
      'millrace_blue_catalog',
      'millrace_blue_sql',
      'millrace_blue_state',
      'millrace_catalog',
      'millrace_sql',
      'millrace_state',
    ]);
    expect(await fingerprint('default')).toEqual(before);
    for (const of of INSTALLATIONS)
      for (const [role, group] of Object.entries(installationNames(of).roles)) {
        const login = loginOf(of, role);
        await createLogin(world.pool, world.databaseUrl, login, `IN ROLE ${ident(group)}`);
        await world.pool.query(`ALTER ROLE ${ident(login)} SET role = ${ident(group)}`);
        logins.push(login);
      }
  });

  it('run a view of one name side by side: backfill, publication, promotion and stream', async () => {
    for (const of of INSTALLATIONS)
      workers.push(await WorkerProcess.start({ variables: variables(of, 'worker'), logFile: null, onLine: () => {} }));
    await both((of) => cli(of, ['start', world.view, '--slice-seconds', '5', '--wait'], 'worker'));
    await both((of) => cli(of, ['promote', world.view, '--wait'], 'worker'));
    const lasts = world.make(100);
    await world.send(lasts);
    for (const of of INSTALLATIONS) {
      await expect
        .poll(async () => await world.served(poolOf(of, 'server')), { timeout: 60_000, interval: 500 })
        .toEqual(world.expected());
    }
  });

  it('have ids, search attributes and queues of their own', async () => {
    const ids = async (query: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { workflowId } of harness.client.workflow.list({ query })) found.push(workflowId);
      return found;
    };
    await expect.poll(() => ids(`FeatureView = '${world.view}'`)).toEqual([`feature:${world.view}`]);
    await expect.poll(() => ids(`FeatureView = 'blue/${world.view}'`)).toEqual([`blue/feature:${world.view}`]);
    const { taskQueue } = await harness.client.workflow.getHandle(`blue/feature:${world.view}`).describe();
    expect(taskQueue).toBe(`blue/${world.taskQueue}`);
    // Whoever names the queue of one and the id of the other is told.
    const strayed = harness.client.workflow.execute('featureLifecycle', {
      workflowId: 'feature:strayed',
      taskQueue,
      args: [{ view: 'strayed' }],
    });
    await expect(strayed).rejects.toMatchObject({ cause: { type: 'workflow-id-mismatch' } });
  });

  it('show only what is theirs', async () => {
    const [ofDefault, ofBlue] = await both(statuses);
    expect(ofDefault).toMatchObject([{ view: world.view, phase: 'streaming' }]);
    expect(ofBlue).toMatchObject([{ view: world.view, phase: 'streaming' }]);
    expect(ofDefault?.[0]?.fingerprint).not.toBe(ofBlue?.[0]?.fingerprint);
    const planned = await runCli(['plan'], variables('blue', 'worker'));
    expect(planned.stdout).toContain(`workflow blue/feature:${world.view}`);
    expect(planned.stdout).toContain('this definition');
  });

  it('are read by client, HTTP and SQL, each for itself', async () => {
    const atUs = world.newestUs + 1;
    const most = Math.max(...world.clicks.filter(({ person }) => person === 'u1').map(({ amount }) => amount));
    const expected = world.expected()['u1'] ?? [];
    for (const of of INSTALLATIONS) {
      const named = { n: expected[0], total: expected[1], n_1d: expected[2], last_amount: expected[3] };
      const values = of === 'blue' ? { ...named, most } : named;
      const client = createClient({ databaseUrl: urlOf(of, 'server'), installation: of });
      const { schemas } = installationNames(of);
      const api = await startApi({ databaseUrl: urlOf(of, 'server'), installation: installationNames(of) });
      try {
        expect((await client.get(viewOf(of), { person: 'u1' }, { at: atUs })).values).toEqual(values);
        const answer = await fetch(`${api.url}/v1/features`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            features: [world.view],
            entity: { person: 'u1' },
            at: new Date(atUs / 1000 + 1).toISOString(),
          }),
        });
        expect(await answer.text()).toContain(of === 'blue' ? `"most":${most}` : `"n":${String(expected[0])}`);
      } finally {
        await client.close();
        await api.close();
      }
      const { rows } = await poolOf(of, 'reader').query<Record<string, unknown>>(
        `SELECT * FROM ${ident(schemas.surface, `${world.view}_at`)}($1) WHERE person = 'u1'`,
        [new Date(atUs / 1000 + 1).toISOString()],
      );
      expect(rows).toMatchObject([{ ...values, n: expected[0] }]);
      expect('most' in (rows[0] ?? {})).toBe(of === 'blue');
    }
  });

  it('read and write nothing of each other: a role of one has no right to the other', async () => {
    for (const of of INSTALLATIONS) {
      const other = installationNames(of === 'blue' ? 'default' : 'blue').schemas;
      const statements = [
        `SELECT * FROM ${ident(other.catalog, 'view_version')}`,
        `SELECT * FROM ${ident(other.state, `${world.view}_v1`)}`,
        `SELECT * FROM ${ident(other.surface, world.view)}`,
        `CREATE TABLE ${ident(other.state, 'mine')} (n int)`,
        `DROP TABLE ${ident(other.state, `${world.view}_v1`)}`,
      ];
      for (const role of ['worker', 'server', 'reader', 'owner'])
        for (const statement of statements)
          await expect(poolOf(of, role).query(statement), `${of} ${role}: ${statement}`).rejects.toMatchObject({
            code: '42501',
          });
    }
  });

  it('are what commands are about that are told their name', async () => {
    const got = await both((of) => cli<unknown>(of, ['get', world.view, 'person=u1'], 'worker'));
    expect(got.map((answer) => JSON.stringify(answer).includes('"most"'))).toEqual([false, true]);
    await cli('blue', ['token', 'create', 'one', '--scope', 'read:*'], 'owner');
    const tokens = await both((of) => cli<readonly unknown[]>(of, ['token', 'list'], 'owner'));
    expect(tokens.map((list) => list.length)).toEqual([0, 1]);
    for (const of of INSTALLATIONS) await cli(of, ['dead-letters', world.view], 'worker');
    const commits = await both((of) => cli<readonly unknown[]>(of, ['log', '--commits', world.view], 'worker'));
    for (const list of commits) expect(list.length).toBeGreaterThan(0);
  });

  it('share the pool of an application', async () => {
    const shared = new pg.Pool({ connectionString: world.databaseUrl, max: 1 });
    const clients = INSTALLATIONS.map((installation) => createClient({ pool: shared, installation }));
    try {
      const reads = await Promise.all(
        INSTALLATIONS.map((of, index) => clients[index]!.get(viewOf(of), { person: 'u1' }, { at: world.newestUs + 1 })),
      );
      expect(reads.map(({ values }) => 'most' in values)).toEqual([false, true]);
      expect(reads.map(({ values }) => values.n)).toEqual([world.expected()['u1']?.[0], world.expected()['u1']?.[0]]);
      // What the application asks by itself is sent as it is.
      const { rows } = await shared.query<{ text: string }>("SELECT 'millrace_catalog' AS text");
      expect(rows).toEqual([{ text: 'millrace_catalog' }]);
    } finally {
      for (const client of clients) await client.close();
      await shared.end();
    }
  });

  it('export and audit each its own', async () => {
    const spine = join(world.folder, 'spine.csv');
    writeFileSync(spine, `person,event_timestamp\nu1,${new Date(world.newestUs / 1000).toISOString()}\n`);
    const sets = await both(async (of) => {
      const out = join(world.folder, `${of}.parquet`);
      const set = await cli<{ rows: number; columns?: unknown }>(
        of,
        ['export', '--service', `${world.view}_service`, '--spine', spine, '--out', out],
        'worker',
      );
      return JSON.stringify(set);
    });
    expect(sets[0]).not.toContain('most');
    expect(sets[1]).toContain('most');
    const audits = await both((of) =>
      cli<{ verdict: string; entities: number }>(of, ['audit', world.view, '--reads', '0'], 'worker'),
    );
    for (const audit of audits) expect(audit).toMatchObject({ verdict: 'equal', entities: 7 });
  });

  it('archive one topic, each into its part of the one folder', async () => {
    await both((of) => cli(of, ['archive', world.source, '--slice-seconds', '2'], 'worker'));
    const archive = join(world.folder, 'archive');
    for (const folder of [join(archive, world.source), join(archive, 'installation.blue', world.source)])
      await expect.poll(() => existsSync(folder), { timeout: 60_000 }).toBe(true);
    // An archive that took the other's rows for its own would have a hole, or records twice.
    await expect
      .poll(
        async () => await both(async (of) => (await cli<{ rows: number }>(of, ['log', world.source], 'worker')).rows),
        {
          timeout: 60_000,
          interval: 1_000,
        },
      )
      .toEqual([200, 200]);
  });

  it('are looked at each for itself', async () => {
    for (const of of INSTALLATIONS) {
      const { findings } = await cli<{ findings: { area: string; level: string; found: string }[] }>(
        of,
        ['doctor'],
        'owner',
      );
      const found = findings.map(({ area, level, found: text }) => `${area} ${level} ${text}`);
      const names = installationNames(of);
      expect(found).toContain(
        `installation ok ${of}: SQL views in schema ${names.schemas.surface}, task queue ${names.taskQueue(world.taskQueue)}`,
      );
      expect(found).toContain('migrations ok all have run');
      expect(found).toContain('rights ok this user may do what an owner needs');
      expect(found.filter((line) => line.startsWith('topics') || line.startsWith('kafka')).join('\n')).not.toContain(
        of === 'blue' ? world.servedTopic : 'millrace.blue.served',
      );
    }
  });

  it('tell lag tools by consumer groups of their own', async () => {
    const kafka = new Kafka({
      clientId: 'test',
      brokers: [...inject('stack').kafkaBrokers],
      logLevel: logLevel.NOTHING,
    });
    const admin = kafka.admin();
    await admin.connect();
    try {
      await expect
        .poll(async () => (await admin.listGroups()).groups.map(({ groupId }) => groupId), { timeout: 60_000 })
        .toEqual(expect.arrayContaining([`millrace.${world.view}.v1`, `millrace.blue.${world.view}.v1`]));
    } finally {
      await admin.disconnect();
    }
  });

  it('end alone: what is retired, built anew or migrated of one is nothing to the other', async () => {
    await cli('blue', ['rebackfill', world.view, '--wait'], 'worker');
    const before = await fingerprint('default');
    const served = await world.served(poolOf('default', 'server'));
    await cli('blue', ['retire', world.view, '--yes', '--wait'], 'worker');
    expect(await runCli(['migrate'], variables('blue', 'owner'))).toMatchObject({ exitCode: 0 });
    expect(await fingerprint('default')).toEqual(before);
    expect(await world.served(poolOf('default', 'server'))).toEqual(served);
    await expect(world.served(poolOf('blue', 'server'))).rejects.toMatchObject({ code: 'view-not-published' });
    await world.send(world.make(50));
    await expect
      .poll(async () => await world.served(poolOf('default', 'server')), { timeout: 60_000, interval: 500 })
      .toEqual(world.expected());
    expect(await statuses('default')).toMatchObject([{ view: world.view, phase: 'streaming' }]);
  });
});
