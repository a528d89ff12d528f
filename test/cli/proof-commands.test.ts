import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ArchiveStatus } from '../../engine/archive/archive-status.ts';
import type { Explanation } from '../../engine/parity/explanation.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import type { AuditSummary } from '../../workflows/audit-parity/contract.ts';
import type { TrainingManifest } from '../../engine/training/training-types.ts';
import type { ExportSize, ExportSummary } from '../../workflows/export-training-set/contract.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually } from '../lifecycle/lifecycle-harness.ts';
import { type CliResult, CliRun, runCli } from './run-cli.ts';

let world: ClicksWorld;
let folder: string;
let variables: NodeJS.ProcessEnv;
let dev: CliRun;
let pool: pg.Pool;
let apiUrl: string;
/** What `promote --wait` said. */
let promoted: string;

const cli = (...args: string[]): Promise<CliResult> => runCli(args, variables);
const json = async <T>(...args: string[]): Promise<T> => {
  const { exitCode, stdout, stderr } = await cli(...args, '--json');
  if (exitCode !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
};

beforeAll(async () => {
  world = await ClicksWorld.open(inject('stack'), `cli-proof-${process.pid}`);
  world.writeHistory(world.make(500));
  await world.send(world.make(100));
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-proof-'));
  variables = { ...world.variables, MILLRACE_DATA_DIR: join(folder, 'data') };
  pool = createPool(world.databaseUrl, { max: 2, applicationName: 'test' });
  dev = new CliRun(['dev'], variables);
  await dev.printed('ready; Ctrl-C stops all');
  apiUrl = /http:\/\/[\w.:]+(?=\/openapi\.json)/.exec(dev.stdout)?.[0] ?? '';
  for (const command of ['start', 'promote']) {
    const { exitCode, stderr, stdout } = await cli(command, world.view, '--wait');
    if (exitCode !== 0) throw new Error(stderr);
    promoted = stdout;
  }
});
afterAll(async () => {
  dev?.interrupt();
  await dev?.ended;
  await pool?.end();
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

it('promote --wait says what was compared before the view streamed', () => {
  expect(promoted).toContain('streaming');
  expect(promoted).toContain('28 cells compared with a backfill, 0 differ');
});

describe('archive and log', () => {
  it('dev archives every topic and the log of what is served; a second start is harmless', async () => {
    expect(dev.stderr).toContain(`archive: started for ${world.source}, millrace_served`);
    expect(await json('archive', world.source)).toMatchObject({
      source: world.source,
      started: false,
      status: { topic: world.topic, error: null },
    });
  });

  it('is stopped and started again, and log shows ranges, rows, holes and lag', async () => {
    const stopped = await cli('archive', world.source, '--stop');
    expect(stopped.stdout).toContain(`archive of ${world.source}: stopp`);
    await eventually(async () => (await cli('archive', world.source, '--pause')).stderr.includes('error not-started'));
    expect(await json('archive', world.source, '--slice-seconds', '2')).toMatchObject({ started: true });
    const status = await eventually(async () => {
      const at = await json<ArchiveStatus>('log', world.source);
      return at.rows === 100 && at;
    });
    expect(status.partitions).toHaveLength(3);
    for (const at of status.partitions) expect(at).toMatchObject({ holes: [], lag: 0 });
    const { stdout } = await cli('log', world.source);
    expect(stdout).toContain(`topic ${world.topic}: 100 rows in `);
    expect(stdout).toContain('none');
    const both = await cli('archive', world.source, '--stop', '--pause');
    expect(both.stderr).toContain('error bad-options');
  });

  it('log --commits lists what each micro-batch applied', async () => {
    await world.send(world.make(20));
    await eventually(async () => (await json<{ lag: number }>('status', world.view)).lag === 0);
    const commits = await json<{ seq: number; fromOffset: number; untilOffset: number; committedAt: string }[]>(
      'log',
      '--commits',
      world.view,
    );
    expect(commits.reduce((sum, { fromOffset, untilOffset }) => sum + untilOffset - fromOffset, 0)).toBe(20);
    expect(commits.map(({ seq }) => seq)).toEqual(commits.map(({ seq }) => seq).toSorted((a, b) => b - a));
    expect(commits[0]?.committedAt).toMatch(/^20\d\d-.*Z$/);
    expect((await cli('log', '--commits', world.view)).stdout).toContain('offsets');
  });

  it.each([
    [['log'], 'error bad-options'],
    [['log', 'nothing'], 'error unknown-source'],
    [['log', '--commits', 'nobody'], 'error unknown-view'],
    [['archive', 'nothing', '--stop'], 'error not-started'],
    [['audit', 'nobody'], 'error view-not-published'],
    [['explain', 'nobody', 'person=u1'], 'error unknown-view'],
    [['audit', 'nobody', '--every', 'often'], 'expected a time of at least 1s'],
  ])('%j says what is wrong', async (args, message) => {
    const { exitCode, stderr } = await cli(...args);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
  });
});

describe('explain', () => {
  it('prints the tiles and records behind every number', async () => {
    const explanation = await json<Explanation>('explain', world.view, 'person=u3');
    const [n, total] = world.expected()['u3'] ?? [];
    expect(explanation).toMatchObject({ view: world.view, found: true, entity: { person: 'u3' } });
    const values = Object.fromEntries(explanation.features.map(({ name, value }) => [name, value]));
    expect(values).toMatchObject({ n, total });
    const { exitCode, stdout } = await cli('explain', world.view, 'person=u3');
    expect(exitCode).toBe(0);
    for (const part of [`n = ${n}`, 'lifetime', 'last(amount)', 'decided by', 'fingerprint', 'newest commit'])
      expect(stdout).toContain(part);
    expect(stdout).not.toContain('DIFFERS');
    const before = await cli('explain', world.view, 'person=u3', '--at', '2020-01-01T00:00:00Z');
    expect(before.exitCode === 0 ? before.stdout : before.stderr).toMatch(/not found|error /);
  });
});

describe('as-served training sets', () => {
  const service = (): string => `${world.view}_service`;

  it('give exactly what logged requests were served, and say what a request is that was not logged', async () => {
    const served: { id: string; n: unknown }[] = [];
    for (const person of ['u1', 'u2', 'u1']) {
      const response = await fetch(`${apiUrl}/v1/features`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ service: service(), entities: [{ person }] }),
      });
      expect(response.status).toBe(200);
      const body = (await response.json()) as { request_id: string };
      expect(JSON.stringify(body)).toContain('"total"');
      served.push({ id: body.request_id, n: person });
      await world.send(world.make(10));
    }
    const spine = join(folder, 'requests.csv');
    const rows = served.map(({ id, n }) => `${id},${String(n)}\n`).join('');
    writeFileSync(spine, `request_id,person\n${rows}`);
    const out = join(folder, 'served.parquet');
    const args = ['--service', service(), '--spine', spine, '--mode', 'as-served', '--request-column', 'request_id'];
    // A read is logged a moment after it was answered.
    await eventually(async () => (await cli('export', ...args, '--out', out, '--overwrite')).exitCode === 0);
    expect(readFileSync(out).subarray(0, 4).toString()).toBe('PAR1');
    writeFileSync(spine, `request_id,person\n${rows}nobody,u1\n`);
    const refused = await cli('export', ...args, '--out', out, '--overwrite');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('nobody');
    const lenient = await json<ExportSummary>('export', ...args, '--out', out, '--overwrite', '--missing', 'null');
    expect(lenient).toMatchObject({ mode: 'as-served', rows: 4, comparison: null });
    const misplaced = await cli('export', '--service', service(), '--spine', spine, '--out', out, '--missing', 'null');
    expect(misplaced.stderr).toContain('error invalid-input');
  });

  it('compare the two modes as a table and a plot', async () => {
    const spine = join(folder, 'labels.csv');
    writeFileSync(spine, `person,event_timestamp\nu1,2026-01-01T05:00:00Z\nu2,2026-01-01T06:00:00Z\n`);
    const out = join(folder, 'compared.parquet');
    const args = ['export', '--service', service(), '--spine', spine, '--mode', 'as-served', '--compare', '--out', out];
    const { exitCode, stdout, stderr } = await cli(...args);
    expect(stderr).not.toContain('error');
    expect(exitCode).toBe(0);
    // Both labels are of a time long before the view was published.
    expect(stdout).toContain('the two modes differ on 2 of 2 labels');
    expect(stdout).toContain('not-published');
    expect(stdout).toContain(`plot: ${out}.compare.svg`);
    expect(readFileSync(`${out}.compare.svg`, 'utf8')).toContain('<svg');
  });
});

