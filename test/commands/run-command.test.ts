/** A command is gone with all it started, whoever ends it and however the one that started it dies. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { markedProcesses } from '../../engine/commands/command-processes.ts';
import { type CommandOptions, runCommand } from '../../engine/commands/run-command.ts';
import { CommandPlace, lives } from './command-fixture.ts';

const CHILD = fileURLToPath(new URL('./command-child.ts', import.meta.url));
/** Three of them: itself, one in the background, one that left its session; the last two hold the output open. */
const FAMILY =
  "sleep 3600 & echo $! > background; setsid sh -c 'echo $$ > escaped; exec sleep 3600' & echo $$ > itself; while [ ! -s escaped ]; do sleep 0.05; done; echo ready; wait";

let place: CommandPlace;
beforeAll(() => {
  place = new CommandPlace();
});
afterAll(() => place.close());

const wait = { timeout: 60_000, interval: 50 };
const pidsOf = ({ cwd }: CommandOptions): number[] =>
  ['itself', 'background', 'escaped'].map((name) => Number(readFileSync(join(cwd, name), 'utf8')));
const until = async (condition: () => boolean): Promise<void> => void (await vi.waitUntil(condition, wait));

describe('a command', { timeout: 120_000 }, () => {
  it('has its output kept: the last lines at hand, and a file up to its bound that ends with them', async () => {
    const said: number[] = [];
    const asked = place.command(
      'for i in $(seq 1 500); do echo line $i; done; printf "50 %%\\r\\033[1m99 %%\\033[0m\\r" >&2; exit 3',
      {
        logMostBytes: 1_000,
        onOutput: ({ lineCount }) => said.push(lineCount),
      },
    );
    const end = await runCommand(asked);
    expect(end).toMatchObject({ by: 'itself', exitCode: 3, signal: null, logFault: null, overMemoryBytes: null });
    expect(end.tail.lineCount).toBe(501);
    expect(end.tail.lines).toHaveLength(40);
    expect(end.tail.lines.slice(-2)).toEqual(['line 500', '99 %']);
    expect(said.at(-1)).toBeGreaterThanOrEqual(500);
    const log = readFileSync(asked.logFile, 'utf8');
    expect(log.startsWith('line 1\nline 2\n')).toBe(true);
    expect(log).toMatch(/\[\d+ bytes left out; the last lines:\]\n(.*\n)*line 500\n99 %\n$/);
    expect(log.length).toBeLessThan(3_000);
  });

  it('gets the variables it is given and no others', async () => {
    process.env['DATABASE_URL'] ??= 'postgres://secret';
    const asked = place.command('env', { environment: { PATH: process.env['PATH'] ?? '', SEED: '7' } });
    const { tail } = await runCommand(asked);
    const names = tail.lines.map((line) => line.split('=')[0]).filter((name) => name !== '_' && name !== 'SHLVL');
    expect(names.sort()).toEqual(['MILLRACE_COMMAND', 'PATH', 'PWD', 'SEED']);
  });

  it('that cannot be started is refused by name', async () => {
    for (const program of ['no-such-program', './neither'])
      await expect(runCommand(place.command('', { program }))).rejects.toMatchObject({
        code: 'command-not-started',
        message: expect.stringContaining(program) as string,
      });
  });

  it('that ends leaves nothing in the background', async () => {
    const asked = place.command(FAMILY.replace('; wait', '; exit 0'));
    expect(await runCommand(asked)).toMatchObject({ by: 'itself', exitCode: 0 });
    await until(() => pidsOf(asked).every((pid) => !lives(pid)));
    expect(markedProcesses(asked.mark)).toEqual([]);
  });

  it('is ended with all it started once it is silent, or takes too long; what ignores SIGTERM is killed', async () => {
    const silent = place.command(`trap "" TERM; ${FAMILY}`, { silenceMs: 2_000 });
    const [end, late] = await Promise.all([
      runCommand(silent),
      runCommand(place.command('while true; do echo on; sleep 0.1; done', { timeoutMs: 2_000 })),
    ]);
    expect(end).toMatchObject({ by: 'silence', exitCode: null, signal: 'SIGKILL', tail: { lines: ['ready'] } });
    await until(() => pidsOf(silent).every((pid) => !lives(pid)));
    expect(late).toMatchObject({ by: 'timeout', signal: 'SIGTERM' });
  });

  it('is ended once all its processes hold more than they may', async () => {
    const script =
      'node -e "const held = []; setInterval(() => { held.push(Buffer.alloc(8 << 20, 1)); console.log(held.length); }, 20)"';
    const end = await runCommand(place.command(script, { memoryBytes: 200 * 2 ** 20 }));
    expect(end).toMatchObject({ by: 'memory', signal: 'SIGTERM' });
    expect(end.overMemoryBytes).toBeGreaterThan(200 * 2 ** 20);
  });

  it('is ended by its signal, with its reason', async () => {
    const abort = new AbortController();
    const asked = place.command(FAMILY, {
      signal: abort.signal,
      onOutput: () => abort.abort(new Error('the worker stops')),
    });
    await expect(runCommand(asked)).rejects.toThrow('the worker stops');
    await until(() => pidsOf(asked).every((pid) => !lives(pid)));
    await expect(runCommand(asked)).rejects.toThrow('the worker stops');
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('is gone when who started it is ended by %s', async (signal) => {
    const asked = place.command(FAMILY);
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, JSON.stringify(asked)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    await until(() => existsSync(join(asked.cwd, 'itself')) && readFileSync(asked.logFile, 'utf8') === 'ready\n');
    const pids = pidsOf(asked);
    expect(pids.map(lives)).toEqual([true, true, true]);
    expect(markedProcesses(asked.mark).sort()).toEqual(expect.arrayContaining([...pids].sort()));
    child.kill(signal);
    await gone;
    await until(() => pids.every((pid) => !lives(pid)));
  });

  it('is gone when its guard is killed, and that is its end', async () => {
    const asked = place.command(FAMILY);
    const running = runCommand(asked);
    await until(() => existsSync(asked.logFile) && readFileSync(asked.logFile, 'utf8') === 'ready\n');
    const pids = pidsOf(asked);
    const stat = readFileSync(`/proc/${pids[0]}/stat`, 'utf8');
    process.kill(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]), 'SIGKILL');
    expect(await running).toMatchObject({ by: 'itself', exitCode: null, signal: 'SIGKILL' });
    await until(() => pids.every((pid) => !lives(pid)));
  });
});
