/**
 * Stands between a worker and a command, as a process of its own: runs the order that is its standard input's first line, and ends the command with all it
 * started when that input ends, however the worker came to its end. Tells what happens over file descriptor 3 (`GuardReport`).
 */
import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { groupMemoryBytes, killMarked, signalGroup } from './command-processes.ts';
import { type GuardOrder, type GuardReport, MARK_VARIABLE } from './guard-order.ts';

const LOOK_EVERY_MS = 500;

function tell(report: GuardReport): void {
  try {
    writeSync(3, `${JSON.stringify(report)}\n`);
  } catch {
    // Nobody is there to be told: the command is ended all the same.
  }
}

function run(order: GuardOrder, abandoned: Promise<void>): void {
  const { program, args, cwd, environment, mark, memoryBytes, graceMs } = order;
  const child = spawn(program, args, {
    cwd,
    env: { ...environment, [MARK_VARIABLE]: mark },
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  child.once('error', (error: NodeJS.ErrnoException) => {
    if (child.pid !== undefined) return;
    tell({ notStarted: error.message, code: error.code ?? null });
    process.exit(0);
  });
  const { pid } = child;
  if (pid === undefined) return;
  tell({ started: pid });
  let isEnding = false;
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    signalGroup(pid, 'SIGTERM');
    setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs).unref();
  };
  void abandoned.then(end);
  if (memoryBytes !== null)
    setInterval(() => {
      const held = groupMemoryBytes(pid);
      if (held <= memoryBytes || isEnding) return;
      tell({ overMemoryBytes: held });
      end();
    }, LOOK_EVERY_MS).unref();
  child.once('exit', (exitCode, signal) => {
    // What it left in the background is not waited for.
    signalGroup(pid, 'SIGKILL');
    killMarked(mark);
    tell({ ended: { exitCode, signal } });
    process.exit(0);
  });
}

// The pipe to a worker that is gone is no reason to end before the command does.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => undefined);
const lines = createInterface({ input: process.stdin });
const gone = Promise.withResolvers<void>();
lines.once('line', (line) => run(JSON.parse(line) as GuardOrder, gone.promise));
lines.once('close', () => gone.resolve());
