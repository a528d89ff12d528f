import { BIGINT, BLOB, blobValue, type DuckDBType, type DuckDBValue, INTEGER, VARCHAR } from 'duckdb';
import type { Row } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { packRow } from './packed-row.ts';

/** What both sides have: which row it is, and where its record lies (partition -1: in the history). */
const PLACE = 'n BIGINT, id VARCHAR, key VARCHAR, time_us BIGINT, known_us BIGINT, partition INTEGER, pos BIGINT';
const PLACE_TYPES = [BIGINT, VARCHAR, VARCHAR, BIGINT, BIGINT, INTEGER, BIGINT];

/** Of a record, what it is told apart and joined by. Times are UTC epoch µs. */
export interface StagedHead {
  readonly id: string;
  readonly key: string | null;
  readonly timeUs: number;
  /** When it could be known: what an id counts by that is there twice. */
  readonly knownUs: number;
  readonly partition: number;
  readonly offset: number;
}

/** One side of a join, filled record by record: heads in one table, rows in another. Further columns of the heads are the side's own. */
export class StagedLog {
  readonly heads: string;
  readonly rows: string;
  readonly #heads: RowAppender;
  readonly #rows: RowAppender;
  #count = 0;

  private constructor(names: { readonly heads: string; readonly rows: string }, heads: RowAppender, rows: RowAppender) {
    this.heads = names.heads;
    this.rows = names.rows;
    this.#heads = heads;
    this.#rows = rows;
  }

  /** @param more further columns of the heads, as SQL has them, and their types */
  static async open(
    duckdb: DuckDb,
    side: string,
    more: { readonly sql: string; readonly types: readonly DuckDBType[] },
  ) {
    const heads = duckdb.newName(`${side}_heads`);
    const rows = duckdb.newName(`${side}_rows`);
    await duckdb.run(`CREATE TABLE ${heads} (${PLACE}, ${more.sql})`);
    await duckdb.run(`CREATE TABLE ${rows} (n BIGINT, row BLOB)`);
    const appender = await RowAppender.open(duckdb, heads, [...PLACE_TYPES, ...more.types]);
    try {
      return new StagedLog({ heads, rows }, appender, await RowAppender.open(duckdb, rows, [BIGINT, BLOB]));
    } catch (error) {
      appender.close();
      throw error;
    }
  }

  /** @param row null: its head alone is needed */
  add(head: StagedHead, more: readonly DuckDBValue[], row: Row | null): void {
    const n = BigInt(this.#count++);
    const { id, key, timeUs, knownUs, partition, offset } = head;
    this.#heads.append(n, id, key, BigInt(timeUs), BigInt(knownUs), partition, BigInt(offset), ...more);
    if (row !== null) this.#rows.append(n, blobValue(packRow(row)));
  }

  /** Makes all that was added visible. */
  close(): void {
    try {
      this.#heads.close();
    } finally {
      this.#rows.close();
    }
  }
}
