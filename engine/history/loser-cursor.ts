import type { DuckDBDataChunk } from 'duckdb';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { Losers } from './history-duplicates.ts';
import { rawColumn } from '../duckdb/raw-column.ts';

/**
 * The positions that lost, beside a scan in the order of positions (or of stretches of them). Left out here, not in SQL: a join hands chunks on
 * as its threads finish them, and the rows would come in no order.
 */
export class LoserCursor {
  readonly #losers: Losers;
  readonly #duckdb: DuckDb;
  readonly #signal: AbortSignal | undefined;
  readonly #read = rawColumn('BIGINT');
  #chunks: AsyncGenerator<DuckDBDataChunk> | null = null;
  #ahead: number[] = [];
  #at = 0;
  #lastPosition = -1;
  readonly #found = new Set<number>();

  constructor(losers: Losers, duckdb: DuckDb, signal: AbortSignal | undefined) {
    this.#losers = losers;
    this.#duckdb = duckdb;
    this.#signal = signal;
  }

  /** Those within [first, last]; the same set for every call. */
  async within(first: number, last: number): Promise<ReadonlySet<number>> {
    if (this.#chunks === null || first < this.#lastPosition) await this.#openAt(first);
    this.#lastPosition = last;
    this.#found.clear();
    for (;;) {
      while (this.#at < this.#ahead.length) {
        const position = this.#ahead[this.#at] as number;
        if (position > last) return this.#found;
        if (position >= first) this.#found.add(position);
        this.#at++;
      }
      const next = await this.#chunks?.next();
      if (next === undefined || next.done === true) return this.#found;
      this.#ahead = [];
      this.#read(next.value, 0, this.#ahead);
      this.#at = 0;
    }
  }

  async close(): Promise<void> {
    await this.#chunks?.return(undefined);
    this.#chunks = null;
  }

  async #openAt(first: number): Promise<void> {
    await this.close();
    const sql = `SELECT position FROM ${this.#losers.table} WHERE position >= ${first} ORDER BY position`;
    this.#chunks = this.#duckdb.chunks(sql, [], this.#signal);
    this.#ahead = [];
    this.#at = 0;
  }
}
