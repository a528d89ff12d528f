import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from 'duckdb';
import type { MemoryBudget } from '../memory/memory-budget.ts';

export interface InstanceOptions {
  /** What DuckDB may hold in memory, MiB; beyond it spills. */
  readonly memoryMb: number;
  /** Default: the processors there are, as far as its memory goes round. */
  readonly threads?: number | undefined;
  /** Folder to spill to; made if missing. The instance keeps to a folder of its own in it, removed on close. */
  readonly tempDir: string;
}

/** With less for each, threads of a sort overrun what they have together. */
const MB_PER_THREAD = 125;

/**
 * The options every instance needs. Without `statistics_propagation` disabled, a prepared statement that runs again after its tables
 * changed returns wrong rows (DuckDB 1.5.5 and 1.5.6; duckdb#24182); `run` with values prepares, too. Extensions are never downloaded.
 */
export const requiredDuckDbOptions = {
  disabled_optimizers: 'statistics_propagation',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
} as const;

/** A DuckDB instance, its administrative connection, and how many use it. */
export class OpenInstance {
  readonly instance: DuckDBInstance;
  readonly main: DuckDBConnection;
  readonly #spillDir: string;
  readonly #threads: number;
  #sessions = 0;
  /** How many want one thread. */
  #single = 0;
  #threadsSet: Promise<unknown> = Promise.resolve();
  /** The last of those that want the memory for themselves. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(instance: DuckDBInstance, main: DuckDBConnection, spillDir: string, threads: number) {
    this.instance = instance;
    this.main = main;
    this.#spillDir = spillDir;
    this.#threads = threads;
  }

  static async open({ memoryMb, threads, tempDir }: InstanceOptions): Promise<OpenInstance> {
    await mkdir(tempDir, { recursive: true });
    const spillDir = await mkdtemp(join(tempDir, 'duckdb-'));
    const used = threads ?? Math.max(1, Math.min(availableParallelism(), Math.floor(memoryMb / MB_PER_THREAD)));
    const instance = await DuckDBInstance.create(':memory:', {
      ...requiredDuckDbOptions,
      memory_limit: `${Math.max(64, Math.floor(memoryMb))}MiB`,
      temp_directory: spillDir,
      threads: String(used),
    });
    const main = await instance.connect();
    // Not an instance option: without it, casts to and from TIMESTAMPTZ follow the machine's zone.
    await main.run(`SET GLOBAL TimeZone = 'UTC'`);
    return new OpenInstance(instance, main, spillDir, used);
  }

  /** A name for one more session's database. */
  newSession(): string {
    this.#sessions++;
    return `session_${this.#sessions}`;
  }

  /** Runs `fn` while all queries have one thread; those of others, too: the setting is the instance's. */
  async withOneThread<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#single++ === 0) this.#setThreads(1);
    try {
      // Who comes while it is being set waits for it, too.
      await this.#threadsSet;
      return await fn();
    } finally {
      if (--this.#single === 0) this.#setThreads(this.#threads);
      await this.#threadsSet;
    }
  }

  /** After all that was set before; whoever asks next sets it anew, should this fail. */
  #setThreads(threads: number): void {
    this.#threadsSet = this.#threadsSet.catch(() => {}).then(() => this.main.run(`SET threads = ${threads}`));
    // It is told to those who wait for it.
    this.#threadsSet.catch(() => {});
  }

  /** Runs `fn` after all others that were asked to run alone: of queries that need most of the memory, two would leave neither enough. */
  alone<T>(fn: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(fn);
    // Whoever comes next only waits for the end of this one.
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** Frees memory and spill files. */
  async close(): Promise<void> {
    this.main.closeSync();
    this.instance.closeSync();
    await rm(this.#spillDir, { recursive: true, force: true });
  }
}

/** An instance for as long as somebody uses it. */
interface Shared {
  readonly opened: Promise<OpenInstance>;
  users: number;
}

const sharedBy = new WeakMap<MemoryBudget, Shared>();

/** A use of an instance, until it is given back. */
export interface InstanceLease {
  readonly opened: OpenInstance;
  /** Whose one instance it is; null for one of one's own. */
  readonly memory: MemoryBudget | null;
  giveBack(): Promise<void>;
}

/** The one instance of a budget, opened by the first who uses it and closed by the last. Its folder is the first one's. */
export async function leaseInstance(memory: MemoryBudget, tempDir: string): Promise<InstanceLease> {
  let shared = sharedBy.get(memory);
  if (shared === undefined) {
    shared = { opened: OpenInstance.open({ memoryMb: memory.shares.duckDbBytes / 2 ** 20, tempDir }), users: 0 };
    sharedBy.set(memory, shared);
  }
  const mine = shared;
  mine.users++;
  const leave = (): boolean => {
    mine.users--;
    if (mine.users > 0) return false;
    if (sharedBy.get(memory) === mine) sharedBy.delete(memory);
    return true;
  };
  try {
    const opened = await mine.opened;
    return {
      opened,
      memory,
      giveBack: async () => {
        if (leave()) await opened.close();
      },
    };
  } catch (error) {
    leave();
    throw error;
  }
}