describe('export without labels', () => {
  const service = (): string => `${world.view}_service`;
  const args = (...more: string[]) => ['export', '--service', service(), '--entities-of', world.view, ...more];
  const times = ['--every', '1d', '--from', '2026-01-01', '--to', '2027-01-01'];

  it('says how many rows there would be, makes them, and makes them again by the manifest alone', async () => {
    const size = await json<ExportSize>(...args(...times, '--dry-run'));
    expect(size).toMatchObject({ isDryRun: true, steps: 365 });
    expect((await cli(...args(...times, '--dry-run'))).stdout).toContain(`${size.rows.toLocaleString('en-US')} rows: `);
    const out = join(folder, 'made.parquet');
    const made = await json<ExportSummary>(...args(...times, '--out', out, '--split', '0.8'));
    const { rows, split } = made;
    expect(rows).toBe(size.rows);
    expect(split!.train.rows + split!.test.rows).toBe(rows);
    expect(split!.train.rows).toBeLessThanOrEqual(0.8 * rows);
    const again = join(folder, 'again.parquet');
    const repeated = await cli('export', '--service', service(), '--repeat', `${out}.manifest.json`, '--out', again);
    expect(repeated.stderr).not.toContain('error');
    expect(repeated.stdout).toContain(`split at ${split!.at}`);
    for (const part of ['train', 'test'])
      expect(
        readFileSync(join(folder, `again.${part}.parquet`)).equals(readFileSync(join(folder, `made.${part}.parquet`))),
      ).toBe(true);
    const manifest = JSON.parse(readFileSync(`${again}.manifest.json`, 'utf8')) as TrainingManifest;
    expect(manifest).toMatchObject({ sha256: made.sha256, spine: { grid: { entitiesOf: { view: world.view } } } });
  });

  it('tells what is lacking, too large, of no view or no share', async () => {
    const out = ['--out', join(folder, 'none.parquet')];
    const stderrOf = async (...all: string[]) => (await cli(...all)).stderr;
    expect(await stderrOf('export', '--service', service(), ...out)).toContain("one of '--spine <file>'");
    expect(await stderrOf(...args(...times))).toContain("required option '--out <file>' not specified");
    expect(await stderrOf(...args('--every', '1d', ...out))).toContain('"entitiesOf" needs "from", "to"');
    expect(await stderrOf(...args(...times, ...out, '--max-rows', '3'))).toContain('error grid-too-large');
    expect(await stderrOf(...args(...times, ...out, '--split', '80'))).toContain('above 0 and below 1');
    const nobody = ['export', '--service', service(), '--entities-of', 'nobody', ...times, ...out];
    expect(await stderrOf(...nobody)).toContain('no feature view "nobody"');
    expect(await stderrOf(...args(...times, ...out, '--mode', 'as-served', '--missing', 'null'))).toContain(
      'rows of entities have times and no requests',
    );
  });
});

