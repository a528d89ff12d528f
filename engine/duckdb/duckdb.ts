import type { DuckDBConnection, DuckDBDataChunk, DuckDBValue } from 'duckdb';
import { MillraceError } from '../errors/millrace-error.ts';
import { isNamed } from '../faults/fault.ts';
import { faultError, faultOf, symptomsOf } from '../faults/fault-table.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { chunkLeft } from './chunk-garbage.ts';
import { type InstanceLease, type InstanceOptions, leaseInstance, OpenInstance } from './duckdb-instance.ts';

/** A session of the one DuckDB of a budget's process; or, by `memoryMb`, a DuckDB of one's own: for tools that are a process themselves. */
export type DuckDbOptions = InstanceOptions | { readonly memory: MemoryBudget; readonly tempDir: string };

/**
 * A session: tables of its own, which nobody else sees, in memory and spilling; the scan, dedupe, sort and spill engine. The only way to
 * DuckDB, so that every instance has the options its correctness depends on.
 */
export class DuckDb {
  readonly #lease: InstanceLease;
  readonly #database: string;
  readonly #main: DuckDBConnection;
  readonly #connections = new Set<DuckDBConnection>();
  #names = 0;
  #closed = false;

  private constructor(lease: InstanceLease, database: string, main: DuckDBConnection) {
    this.#lease = lease;
    this.#database = database;
    this.#main = main;
  }

  /** A session of an instance, which it gives back when it is closed. */
  static async over(lease: InstanceLease): Promise<DuckDb> {
    const { opened } = lease;
    const database = opened.newSession();
    // In memory, as the instance's own: it spills alike, and detached it is gone with all that is in it.
    await opened.main.run(`ATTACH ':memory:' AS ${database}`);
    const main = await opened.instance.connect();
    await main.run(`USE ${database}`);
    return new DuckDb(lease, database, main);
  }

  /** The budget whose DuckDB it is; null for one of one's own. What is held beside its queries is reserved from it. */
  get memory(): MemoryBudget | null {
    return this.#lease.memory;
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
      // Only a transaction tells afterwards whether what was read in it went well.
      await connection.run('BEGIN TRANSACTION');
      const result = await connection.stream(sql, values);
      pending = result.fetchChunk();
      for (;;) {
        const chunk: DuckDBDataChunk | null = await pending;
        if (chunk === null || chunk.rowCount === 0) {
          await refuseFalseEnd(connection);
          return;
        }
        pending = result.fetchChunk();
        // Handled when it is awaited; until then its failure must not end the process.
        pending.catch(() => {});
        yield chunk;
        chunkLeft(chunk);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw nameDuckDbError(error);
    } finally {
      watch.end();
      connection.interrupt();
      await pending?.catch(() => {});
      this.disconnect(connection);
    }
  }

  /** Another connection to the same tables; the caller ends it (`disconnect`). */
  async connect(): Promise<DuckDBConnection> {
    const connection = await this.#lease.opened.instance.connect();
    await connection.run(`USE ${this.#database}`);
    this.#connections.add(connection);
    return connection;
  }

  /** Ends a connection. */
  disconnect(connection: DuckDBConnection): void {
    if (this.#connections.delete(connection)) connection.closeSync();
  }

  /** Runs `fn` while DuckDB has one thread, so that what it writes is the same bytes on any machine. */
  withOneThread<T>(fn: () => Promise<T>): Promise<T> {
    return this.#lease.opened.withOneThread(fn);
  }

  /** Runs `fn`, a query that needs most of DuckDB's memory, after those of other sessions that do. Not from within one. */
  alone<T>(fn: () => Promise<T>): Promise<T> {
    return this.#lease.opened.alone(fn);
  }

  /** A table name that is not used yet. */
  newName(prefix: string): string {
    this.#names++;
    return `${prefix}_${this.#names}`;
  }

  /** Drops the session's tables, frees what they held and ends its connections. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of this.#connections) this.disconnect(connection);
    this.#main.closeSync();
    try {
      await this.#lease.opened.main.run(`DETACH ${this.#database}`);
    } finally {
      await this.#lease.giveBack();
    }
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

/**
 * DuckDB 1.5.6 ends a query that ran out of memory, now and then, as if there were no more rows: without its error, which only its transaction knows
 * of. Throws MillraceError `query-given-up`.
 */
async function refuseFalseEnd(connection: DuckDBConnection): Promise<void> {
  try {
    await connection.run('SELECT 1');
  } catch (cause) {
    throw new MillraceError(
      'query-given-up',
      'DuckDB gave a query up, and ended its rows as if there were no more: most likely it ran out of memory',
      {
        remedy:
          'It is tried again; if it stays, raise MILLRACE_MEMORY_MB, or give the spill folder (MILLRACE_SPILL_DIR) more room.',
        retryable: true,
        httpStatus: 500,
        cause,
      },
    );
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
 * Opens a session of the one DuckDB that a budget has room for, or a DuckDB of one's own. The folder is where it spills; of a shared one,
 * it is the first session's.
 *
 * @example
 * const duckdb = await openDuckDb({ memory: processMemory(), tempDir: '/var/tmp/millrace' });
 * try { await duckdb.run('CREATE TABLE t (a INTEGER)'); } finally { await duckdb.close(); }
 */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDb> {
  const lease = 'memory' in options ? await leaseInstance(options.memory, options.tempDir) : await ownInstance(options);
  try {
    return await DuckDb.over(lease);
  } catch (error) {
    await lease.giveBack();
    throw error;
  }
}

async function ownInstance(options: InstanceOptions): Promise<InstanceLease> {
  const opened = await OpenInstance.open(options);
  return { opened, memory: null, giveBack: () => opened.close() };
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
