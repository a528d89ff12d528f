import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';

const EVERY_MS = 20;

/** Where a transaction is held: within it, or at its commit, which then takes place whether or not anybody is there to hear of it. */
export type HeldAt = 'work' | 'commit';

/** What a held transaction does: which rows of which table of the catalog it writes, as SQL about `OLD` and `NEW`. */
export interface HeldWrite {
  readonly table: string;
  readonly on: 'INSERT' | 'UPDATE' | 'INSERT OR UPDATE';
  readonly when: string;
}

/** Holds transactions at a named write, so that a process can be killed there, and nowhere else. */
export class CommitGate {
  readonly #pool: pg.Pool;
  readonly #holder: pg.PoolClient;
  readonly #table: string;

  private constructor(pool: pg.Pool, holder: pg.PoolClient, table: string) {
    this.#pool = pool;
    this.#holder = holder;
    this.#table = table;
  }

  /** From now on each such write waits, in a database of the test's own, until `open`. */
  static async close(pool: pg.Pool, { table, on, when }: HeldWrite, at: HeldAt): Promise<CommitGate> {
    const name = `millrace_catalog.${table}`;
    const holder = await pool.connect();
    await holder.query('SELECT pg_advisory_lock(4711)');
    // No wait for a lock: those of a flip give up at once.
    await pool.query(`CREATE OR REPLACE FUNCTION public.held_write() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        WHILE NOT pg_try_advisory_xact_lock_shared(4711) LOOP PERFORM pg_sleep(0.02); END LOOP;
        RETURN NULL;
      END $$`);
    const constraint = at === 'commit' ? 'CONSTRAINT' : '';
    const deferred = at === 'commit' ? 'DEFERRABLE INITIALLY DEFERRED' : '';
    await pool.query(
      `CREATE ${constraint} TRIGGER held_write AFTER ${on} ON ${name} ${deferred} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION public.held_write()`,
    );
    return new CommitGate(pool, holder, name);
  }

  /** Resolves when a transaction is held. */
  async reached(): Promise<void> {
    while ((await this.#held()) === 0) await delay(EVERY_MS);
  }

  /** Lets through what is held, and resolves when that is over, however it ended. */
  async open(): Promise<void> {
    await this.#holder.query('SELECT pg_advisory_unlock(4711)');
    this.#holder.release();
    // Behind the transaction that wrote to it.
    await this.#pool.query(`DROP TRIGGER held_write ON ${this.#table}`);
  }

  async #held(): Promise<number> {
    const { rows } = await this.#pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
    );
    return rows[0]?.n ?? 0;
  }
}
