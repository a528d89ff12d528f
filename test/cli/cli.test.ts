import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { CliRun, runCli } from './run-cli.ts';

const TIMEOUT_MS = 180_000;
/** Of TEST-NET-1: packets to it go nowhere. */
const NOWHERE = '192.0.2.1';

let world: ClicksWorld;
let folder: string;
let variables: NodeJS.ProcessEnv;
beforeAll(async () => {
  world = await ClicksWorld.open(inject('stack'), `cli-${process.pid}`);
  world.writeHistory(world.make(1_000));
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  // Postgres is left out: `dev` starts its own, and the other commands find it by the data directory.
  const { DATABASE_URL: _, ...others } = world.variables;
  variables = { ...others, MILLRACE_DATA_DIR: join(folder, 'data') };
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('plan', () => {
  it('says what each view is', async () => {
    const { exitCode, stdout } = await runCli(['plan', '--features', join(world.folder, 'features')], {
      MILLRACE_DATA_DIR: join(folder, 'none'),
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain(world.view);
    expect(stdout).toContain(`workflow feature:${world.view}`);
    expect(stdout).toMatch(/total.*sum.*amount.*lifetime/);
    expect(stdout).toMatch(/state +\d+ partials; tiles: .*one of all time/);
    expect(stdout).toMatch(/\d+ bytes an entity with one event, [\d,]+ with one in every tile/);
    expect(stdout).toMatch(/[\d,]+ ns an event here \([\d,]+ sampled\)/);
  });

  it.each([
    ['entities', () => [{ entity: 'person', keys: [{ name: 'person', type: 'string' }], views: [world.view] }]],
    [
      'sources',
      () => [{ source: world.source, topic: world.topic, eventTime: 'at', eventId: 'id', views: [world.view] }],
    ],
    ['services', () => [{ service: `${world.view}_service`, views: [world.view] }]],
    [
      'views',
      () => [{ view: world.view, entity: 'person', source: world.source, services: [`${world.view}_service`] }],
    ],
  ])('list %s needs no service', async (what, expected) => {
    const variables = { MILLRACE_FEATURES: join(world.folder, 'features'), MILLRACE_DATA_DIR: join(folder, 'none') };
    const { stdout } = await runCli(['list', what, '--json'], variables);
    expect(JSON.parse(stdout)).toMatchObject(expected());
    expect((await runCli(['list', what], variables)).stdout).toContain(world.view);
  });

  it('says all faults at once, and exits with 1', async () => {
    const broken = join(folder, 'broken', 'features');
    mkdirSync(broken, { recursive: true });
    writeFileSync(
      join(broken, 'index.ts'),
      `import { entity, featureView, source } from 'millrace';
       import { z } from 'zod';
       const person = entity('person', { person: z.string() });
       const clicks = source('clicks', { schema: z.object({ id: z.string(), at: z.iso.datetime(), person: z.string() }), eventTime: 'at', topic: 't', history: { path: 'nothing/*.parquet' } });
       export const a = featureView('a', { entity: person, source: clicks, features: (f) => ({ n: f.sum('id').over('7 days') }) });
       export const b = featureView('b', { entity: person, source: clicks, where: () => Date.now() > 0, features: (f) => ({ n: f.count() }) });`,
    );
    const { exitCode, stdout } = await runCli(['plan', '--json'], {
      MILLRACE_FEATURES: broken,
      MILLRACE_DATA_DIR: join(folder, 'none'),
    });
    expect(exitCode).toBe(1);
    const { faults } = JSON.parse(stdout) as { faults: { definition: string; remedy: string }[] };
    expect(new Set(faults.map(({ definition }) => definition))).toEqual(new Set(['a', 'b', 'clicks']));
    expect(faults.every(({ remedy }) => remedy !== '')).toBe(true);
  });
});

describe('without services', () => {
  it.each([['status'], ['start', 'x'], ['get', 'x', 'k=1'], ['dead-letters', 'x'], ['audit', 'x'], ['archive', 'x']])(
    '%s says what to start or set',
    async (...args) => {
      const { exitCode, stderr } = await runCli(args, { MILLRACE_DATA_DIR: join(folder, 'none') });
      expect(exitCode).toBe(1);
      expect(stderr).toContain('error not-connected');
      expect(stderr).toContain('millrace dev');
    },
  );

  it('names the address that does not answer and the variable that set it', async () => {
    const { exitCode, stderr } = await runCli(['status'], {
      DATABASE_URL: `postgres://u@${NOWHERE}:5432/db`,
      KAFKA_BROKERS: '127.0.0.1:1',
      TEMPORAL_ADDRESS: `${NOWHERE}:7233`,
      MILLRACE_DATA_DIR: join(folder, 'none'),
    });
    expect(exitCode).toBe(1);
    for (const part of [
      `${NOWHERE}:5432/db`,
      'DATABASE_URL',
      '127.0.0.1:1',
      'KAFKA_BROKERS',
      `${NOWHERE}:7233`,
      'TEMPORAL_ADDRESS',
    ]) {
      expect(stderr).toContain(part);
    }
  });

  it('dev says so too', async () => {
    const { exitCode, stderr } = await runCli(['dev'], { ...variables, DATABASE_URL: 'postgres://u@127.0.0.1:1/db' });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('127.0.0.1:1/db (set by DATABASE_URL)');
  });

  it('refuses a broken configuration, every variable at once', async () => {
    const { exitCode, stderr } = await runCli(['status'], { KAFKA_BROKERS: 'nonsense', MILLRACE_API_PORT: 'x' });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('KAFKA_BROKERS');
    expect(stderr).toContain('MILLRACE_API_PORT');
  });
});

describe('a session of dev', { timeout: TIMEOUT_MS }, () => {
  let dev: CliRun;
  const cli = (...args: string[]): ReturnType<typeof runCli> => runCli(args, variables);
  const ok = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await cli(...args);
    if (exitCode !== 0) throw new Error(stderr);
    return stdout;
  };
  const json = async <T>(...args: string[]): Promise<T> => {
    const { exitCode, stdout, stderr } = await cli(...args, '--json');
    if (exitCode !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as T;
  };

  beforeAll(async () => {
    dev = new CliRun(['dev'], variables);
    await dev.printed('ready; Ctrl-C stops all');
  });
  afterAll(async () => {
    dev.interrupt();
    await dev.ended;
  });

  it('prints where everything is', () => {
    expect(dev.stdout).toContain(`start-workflow?workflowType=featureLifecycle&taskQueue=${world.taskQueue}`);
    expect(dev.stdout).toContain('/openapi.json');
    expect(dev.stdout).toContain(`{"view":"${world.view}"}`);
  });

  it('prints no password, and where it is', async () => {
    const connection = readFileSync(join(folder, 'data', 'connection.json'), 'utf8');
    const { databaseUrl } = JSON.parse(connection) as { databaseUrl: string };
    const { password } = new URL(databaseUrl);
    expect(password).not.toBe('');
    expect(dev.stdout + dev.stderr).not.toContain(password);
    expect(dev.stdout).toContain('postgres://postgres@127.0.0.1:');
    expect(dev.stdout).toContain(`PGPASSFILE=${join(folder, 'data', 'postgres.pgpass')}`);
  });

  it('start --wait publishes, and a second start is harmless', async () => {
    const { exitCode, stdout } = await cli('start', world.view, '--wait');
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`${world.view}: published`);
    expect(stdout).toContain('next: promote');
    expect(await json('start', world.view)).toMatchObject({ view: world.view, started: false });
    // What it was started with, by default or not, is what it has.
    expect(await json('start', world.view, '--shards', '1', '--slice-seconds', '1800')).toMatchObject({
      started: false,
    });
  });

  it('start with other options than it runs with says which, and fails', async () => {
    const args = ['start', world.view, '--shards', '3', '--slice-seconds', '1800', '--proof-entities', '0', '--json'];
    const { exitCode, stdout } = await cli(...args);
    expect(exitCode).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; details: { others: unknown } } };
    expect(error).toMatchObject({
      code: 'other-options',
      message: expect.stringContaining('shards is 1, asked for: 3'),
    });
    expect(error.details.others).toEqual([
      { option: 'shards', running: 1, asked: 3 },
      { option: 'proofEntities', running: 200_000, asked: 0 },
    ]);
  });

  it('get prints what is served', async () => {
    const at = new Date(world.newestUs / 1000 + 1).toISOString();
    const read = await json<{ values: Record<string, unknown>; found: boolean }>(
      'get',
      world.view,
      'person=u3',
      '--at',
      at,
    );
    const [n, total, n1d, last] = world.expected()['u3'] ?? [];
    expect(read).toMatchObject({ found: true, values: { n, total, n_1d: n1d, last_amount: last } });
    const table = await cli('get', world.view, 'person=u3');
    expect(table.stdout).toContain(`${total}`);
  });

  it.each([
    [['person=u1', 'colour=red'], 'has no key "colour"'],
    [[`people=u1`], 'has no key "people"'],
    [['u1'], 'received "u1"'],
  ])('get refuses the key %j', async (key, message) => {
    const { exitCode, stderr } = await cli('get', world.view, ...key);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('error invalid-key');
    expect(stderr).toContain(message);
    expect(stderr).toContain('person=<string>');
  });

  it('promote --wait streams; status tells lag, offsets and counts', async () => {
    await world.send(world.make(200));
    await world.send([{ ...world.make(1)[0]!, at: 'yesterday' }]);
    const before = await json<{ entities: number }>('status', world.view);
    await world.send([{ ...world.clicks.at(-2)!, id: 'first of a newcomer', person: 'u77' }]);
    const { exitCode, stdout } = await cli('promote', world.view, '--wait');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('streaming');
    const status = await json<Record<string, unknown>>('status', world.view);
    expect(status).toMatchObject({
      view: world.view,
      phase: 'streaming',
      version: 1,
      lag: 0,
      error: null,
      deadLetters: 1,
    });
    expect(Object.keys(status)).toEqual(expect.arrayContaining(['fingerprint', 'watermark', 'offsets', 'counts']));
    expect(status['counts']).toMatchObject({ records: 1_202, invalid: 1 });
    // Those that the stream brought, too; and the watermark that readers are told the age of.
    expect(status).toMatchObject({ entities: before.entities + 1, entitiesEstimated: false });
    expect(status['watermark']).toBe(world.clicks.at(-2)!.at.replace('Z', '000Z'));
    expect((await cli('status')).stdout).toContain('streaming');
    const plan = await json<{ change: string; running: { phase: string } }[]>('plan');
    expect(plan[0]).toMatchObject({ change: 'unchanged', running: { phase: 'streaming' } });
  });

  it('versions lists what there is; approve, rollback and discard name what is not there', async () => {
    const [live, ...others] = await json<Record<string, unknown>[]>('versions', world.view);
    expect(others).toEqual([]);
    expect(live).toMatchObject({
      version: 1,
      role: 'live',
      served: [{ from: expect.stringMatching(/Z$/) as string, until: null }],
      keptUntil: null,
      lag: 0,
    });
    expect(live!['bytes']).toBeGreaterThan(0);
    expect((await cli('versions', world.view)).stdout).toMatch(/│ 1 +│ live/);
    const refused = async (...args: string[]): Promise<string> => {
      const { exitCode, stderr } = await cli(...args);
      expect(exitCode).toBe(1);
      return stderr;
    };
    expect(await refused('versions', 'nothing')).toContain('error unknown-view');
    expect(await refused('approve', world.view)).toContain('error no-candidate');
    expect(await refused('approve', world.view, '--version', '2')).toContain('error no-candidate');
    expect(await refused('rollback', world.view, '--stale')).toContain('error no-previous');
    expect(await refused('discard', world.view)).toContain('error not-confirmed');
    expect(await refused('discard', world.view, '--yes')).toContain('error no-candidate');
    expect((await cli('approve', world.view, '--version', '1')).stdout).toContain('streaming');
  });

  it('dead-letters shows the record and why', async () => {
    const [letter] = await json<{ reasons: string[]; payload: string }[]>('dead-letters', world.view);
    expect(letter?.payload).toContain('yesterday');
    expect(letter?.reasons.join()).toContain('at');
    expect((await cli('dead-letters', world.view)).stdout).toContain('yesterday');
  });

  it('export writes a training set, refuses to overwrite it, and repeats it exactly', async () => {
    const spine = join(folder, 'spine.csv');
    writeFileSync(spine, `person,event_timestamp\nu1,2026-01-01T05:00:00Z\nu2,2026-01-01T06:00:00Z\n`);
    const args = [
      'export',
      '--service',
      `${world.view}_service`,
      '--spine',
      spine,
      '--out',
      join(folder, 'train.parquet'),
    ];
    const { exitCode, stdout } = await cli(...args);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('2 rows');
    const again = await cli(...args);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain('error out-exists');
    const copy = join(folder, 'again.parquet');
    await json(
      'export',
      '--service',
      `${world.view}_service`,
      '--spine',
      spine,
      '--out',
      copy,
      '--repeat',
      join(folder, 'train.parquet.manifest.json'),
    );
    expect(readFileSync(copy).equals(readFileSync(join(folder, 'train.parquet')))).toBe(true);
    const unknown = await cli('export', '--service', 'nobody', '--spine', spine, '--out', copy);
    expect(unknown.exitCode).toBe(1);
    expect(unknown.stderr).toContain('error unknown-service');
    const repeated = await cli(...args, '--overwrite', '--repeat', join(folder, 'gone.manifest.json'));
    expect(repeated.exitCode).toBe(1);
    expect(repeated.stderr).toContain('error manifest-unreadable');
    const mode = await cli(...args, '--mode', 'guess');
    expect(mode.exitCode).toBe(1);
    expect(mode.stderr).toContain('Allowed choices are event-time, as-served');
  });

  it('export reads times without a zone, and dates, as it is told, and says so in the manifest', async () => {
    const spine = join(folder, 'days.csv');
    writeFileSync(spine, 'person,event_timestamp\nu1,2026-01-02\nu1,2026-01-02 12:00:00\n');
    const out = join(folder, 'days.parquet');
    const args = ['export', '--service', `${world.view}_service`, '--spine', spine, '--out', out];
    const untold = await cli(...args);
    expect(untold.exitCode).toBe(1);
    expect(untold.stderr).toContain('error spine-bad-time');
    expect(untold.stderr).toContain('--time-at');
    const unknown = await cli(...args, '--time-at', 'end', '--time-zone', '+01:00');
    expect(unknown.exitCode).toBe(1);
    expect(unknown.stderr).toContain('error unknown-time-zone');
    const choice = await cli(...args, '--time-at', 'noon');
    expect(choice.stderr).toContain('Allowed choices are start, end');
    expect(await json(...args, '--time-at', 'end', '--time-zone', 'Europe/Berlin')).toMatchObject({ rows: 2 });
    expect(JSON.parse(readFileSync(`${out}.manifest.json`, 'utf8'))).toMatchObject({
      spine: { timeZone: 'Europe/Berlin', timeAt: 'end' },
    });
  });

  it('pause, resume and a refused command say what became of them', async () => {
    expect(await ok('pause', world.view, '--wait')).toContain('paused');
    const refused = await cli('refresh', world.view);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('error command-refused');
    expect(await ok('resume', world.view, '--wait')).toContain('streaming');
    const nobody = await cli('pause', 'nobody');
    expect(nobody.exitCode).toBe(1);
    expect(nobody.stderr).toContain('error not-started');
    const failed = await cli('start', 'nobody', '--wait');
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain('error unknown-view');
  });

  it('keeps its data over a restart, and goes on where it was', async () => {
    dev.interrupt();
    const ended = await dev.ended;
    expect(ended.exitCode).toBe(0);
    expect(ended.stderr).toContain('stopped');
    expect((await cli('status')).stderr).toContain('error not-connected');
    await world.send(world.make(50));
    dev = new CliRun(['dev'], variables);
    await dev.printed('ready; Ctrl-C stops all');
    // Its slice was handed back at the stop: the lifecycle takes it up again by itself.
    for (;;) {
      const status = await json<{ phase: string; lag: number }>('status', world.view);
      if (status.phase === 'streaming' && status.lag === 0) break;
    }
    const unasked = await cli('retire', world.view);
    expect(unasked).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`retire ${world.view} --yes`) });
    expect(await json('status', world.view)).toMatchObject({ phase: 'streaming' });
    const retired = await cli('retire', world.view, '--yes', '--wait');
    expect(retired.stdout).toContain('retired');
    const gone = await cli('get', world.view, 'person=u3');
    expect(gone.stderr).toContain('error unknown-view');
  });
});
