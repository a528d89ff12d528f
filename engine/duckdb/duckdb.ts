import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance, type DuckDBValue } from 'duckdb';
import { MillraceError } from '../errors/millrace-error.ts';
import { isNamed } from '../faults/fault.ts';
import { faultError, faultOf, symptomsOf } from '../faults/fault-table.ts';

export interface DuckDbOptions {
  /** What DuckDB may hold in memory, MiB; beyond it spills. */
  readonly memoryMb: number;
  /** Default: the processors there are. */
  readonly threads?: number | undefined;
  /** Folder to spill to; made if missing. The instance keeps to a folder of its own in it, removed on close. */
  readonly tempDir: string;
}

/**
 * One private DuckDB, in memory and spilling: the scan, dedupe, sort and spill engine. The only place that opens DuckDB, so that every
 * instance has the options its correctness depends on.
 */
export class DuckDb {
  readonly #instance: DuckDBInstance;
  readonly #main: DuckDBConnection;
  readonly #spillDir: string;
  #names = 0;
  #closed = false;

  constructor(instance: DuckDBInstance, main: DuckDBConnection, spillDir: string) {
    this.#instance = instance;
    this.#main = main;
    this.#spillDir = spillDir;
  }

  /** Runs one statement or several, aborted with the signal. Values are bound by position. */
  async run(sql: string, values: DuckDBValue[] = [], signal?: AbortSignal): Promise<void> {
    await this.#interruptible(this.#main, signal, () => this.#main.run(sql, values));
  }

  /**
   * The rows of a small result, as objects with DuckDB's own values (BIGINT: bigint).
   *
   * @example
   * const [row] = await duckdb.query<{ n: bigint }>('SELECT count(*) AS n FROM t');
   */
  async query<Row>(sql: string, values: DuckDBValue[] = [], signal?: AbortSignal): Promise<Row[]> {
    const result = await this.#interruptible(this.#main, signal, () => this.#main.runAndReadAll(sql, values));
    return result.getRowObjects() as Row[];
  }

  /**
   * Streams a large result chunk by chunk, on a connection of its own. The next chunk is made while the caller works on the one it
   * was given. Leaving the loop early closes the query.
   */
  async *chunks(sql: string, values: DuckDBValue[] = [], signal?: AbortSignal): AsyncGenerator<DuckDBDataChunk> {
    const connection = await this.connect();
    const watch = interruptOnAbort(connection, signal);
    let pending: Promise<DuckDBDataChunk | null> | null = null;
    try {
      signal?.throwIfAborted();
      const result = await connection.stream(sql, values);
      pending = result.fetchChunk();
      for (;;) {
        const chunk: DuckDBDataChunk | null = await pending;
        if (chunk === null || chunk.rowCount === 0) return;
        pending = result.fetchChunk();
        // Handled when it is awaited; until then its failure must not end the process.
        pending.catch(() => {});
        yield chunk;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw nameDuckDbError(error);
    } finally {
      watch.end();
      connection.interrupt();
      await pending?.catch(() => {});
      connection.closeSync();
    }
  }

  /** Another connection to the same database; the caller closes it (`closeSync`). */
  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  /** A table name that is not used yet. */
  newName(prefix: string): string {
    this.#names++;
    return `${prefix}_${this.#names}`;
  }

  /** Frees memory and spill files. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#main.closeSync();
    this.#instance.closeSync();
    await rm(this.#spillDir, { recursive: true, force: true });
  }

  async #interruptible<T>(
    connection: DuckDBConnection,
    signal: AbortSignal | undefined,
    fn: () => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const watch = interruptOnAbort(connection, signal);
    try {
      return await fn();
    } catch (error) {
      signal?.throwIfAborted();
      throw nameDuckDbError(error);
    } finally {
      watch.end();
    }
  }
}

const INTERRUPT_EVERY_MS = 20;

/** Interrupts what the connection runs once the signal aborts, again and again: an interrupt before the query's start is lost. */
function interruptOnAbort(connection: DuckDBConnection, signal: AbortSignal | undefined): { end(): void } {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    connection.interrupt();
    timer = setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    end: () => {
      signal?.removeEventListener('abort', onAbort);
      clearInterval(timer);
    },
  };
}

/**
 * The options every instance needs. Without `statistics_propagation` disabled, a prepared statement that runs again after its tables
 * changed returns wrong rows (DuckDB 1.5.5 and 1.5.6; duckdb#24182); `run` with values prepares, too. Extensions are never downloaded.
 */
export const requiredDuckDbOptions = {
  disabled_optimizers: 'statistics_propagation',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
} as const;

/**
 * Opens a private DuckDB.
 *
 * @example
 * const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: '/var/tmp/millrace' });
 * try { await duckdb.run('CREATE TABLE t (a INTEGER)'); } finally { await duckdb.close(); }
 */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDb> {
  await mkdir(options.tempDir, { recursive: true });
  const spillDir = await mkdtemp(join(options.tempDir, 'duckdb-'));
  const instance = await DuckDBInstance.create(':memory:', {
    ...requiredDuckDbOptions,
    memory_limit: `${Math.max(64, Math.floor(options.memoryMb))}MiB`,
    temp_directory: spillDir,
    threads: String(options.threads ?? availableParallelism()),
  });
  const main = await instance.connect();
  // Not an instance option: without it, casts to and from TIMESTAMPTZ follow the machine's zone.
  await main.run(`SET GLOBAL TimeZone = 'UTC'`);
  return new DuckDb(instance, main, spillDir);
}

/** A name as DuckDB SQL takes it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text literal of DuckDB SQL, for the places that take no bound value. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Gives DuckDB's faults of resources a name; the rest is passed on as it is. */
export function nameDuckDbError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof MillraceError) return error;
  const fault = faultOf(['duckdb'], symptomsOf(error));
  if (fault === null || !isNamed(fault)) return error;
  return faultError(fault, {
    message: `DuckDB ${fault.says}: ${error.message}`,
    variable: 'MILLRACE_SPILL_DIR',
    cause: error,
  });
}
