import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../cli/bin.mjs', import.meta.url));

/** What a finished command left. */
export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way. */
export class CliRun {
  stdout = '';
  stderr = '';
  readonly ended: Promise<CliResult>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], variables: NodeJS.ProcessEnv, cwd?: string) {
    this.#child = spawn(process.execPath, [BIN, ...args], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_NO_WARNINGS: '1', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (exitCode) => resolve({ exitCode, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Resolves when standard output has `text`; throws when the command ends before. */
  async printed(text: string): Promise<void> {
    await this.#has('stdout', text);
  }

  /** The same of standard error. */
  async told(text: string): Promise<void> {
    await this.#has('stderr', text);
  }

  async #has(stream: 'stdout' | 'stderr', text: string): Promise<void> {
    const seen = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this[stream].includes(text)) resolve();
      };
      this.#child[stream]?.on('data', look);
      look();
    });
    const early = this.ended.then(({ exitCode, stderr }) => {
      throw new Error(`the command ended with ${exitCode} before it said "${text}":\n${stderr}`);
    });
    await Promise.race([seen, early]);
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** As the kernel ends it: it can do nothing more. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Runs a command to its end. */
export async function runCli(args: readonly string[], variables: NodeJS.ProcessEnv, cwd?: string): Promise<CliResult> {
  return await new CliRun(args, variables, cwd).ended;
}
