import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { CliRun, type CliResult, runCli } from './run-cli.ts';

const TIMEOUT_MS = 180_000;
const BROKEN_PIPE = 141;

/** Which of a command's streams lead into a pipe that nobody reads. */
const REDIRECTIONS = { stdout: '', stderr: '2>&1 >"$OUT"', both: '2>&1' } as const;

let world: ClicksWorld;
let folder: string;
let variables: NodeJS.ProcessEnv;
let dev: CliRun;

beforeAll(async () => {
  world = await ClicksWorld.open(inject('stack'), `cli-pipes-${process.pid}`);
  world.writeHistory(world.make(500));
  await world.send([...world.make(100), { ...world.make(1)[0]!, at: 'yesterday' }]);
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-pipes-'));
  variables = { ...world.variables, MILLRACE_DATA_DIR: join(folder, 'data') };
  dev = new CliRun(['dev'], variables);
  await dev.printed('ready; Ctrl-C stops all');
}, TIMEOUT_MS);
afterAll(async () => {
  dev?.interrupt();
  await dev?.ended;
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command in a shell's pipeline; what is left is its own exit status, and what it said where somebody still reads. */
async function piped(
  args: readonly string[],
  { closed = 'stdout', reader = ':' }: { closed?: keyof typeof REDIRECTIONS; reader?: string } = {},
): Promise<CliResult> {
  const files = { STATUS: join(folder, 'status'), OUT: join(folder, 'out') };
  const script = `{ "$@" ${REDIRECTIONS[closed]}; echo "$?" >"$STATUS"; } | ${reader}`;
  const shell = spawn('/bin/sh', ['-c', script, 'sh', process.execPath, resolve('cli/bin.mjs'), ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_NO_WARNINGS: '1', ...variables, ...files },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  shell.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  shell.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(shell, 'close');
  if (closed === 'stderr') stdout = readFileSync(files.OUT, 'utf8');
  return { exitCode: Number(readFileSync(files.STATUS, 'utf8')), stdout, stderr };
}

/** No stack trace, and no word of the pipe. */
function expectQuiet({ stderr }: CliResult): void {
  expect(stderr).not.toMatch(/EPIPE|node:internal|^ +at /m);
}

describe('commands that do something do it, whoever listens', { timeout: TIMEOUT_MS }, () => {
  it('start --wait publishes without a reader of anything', async () => {
    expect((await piped(['start', world.view, '--wait'], { closed: 'both' })).exitCode).toBe(BROKEN_PIPE);
    const again = await runCli(['status', world.view, '--json'], variables);
    expect(JSON.parse(again.stdout)).toMatchObject({ phase: 'published' });
  });

  it('promote --wait streams, and tells who still listens', async () => {
    const promoted = await piped(['promote', world.view, '--wait'], { closed: 'stderr' });
    expect(promoted.exitCode).toBe(0);
    expect(promoted.stdout).toContain('streaming');
  });

  it('export writes the whole file, and its manifest', async () => {
    const spine = join(folder, 'spine.csv');
    writeFileSync(spine, 'person,event_timestamp\nu1,2026-01-01T05:00:00Z\nu2,2026-01-01T06:00:00Z\n');
    const out = join(folder, 'train.parquet');
    const args = ['export', '--service', `${world.view}_service`, '--spine', spine, '--out', out];
    const exported = await piped(args);
    expectQuiet(exported);
    expect(exported.exitCode).toBe(BROKEN_PIPE);
    expect(JSON.parse(readFileSync(`${out}.manifest.json`, 'utf8'))).toMatchObject({ rows: 2 });
    expect(existsSync(out)).toBe(true);
    // An error is an error, listened to or not.
    const refused = await piped([...args, '--json']);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('error out-exists');
    expect((await piped(args, { closed: 'both' })).exitCode).toBe(1);
  });
});

describe('commands that only say something end quietly', { timeout: TIMEOUT_MS }, () => {
  const commands = (): string[][] => {
    const { view, source } = world;
    return [
      ['--help'],
      ['plan'],
      ['status'],
      ['status', view],
      ['get', view, 'person=u1'],
      ['explain', view, 'person=u1'],
      ['audit', view],
      ['log', source],
      ['log', '--commits', view],
      ['dead-letters', view],
      ['archive', source],
      ['pause', view],
      ['resume', view, '--wait'],
    ];
  };

  it.each(['stdout', 'both'] as const)('without a reader of %s', async (closed) => {
    for (const args of commands()) {
      const ended = await piped(args, { closed });
      expectQuiet(ended);
      // Some say all they have to say on standard error, or leave before the pipe is seen to be broken.
      const silent = args[0] === '--help' || args[0] === 'archive';
      expect([args, ended.exitCode]).toEqual([args, silent ? expect.any(Number) : BROKEN_PIPE]);
    }
  });

  it.each([[], ['--json']])('for a reader of the first line (%j)', async (...more) => {
    for (const args of commands().slice(1)) {
      const ended = await piped([...args, ...more], { reader: 'head -1' });
      expectQuiet(ended);
      expect([args, ended.exitCode]).toEqual([args, expect.toBeOneOf([0, BROKEN_PIPE])]);
    }
  });
});

describe('commands that run until they are stopped stop', { timeout: TIMEOUT_MS }, () => {
  it.each(['stdout', 'both'] as const)('dev without a reader of %s', async (closed) => {
    variables = { ...variables, MILLRACE_DATA_DIR: join(folder, `data-${closed}`) };
    const ended = await piped(['dev'], { closed });
    expect(ended.exitCode).toBe(BROKEN_PIPE);
    expectQuiet(ended);
    if (closed === 'stdout') expect(ended.stderr).toContain('stopped');
  });

  it('demo, with all it started', async () => {
    variables = { MILLRACE_CACHE_DIR: process.env['MILLRACE_CACHE_DIR'], TMPDIR: folder };
    const ended = await piped(['demo']);
    expectQuiet(ended);
    expect(ended.exitCode).toBe(BROKEN_PIPE);
    expect(ended.stderr).toMatch(/stopping\s*$/);
  });
});
