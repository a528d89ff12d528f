import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MillraceError } from '../errors/millrace-error.ts';
import { childEnvironment } from '../installation/child-environment.ts';
import { ownModule } from '../installation/own-module.ts';
import { killMarked, signalGroup } from './command-processes.ts';
import type { GuardOrder, GuardReport } from './guard-order.ts';
import { OutputKeeper, type OutputTail } from './output-keeper.ts';

const GRACE_MS = 5_000;
const LOOK_EVERY_MS = 250;
/** What left the command's group may hold its output open: it is not waited for. */
const OUTPUT_WITHIN_MS = 2_000;

export interface CommandOptions {
  /** Found by PATH of `environment`, or a path from `cwd`. */
  readonly program: string;
  readonly args: readonly string[];
  /** Its own, made for the run. */
  readonly cwd: string;
  /** All variables it gets. */
  readonly environment: Readonly<Record<string, string>>;
  /** What its processes are known by; no other run has it. */
  readonly mark: string;
  /** It is ended once it has said nothing for so long. */
  readonly silenceMs: number;
  readonly timeoutMs: number;
  /** It is ended once its processes together hold more; null: no limit. */
  readonly memoryBytes: number | null;
  /** Gets all it says, up to `logMostBytes`. */
  readonly logFile: string;
  readonly logMostBytes: number;
  readonly onOutput?: ((tail: OutputTail) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Why a command came to its end. */
export type CommandEndedBy = 'itself' | 'silence' | 'timeout' | 'memory';

/** How a command ended. */
export interface CommandEnd {
  readonly by: CommandEndedBy;
  readonly exitCode: number | null;
  /** By which it was ended: by us, or by the system. */
  readonly signal: string | null;
  readonly tail: OutputTail;
  /** What it held as it was ended for it; null: it was not. */
  readonly overMemoryBytes: number | null;
  /** Why not all of its output stands in the log; null: it does. */
  readonly logFault: string | null;
  readonly seconds: number;
}

/**
 * Runs a command to its end, whichever that is; it is gone with all it started when this settles, and when this process dies.
 *
 * @throws MillraceError `command-not-started`; the signal's reason where that is aborted
 * @example
 * const { exitCode, tail } = await runCommand({ program: 'python', args: ['train.py'], cwd, environment, mark: randomUUID(), silenceMs: 600_000, timeoutMs: 3_600_000, memoryBytes: null, logFile, logMostBytes: 2 ** 26 });
 */
export async function runCommand(options: CommandOptions): Promise<CommandEnd> {
  const { signal, silenceMs, timeoutMs, onOutput, mark } = options;
  signal?.throwIfAborted();
  const output = new OutputKeeper(options.logFile, options.logMostBytes);
  const startedMs = performance.now();
  const guard = new Guard(options);
  let saidMs = startedMs;
  for (const [stream, readable] of guard.outputs)
    readable.on('data', (chunk: Buffer) => {
      saidMs = performance.now();
      output.take(stream, chunk);
      onOutput?.(output.tail());
    });
  let by: CommandEndedBy = 'itself';
  const end = (why: CommandEndedBy): void => {
    if (by !== 'itself') return;
    by = why;
    guard.end();
  };
  const looking = setInterval(() => {
    const nowMs = performance.now();
    if (nowMs - startedMs >= timeoutMs) end('timeout');
    else if (nowMs - saidMs >= silenceMs) end('silence');
  }, LOOK_EVERY_MS);
  const abort = (): void => guard.end();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const ended = await guard.ended;
    if (ended.overMemoryBytes !== null) by = 'memory';
    const logFault = await output.close();
    signal?.throwIfAborted();
    if (ended.notStarted !== null) throw notStarted(options.program, ended.notStarted);
    return {
      by,
      exitCode: ended.exitCode,
      signal: ended.signal,
      overMemoryBytes: ended.overMemoryBytes,
      tail: output.tail(),
      logFault: logFault?.message ?? null,
      seconds: (performance.now() - startedMs) / 1000,
    };
  } finally {
    clearInterval(looking);
    signal?.removeEventListener('abort', abort);
    // Where the guard itself was killed nobody else would.
    killMarked(mark);
  }
}

interface GuardEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly overMemoryBytes: number | null;
  readonly notStarted: string | null;
}

/** The process that runs the command, and ends it when our end of its input goes. */
class Guard {
  readonly ended: Promise<GuardEnd>;
  readonly outputs: readonly (readonly [string, Readable])[];
  readonly #process: ChildProcess;
  #group: number | null = null;

  constructor({ program, args, cwd, environment, mark, memoryBytes }: CommandOptions) {
    const script = fileURLToPath(ownModule('./command-guard', import.meta.url));
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--max-old-space-size=32', script],
      { cwd, env: childEnvironment(), detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] },
    );
    this.#process = child;
    const order: GuardOrder = { program, args, cwd, environment, mark, memoryBytes, graceMs: GRACE_MS };
    // One that is gone already is told by its end.
    child.stdin.on('error', () => undefined);
    child.stdin.write(`${JSON.stringify(order)}\n`);
    this.outputs = [
      ['out', child.stdout],
      ['err', child.stderr],
    ];
    this.ended = this.#watch(child.stdio[3] as Readable);
  }

  /** Asks it to end the command. */
  end(): void {
    this.#process.stdin?.end();
  }

  async #watch(reports: Readable): Promise<GuardEnd> {
    let end: GuardEnd = { exitCode: null, signal: null, overMemoryBytes: null, notStarted: null };
    let isTold = false;
    createInterface({ input: reports }).on('line', (line) => {
      const report = JSON.parse(line) as GuardReport;
      if ('started' in report) this.#group = report.started;
      else if ('overMemoryBytes' in report) end = { ...end, overMemoryBytes: report.overMemoryBytes };
      else {
        isTold = true;
        end = 'ended' in report ? { ...end, ...report.ended } : { ...end, notStarted: report.notStarted };
      }
    });
    const gone = Promise.withResolvers<void>();
    this.#process.once('error', (error) => {
      isTold = true;
      end = { ...end, notStarted: error.message };
      gone.resolve();
    });
    const closed = new Promise<void>((resolve) => this.#process.once('close', () => resolve()));
    this.#process.once('exit', () => gone.resolve());
    await gone.promise;
    // A guard that was killed left the command behind.
    if (!isTold && this.#group !== null) signalGroup(this.#group, 'SIGKILL');
    const late = new AbortController();
    await Promise.race([
      closed,
      delay(OUTPUT_WITHIN_MS, undefined, { signal: late.signal, ref: false }).catch(() => undefined),
    ]);
    late.abort();
    for (const [, readable] of this.outputs) readable.destroy();
    if (!isTold) end = { ...end, signal: end.signal ?? 'SIGKILL' };
    return end;
  }
}

function notStarted(program: string, why: string): MillraceError {
  return new MillraceError('command-not-started', `the command cannot be started: ${program}: ${why}`, {
    remedy:
      'Name a program that the PATH of the worker has, or one of the folder by its path, as ./train.sh, which may be run (chmod +x).',
  });
}
