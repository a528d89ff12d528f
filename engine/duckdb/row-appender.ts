import { type DuckDBAppender, type DuckDBConnection, DuckDBDataChunk, type DuckDBType, type DuckDBValue } from 'duckdb';
import { type DuckDb, nameDuckDbError } from './duckdb.ts';

const ROWS_PER_CHUNK = 2048;

/** Fills a DuckDB table row by row, chunk-wise. */
export class RowAppender {
  readonly #connection: DuckDBConnection;
  readonly #appender: DuckDBAppender;
  readonly #types: readonly DuckDBType[];
  readonly #columns: DuckDBValue[][];
  #rows = 0;

  /** @param types Of all columns of the table, in order. */
  static async open(duckdb: DuckDb, table: string, types: readonly DuckDBType[]): Promise<RowAppender> {
    const connection = await duckdb.connect();
    return new RowAppender(connection, await connection.createAppender(table), types);
  }

  private constructor(connection: DuckDBConnection, appender: DuckDBAppender, types: readonly DuckDBType[]) {
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
      this.#connection.closeSync();
    }
  }

  #write(): void {
    const chunk = DuckDBDataChunk.create(this.#types, this.#rows);
    chunk.setColumns(this.#columns);
    this.#appender.appendDataChunk(chunk);
    for (const column of this.#columns) column.length = 0;
    this.#rows = 0;
  }
}