describe('a sum that does not fit', () => {
  beforeAll(async () => {
    const { at } = world.make(1)[0]!;
    await world.send(['large-1', 'large-2'].map((id) => ({ id, at, person: 'u99', amount: Number.MAX_SAFE_INTEGER })));
    await eventually(async () => (await json<{ found: boolean }>('get', world.view, 'person=u99')).found);
  });

  it('is shown by its code, beside what is right', async () => {
    expect(await json('get', world.view, 'person=u99')).toMatchObject({
      values: { n: 2, total: null, last_amount: Number.MAX_SAFE_INTEGER },
      errors: { total: 'value-out-of-range' },
    });
    expect(await json('get', world.view, 'person=u1')).toMatchObject({ errors: null });
    expect((await cli('get', world.view, 'person=u99')).stdout).toContain('error: value-out-of-range');
    const { stdout } = await cli('explain', world.view, 'person=u99');
    expect(stdout).toContain('total = error: value-out-of-range');
    expect(stdout).not.toContain('DIFFERS');
  });

  it('ends an export, or is null in it and counted', async () => {
    const spine = join(folder, 'large.csv');
    writeFileSync(spine, 'person,event_timestamp\nu1,2026-03-01T00:00:00Z\nu99,2026-03-01T00:00:00Z\n');
    const out = join(folder, 'large.parquet');
    const args = ['export', '--service', `${world.view}_service`, '--spine', spine, '--out', out];
    const failed = await cli(...args);
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain('error value-out-of-range');
    expect(failed.stderr).toContain(`feature "total" of view "${world.view}"`);
    expect(failed.stderr).toContain('spine row 2 (person=u99)');
    expect(failed.stderr).toContain('--on-error null');
    const { exitCode, stdout } = await cli(...args, '--on-error', 'null');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/__total\s.*value-out-of-range\s.*1/);
    expect(JSON.parse(readFileSync(`${out}.manifest.json`, 'utf8'))).toMatchObject({ onError: 'null' });
    const wrong = await cli(...args, '--on-error', 'guess');
    expect(wrong.stderr).toContain('Allowed choices are fail, null');
  });
});

