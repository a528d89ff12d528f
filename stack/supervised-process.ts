import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { identityOf, isAlive, type ProcessIdentity } from '../config/process-identity.ts';

/**
 * The supervisor: runs the command and ends it once its own standard input closes, which happens when we ask for it and
 * just as surely when we are killed, whatever the signal. `sh` rather than Node: it weighs nothing, needs no file that an
 * unprivileged user could not read, and survives a `killall node`. Its last act is to end its own process group, so that
 * nothing the command left there stays. File descriptor 3 tells us the command's process id, then its exit code; once we are
 * dead, writing there must not kill the supervisor.
 */
const SUPERVISOR = `
signal=$1; grace=$2; shift 2
exec 4<&0 </dev/null
"$@" 3>&- 4<&- &
child=$!
trap '' PIPE
echo "$child" >&3 2>/dev/null
(
  while read -r _; do :; done
  kill -s "$signal" "$child"
  while [ "$grace" -gt 0 ]; do sleep 1; grace=$((grace - 1)); done
  kill -s KILL "$child"
) <&4 3>&- 2>/dev/null &
exec 4<&-
wait "$child"
code=$?
echo "$code" >&3 2>/dev/null
kill -s KILL 0
`;

export interface SupervisedOptions {
  /** For messages: the service or step this is. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Receives standard output and standard error; the previous run's becomes `<logFile>.previous`. */
  readonly logFile: string;
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number } | null;
  /** What asks the command to end. Default TERM. */
  readonly stopSignal?: 'TERM' | 'INT';
  /** Whole seconds until a command that was asked to end is killed. Default 15. */
  readonly graceSeconds?: number;
}

export interface SupervisedProcess {
  readonly identity: ProcessIdentity;
  /** The exit code (128 + n after signal n), once it has ended; never rejects. */
  readonly exited: Promise<number>;
  /** Asks it to end, kills it after the grace period, and resolves when it is gone. Safe to call twice. */
  stop(): Promise<number>;
}

/**
 * Starts a command in a process group of its own (a terminal's Ctrl-C does not reach it) that ends when this process does,
 * even by SIGKILL.
 *
 * @throws MillraceError `cannot-start-process`
 */
export async function startSupervised(options: SupervisedOptions): Promise<SupervisedProcess> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  if (existsSync(options.logFile)) renameSync(options.logFile, `${options.logFile}.previous`);
  const log = openSync(options.logFile, 'w');
  let supervisor: ChildProcess;
  try {
    supervisor = spawn(
      '/bin/sh',
      [
        '-c',
        SUPERVISOR,
        `millrace-${options.name}`,
        options.stopSignal ?? 'TERM',
        String(options.graceSeconds ?? 15),
        options.command,
        ...options.args,
      ],
      {
        cwd: options.cwd ?? '/',
        env: options.env,
        detached: true,
        stdio: ['pipe', log, log, 'pipe'],
        ...(options.user ? { uid: options.user.uid, gid: options.user.gid } : {}),
      },
    );
  } finally {
    closeSync(log);
  }
  const report = readReport(supervisor);
  const pid = await report.pid.catch((cause: unknown) => {
    throw new MillraceError(
      'cannot-start-process',
      `${options.name}: cannot start ${options.command}: ${String(cause)}`,
      {
        remedy: 'Check that /bin/sh exists and that this user may start processes.',
        httpStatus: 500,
        cause,
      },
    );
  });
  const identity = identityOf(pid);
  const exited = report.exitCode.then((code) => {
    // Without a code the supervisor itself was killed, and can no longer end what it watched.
    if (code === null && isAlive(identity)) process.kill(pid, 'SIGKILL');
    return code ?? 137;
  });
  return {
    identity,
    exited,
    stop: () => {
      supervisor.stdin?.end();
      return exited;
    },
  };
}

function readReport(supervisor: ChildProcess): { pid: Promise<number>; exitCode: Promise<number | null> } {
  const pid = Promise.withResolvers<number>();
  const exitCode = Promise.withResolvers<number | null>();
  let received = '';
  const pipe = supervisor.stdio[3];
  pipe?.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    const end = received.indexOf('\n');
    if (end >= 0) pid.resolve(Number(received.slice(0, end)));
  });
  // Writing to a supervisor that has just ended is no failure: its exit is what counts.
  supervisor.stdin?.on('error', () => undefined);
  supervisor.once('error', pid.reject);
  supervisor.once('close', () => {
    pid.reject(new Error('the supervisor ended before it started the command'));
    const code = received.split('\n')[1];
    exitCode.resolve(code ? Number(code) : null);
  });
  return { pid: pid.promise, exitCode: exitCode.promise };
}

/** The last lines of a log, for an error message. */
export function logTail(logFile: string, lines = 12): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log)';
  }
}
