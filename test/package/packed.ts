import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { lockPacking } from '../../demo/loop/packing-lock.ts';

export const ROOT = join(import.meta.dirname, '../..');
const OURS =
  /^(?:DATABASE_URL$|KAFKA|TEMPORAL_|MILLRACE_(?!CACHE_DIR$)|NODE_(?!EXTRA_CA_CERTS$)|npm_(?!config_registry$)|VITEST)/;

/** What `npm pack` tells of the package. */
export interface Packed {
  readonly path: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** How a program ended. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user's folder, outside the clone, with one Node first on PATH and none of our variables. */
export class UserFolder {
  readonly path: string;
  readonly #node: string;
  readonly #variables: NodeJS.ProcessEnv;

  constructor(path: string, variables: NodeJS.ProcessEnv = {}, node = process.execPath) {
    this.path = path;
    this.#variables = variables;
    this.#node = node;
    mkdirSync(path, { recursive: true });
  }

  /** The same folder with more variables, or another Node. */
  with(variables: NodeJS.ProcessEnv, node = this.#node): UserFolder {
    return new UserFolder(this.path, { ...this.#variables, ...variables }, node);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    writeFileSync(join(this.path, path), text);
  }

  /** Runs a program to its end, whatever its status. */
  async run(command: string, args: readonly string[]): Promise<Ended> {
    try {
      const { stdout, stderr } = await promisify(execFile)(command, args, {
        cwd: this.path,
        env: this.#environment(),
        maxBuffer: 64 << 20,
      });
      return { status: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: unknown; stdout: string; stderr: string };
      if (typeof code !== 'number') throw error;
      return { status: code, stdout, stderr };
    }
  }

  /** The installed command line. */
  millrace(...args: string[]): Promise<Ended> {
    return this.run(join(this.path, 'node_modules/.bin/millrace'), args);
  }

  /** The same, and it goes on until it is stopped. */
  start(...args: string[]): RunningCommand {
    const bin = join(this.path, 'node_modules/.bin/millrace');
    return new RunningCommand(spawn(bin, args, { cwd: this.path, env: this.#environment() }));
  }

  /** Runs a program that has to succeed. */
  async done(command: string, ...args: string[]): Promise<void> {
    const { status, stdout, stderr } = await this.run(command, args);
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  }

  /** Installs with npm what package.json names. */
  install(): Promise<void> {
    return this.done('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline');
  }

  #environment(): NodeJS.ProcessEnv {
    const others = Object.entries(process.env).filter(([name]) => !OURS.test(name));
    const { PATH = '', ...rest } = Object.fromEntries(others);
    return { ...rest, PATH: `${dirname(this.#node)}:${PATH}`, ...this.#variables };
  }
}

/** A command that runs until it is stopped. */
export class RunningCommand {
  #output = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
  }

  /** All that it has said so far. */
  get output(): string {
    return this.#output;
  }

  /** The first match in what it has said so far or will say. Throws with all of it where it ends before. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve) => {
      const look = (): void => {
        const match = pattern.exec(this.#output);
        if (match !== null) resolve(match);
      };
      for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.on('data', look);
      look();
    });
    const early = this.#ended.then((status) => {
      throw new Error(`it ended with ${status} before it said ${pattern}:\n${this.#output}`);
    });
    return await Promise.race([found, early]);
  }

  /** Tells it to stop, and gives its exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return await this.#ended;
  }

  /** Ends it whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended.catch(() => null);
  }
}

/** A folder for users' folders, and what removes it. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'millrace-packed-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Builds and packs the clone as a release would be. One at a time: each build begins with taking away what the one before made. */
export async function pack(folder: string): Promise<Packed> {
  const clone = new UserFolder(ROOT);
  const lock = await lockPacking(ROOT);
  const { status, stdout, stderr } = await clone
    .run('npm', ['pack', '--json', '--pack-destination', folder])
    .finally(() => lock.release());
  if (status !== 0) throw new Error(`npm pack failed:\n${stdout}${stderr}`);
  // What the build says stands before it.
  const [told] = JSON.parse(stdout.slice(stdout.search(/^\[/m))) as [
    { readonly filename: string; readonly unpackedSize: number; readonly files: Packed['files'] },
  ];
  return { path: join(folder, told.filename), unpackedSize: told.unpackedSize, files: told.files };
}

/** Runs the packed `init` before anything is installed: with the packages of the clone, which are the same. */
export async function newProject(folder: string, packed: Packed, name: string): Promise<UserFolder> {
  const first = new UserFolder(join(folder, 'first'));
  first.write('package.json', JSON.stringify({ dependencies: { millrace: `file:${packed.path}` } }));
  const home = join(first.path, 'node_modules/millrace');
  mkdirSync(home, { recursive: true });
  await first.done('tar', '-xzf', packed.path, '-C', home, '--strip-components=1');
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
  await first.done('node', join(home, 'cli/bin.mjs'), 'init', name);
  return new UserFolder(join(first.path, name), { MILLRACE_DATA_DIR: join(folder, 'state') });
}
