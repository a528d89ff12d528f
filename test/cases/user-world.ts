import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { createTestDatabase } from '../../stack/test-stack.ts';
import { type CliResult, runCli } from '../cli/run-cli.ts';
import type { StackAddresses } from '../global-setup.ts';

const WORKER = fileURLToPath(new URL('../../worker.ts', import.meta.url));
const HEAD = `import { decimal, entity, epoch, featureService, featureView, source } from 'millrace';\nimport { z } from 'zod';\n`;

/** What a user has: a folder of definitions and files, the services, a worker, and the command line. */
export class UserWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-user-'));
  readonly pool: pg.Pool;
  readonly variables: NodeJS.ProcessEnv;
  readonly #drop: () => Promise<void>;
  #worker: ChildProcess | null = null;

  private constructor(stack: StackAddresses, databaseUrl: string, drop: () => Promise<void>) {
    this.pool = createPool(databaseUrl, { max: 2, applicationName: 'test' });
    this.#drop = drop;
    this.variables = {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      DATABASE_URL: databaseUrl,
      KAFKA_BROKERS: stack.kafkaBrokers.join(','),
      TEMPORAL_ADDRESS: stack.temporalAddress,
      TEMPORAL_NAMESPACE: stack.temporalNamespace,
      MILLRACE_TASK_QUEUE: `cases-${randomUUID()}`,
      MILLRACE_FEATURES: join(this.folder, 'features'),
      MILLRACE_DATA_DIR: join(this.folder, 'state'),
      MILLRACE_ARCHIVE_DIR: join(this.folder, 'archive'),
      MILLRACE_SERVED_SAMPLE: '0',
      MILLRACE_LOG_LEVEL: 'warn',
    };
  }

  /** With these definitions, each the text of a module after its imports. */
  static async open(stack: StackAddresses, definitions: Readonly<Record<string, string>>): Promise<UserWorld> {
    const database = await createTestDatabase(stack.databaseUrl);
    await migrateToLatest(database.databaseUrl);
    const world = new UserWorld(stack, database.databaseUrl, () => database.drop());
    for (const [name, text] of Object.entries(definitions)) world.write(`features/${name}.ts`, HEAD + text);
    world.write(
      'features/index.ts',
      Object.keys(definitions)
        .map((name) => `export * from './${name}.ts';\n`)
        .join(''),
    );
    return world;
  }

  /** Writes a file below the user's folder; gives its path. */
  write(name: string, content: string | Buffer): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  has(name: string): boolean {
    return existsSync(join(this.folder, name));
  }

  /** Runs a command to its end. */
  async millrace(...args: string[]): Promise<CliResult> {
    return await runCli(args, this.variables, this.folder);
  }

  /** What a command prints for machines. */
  async json(...args: string[]): Promise<unknown> {
    const { stdout, stderr } = await this.millrace(...args, '--json');
    if (stdout.trim() === '') throw new Error(`millrace ${args.join(' ')} printed nothing: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** Starts a worker that may hold so many files open, and waits until it takes work. */
  async startWorker(handles = 4096, more: NodeJS.ProcessEnv = {}): Promise<void> {
    const limited = ['-c', `ulimit -n ${handles} && exec "$@"`, 'sh', process.execPath, WORKER];
    const worker = spawn('/bin/sh', limited, {
      env: { ...this.variables, NODE_NO_WARNINGS: '1', ...more },
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#worker = worker;
    let said = '';
    worker.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ready = new Promise<void>((resolve, reject) => {
      worker.on('message', (message: { readonly ready?: boolean; readonly failed?: { readonly message: string } }) => {
        if (message.ready === true) resolve();
        if (message.failed !== undefined) reject(new Error(message.failed.message));
      });
      worker.once('exit', (code) => reject(new Error(`the worker ended with ${code}: ${said}`)));
    });
    await ready;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker !== null && worker.exitCode === null) {
      const gone = once(worker, 'exit');
      worker.kill('SIGTERM');
      await gone;
    }
    await this.pool.end();
    await this.#drop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
