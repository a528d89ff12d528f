import { type ChildProcess, fork } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type AnyErrorCode, receivedCode } from '../engine/errors/error-codes.ts';
import { readEnvironment } from '../config/environment.ts';
import { memoryFlags } from '../config/worker-memory.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { ownModule } from '../engine/installation/own-module.ts';

const RESTART_AFTER_MS = 1_000;
const STOP_WITHIN_MS = 30_000;
const WARN = 40;

interface WorkerMessage {
  readonly ready?: boolean;
  readonly failed?: { readonly message: string; readonly code?: string; readonly remedy?: string };
}

/** What a worker process is started with. */
export interface WorkerProcessOptions {
  /** All variables it gets. */
  readonly variables: NodeJS.ProcessEnv;
  /** Its whole log; without it the log is dropped but for warnings and errors. */
  readonly logFile: string | null;
  /** Receives a line for each warning and error, and for each restart. */
  readonly onLine: (line: string) => void;
}

/** A worker in a process of its own, started again should it die, until it is told to stop. */
export class WorkerProcess {
  readonly #options: WorkerProcessOptions;
  readonly #log: WriteStream | null;
  #child: ChildProcess | null = null;
  #stopping = false;

  private constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.#log = options.logFile === null ? null : createWriteStream(options.logFile, { flags: 'a' });
  }

  /** Resolves when the worker takes work. Throws what it failed with. */
  static async start(options: WorkerProcessOptions): Promise<WorkerProcess> {
    const worker = new WorkerProcess(options);
    await worker.#launch();
    return worker;
  }

  /** Its process id while it runs, for fault tests. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Lets it finish what it is at, and resolves when it is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
      child.kill('SIGTERM');
      await gone;
      clearTimeout(timer);
    }
    this.#log?.end();
  }

  async #launch(): Promise<void> {
    const child = fork(fileURLToPath(ownModule('../worker', import.meta.url)), [], {
      env: { ...this.#options.variables, NODE_NO_WARNINGS: '1' },
      execArgv: [...process.execArgv, ...memoryFlags(readEnvironment(this.#options.variables).memoryMb)],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#logged(line));
    }
    try {
      await started(child);
    } catch (error) {
      // Whatever it hangs in, it must not outlive us.
      child.kill('SIGKILL');
      throw error;
    }
    child.once('exit', (code, signal) => {
      if (!this.#stopping) void this.#restart(`the worker ended (${signal ?? `exit code ${code}`})`);
    });
  }

  async #restart(why: string): Promise<void> {
    for (;;) {
      this.#options.onLine(`${why}; starting it again`);
      await delay(RESTART_AFTER_MS);
      if (this.#stopping) return;
      try {
        return await this.#launch();
      } catch (error) {
        why = `the worker did not start: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
  }

  #logged(line: string): void {
    this.#log?.write(`${line}\n`);
    const entry = parsed(line);
    if (entry === null) this.#options.onLine(`worker: ${line}`);
    else if (entry.level >= WARN) this.#options.onLine(`worker: ${entry.msg}`);
  }
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (code: AnyErrorCode, message: string, remedy: string): void =>
      reject(new MillraceError(code, message, { remedy, httpStatus: 500 }));
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      refuse(
        'worker-did-not-start',
        `the worker ended before it was ready (${signal ?? `exit code ${code}`})`,
        'Read the worker log.',
      ),
    );
    child.on('message', (message: WorkerMessage) => {
      if (message.ready === true) {
        child.removeAllListeners('exit');
        resolve();
      }
      const { failed } = message;
      if (failed !== undefined)
        refuse(
          receivedCode(failed.code ?? 'worker-did-not-start'),
          failed.message,
          failed.remedy ?? 'Read the worker log.',
        );
    });
  });
}

function parsed(line: string): { readonly level: number; readonly msg: string } | null {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null || !('level' in entry) || !('msg' in entry)) return null;
    return { level: Number(entry.level), msg: String(entry.msg) };
  } catch {
    return null;
  }
}