describe('audit', () => {
  it('finds nothing where there is nothing, and exits with 0', async () => {
    const { exitCode, stdout } = await cli('audit', world.view);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('equal');
    const result = await json<AuditSummary>('audit', world.view, '--reads', '1000', '--entities', '5');
    expect(result).toMatchObject({ verdict: 'equal', cellsDiffering: 0, differences: [] });
    expect(result.reads).toBeGreaterThan(0);
    const status = await json<{ parity: unknown }>('status', world.view);
    expect(status.parity).toMatchObject({ verdict: 'equal', version: 1 });
  });

  it('names a changed state and its cause, exits with 1, and status shows it', async () => {
    const table = stateTable((await liveVersion(pool, world.view))?.stateTable ?? '');
    await pool.query(
      `UPDATE ${table} SET state = set_byte(state, length(state) - 1, get_byte(state, length(state) - 1) # 1) WHERE person = 'u4'`,
    );
    const { exitCode, stdout } = await cli('audit', world.view);
    expect(exitCode).toBe(1);
    for (const part of ['broken', 'person=u4: store-corruption', 'stored state', 'by the log'])
      expect(stdout).toContain(part);
    const again = await cli('audit', world.view, '--json');
    expect(again.exitCode).toBe(1);
    expect(JSON.parse(again.stdout)).toMatchObject({ verdict: 'broken', causes: { 'store-corruption': 1 } });
    expect((await cli('status')).stdout).toContain('broken');
    const status = await cli('status', world.view);
    expect(status.stdout).toContain('parity broken');
    expect(status.stdout).toContain('1 store-corruption');
    // Readers are told so, too.
    expect(stdout).toContain('error: state-corrupt');
    expect(await json('get', world.view, 'person=u4')).toMatchObject({ errors: { '*': 'state-corrupt' }, found: true });
    const got = await cli('get', world.view, 'person=u4');
    expect(got.stdout).toContain('error: state-corrupt');
    expect(got.stdout).toContain(`millrace rebackfill ${world.view}`);
    const explained = await cli('explain', world.view, 'person=u4');
    expect(explained.exitCode).toBe(0);
    expect(explained.stdout).toContain('CORRUPT: ');
    expect(explained.stdout).toContain('n = error: state-corrupt');
    expect(explained.stdout).toMatch(/DIFFERS: by the log it is \d+/);
  });

  it('runs on a schedule, until that is switched off', async () => {
    const audits = async (): Promise<number> => {
      const { rows } = await pool.query('SELECT count(*)::int AS n FROM millrace_catalog.parity_audit');
      return (rows[0] as { n: number }).n;
    };
    const before = await audits();
    expect(await json('audit', world.view, '--every', '1s')).toMatchObject({ every: '1s', made: true });
    await eventually(async () => (await audits()) >= before + 2);
    expect(await json('audit', world.view, '--every', '1h')).toMatchObject({ every: '1h', made: false });
    const off = await cli('audit', world.view, '--every', 'off');
    expect(off.stderr).toBe('');
    expect(off.stdout).toContain('on no schedule any more');
    expect(await json('audit', world.view, '--every', 'off')).toMatchObject({ removed: false });
  });

  it('and what else was asked is noted, with whom it was asked by', async () => {
    const events = await json<{ actor: string; action: string; subject: string; input: unknown; result: unknown }[]>(
      'events',
      '--view',
      world.view,
    );
    expect(events.map(({ action }) => action)).toEqual([
      'audit schedule',
      'audit schedule',
      'audit schedule',
      'promote',
      'start',
      // By `dev`, at its start.
      'apply',
    ]);
    expect(events.map(({ input }) => input)).toEqual([
      { every: null },
      { every: '1h' },
      { every: '1s' },
      {},
      {},
      { message: 'millrace dev' },
    ]);
    expect(events[3]).toMatchObject({ result: { outcome: 'accepted', phase: 'catching-up' } });
    expect(new Set(events.map(({ actor }) => actor)).size).toBe(1);
    expect(events[0]!.actor).toContain('@');
  });
});
