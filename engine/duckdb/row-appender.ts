import {
  type DuckDBAppender,
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
} from 'duckdb';
import { chunkLeft } from './chunk-garbage.ts';
import { type DuckDb, nameDuckDbError } from './duckdb.ts';

const ROWS_PER_CHUNK = 2048;
/** Of long texts and bytes, what waits to be a chunk; and what waits in chunks, which do not spill, to be in the table. */
const CHUNK_BYTES = 1 << 20;
const APPENDED_BYTES = 4 << 20;

/** Fills a DuckDB table row by row, chunk-wise; what is not in the table yet is bounded by bytes. */
export class RowAppender {
  readonly #duckdb: DuckDb;
  readonly #connection: DuckDBConnection;
  readonly #appender: DuckDBAppender;
  readonly #types: readonly DuckDBType[];
  readonly #columns: DuckDBValue[][];
  #rows = 0;
  #bytes = 0;
  #appendedBytes = 0;

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
    for (let column = 0; column < values.length; column++) {
      const value = values[column] as DuckDBValue;
      (this.#columns[column] as DuckDBValue[]).push(value);
      if (typeof value === 'string') this.#bytes += value.length;
      else if (value instanceof DuckDBBlobValue) this.#bytes += value.bytes.length;
    }
    if (++this.#rows < ROWS_PER_CHUNK && this.#bytes < CHUNK_BYTES) return;
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
    chunkLeft(chunk, this.#bytes);
    for (const column of this.#columns) column.length = 0;
    this.#rows = 0;
    this.#appendedBytes += this.#bytes;
    this.#bytes = 0;
    if (this.#appendedBytes < APPENDED_BYTES) return;
    this.#appendedBytes = 0;
    this.#appender.flushSync();
  }
}
