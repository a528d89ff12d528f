import { type DuckDBAppender, type DuckDBConnection, DuckDBDataChunk, type DuckDBType, type DuckDBValue } from 'duckdb';
import { chunkLeft } from './chunk-garbage.ts';
import { type DuckDb, nameDuckDbError } from './duckdb.ts';

const ROWS_PER_CHUNK = 2048;

/** Fills a DuckDB table row by row, chunk-wise. */
export class RowAppender {
  readonly #duckdb: DuckDb;
  readonly #connection: DuckDBConnection;
  readonly #appender: DuckDBAppender;
  readonly #types: readonly DuckDBType[];
  readonly #columns: DuckDBValue[][];
  #rows = 0;

  /** @param types Of all columns of the table, in order. */
  static async open(duckdb: DuckDb, table: string, types: readonly DuckDBType[]): Promise<RowAppender> {
    const connection = await duckdb.connect();
    try {
      return new RowAppender(duckdb, connection, await connection.createAppender(table), types);
    } catch (error) {
      duckdb.disconnect(connection);
      throw error;
    }
  }

  private constructor(
    duckdb: DuckDb,
    connection: DuckDBConnection,
    appender: DuckDBAppender,
    types: readonly DuckDBType[],
  ) {
    this.#duckdb = duckdb;
    this.#connection = connection;
    this.#appender = appender;
    this.#types = types;
    this.#columns = types.map(() => []);
  }

  append(...values: readonly DuckDBValue[]): void {
    for (let column = 0; column < values.length; column++)
      (this.#columns[column] as DuckDBValue[]).push(values[column] as DuckDBValue);
    if (++this.#rows < ROWS_PER_CHUNK) return;
    try {
      this.#write();
    } catch (error) {
      throw nameDuckDbError(error);
    }
  }

  /** Makes all appended rows visible and ends the appender. */
  close(): void {
    try {
      if (this.#rows > 0) this.#write();
      this.#appender.closeSync();
    } catch (error) {
      throw nameDuckDbError(error);
    } finally {
      this.#duckdb.disconnect(this.#connection);
    }
  }

  #write(): void {
    const chunk = DuckDBDataChunk.create(this.#types, this.#rows);
    chunk.setColumns(this.#columns);
    this.#appender.appendDataChunk(chunk);
    chunkLeft(chunk);
    for (const column of this.#columns) column.length = 0;
    this.#rows = 0;
  }
}
