import {
  BIGINT,
  BOOLEAN,
  DECIMAL,
  DOUBLE,
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBDecimalValue,
  type DuckDBType,
  type DuckDBVector,
  INTEGER,
  VARCHAR,
} from 'duckdb';
import { type Cell, isCellError } from '../values/cell.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { ResultType } from '../values/result-type.ts';
import { chunkLeft } from '../duckdb/chunk-garbage.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { stagedSqlType } from './scalar-sql.ts';

const CHUNK_ROWS = 2048;

type ValueWriter = (vector: DuckDBVector, index: number, value: ScalarValue) => void;

/** The table of the errors that stand in place of values in a staged table: `row_number`, `feature` (the number of its column), `code`. */
export function errorsTable(table: string): string {
  return `${table}_errors`;
}

/** Makes the table of a staged table's errors. */
export async function createErrorsTable(duckdb: DuckDb, table: string): Promise<void> {
  await duckdb.run(`CREATE TABLE ${errorsTable(table)} (row_number BIGINT, feature INTEGER, code VARCHAR)`);
}

/**
 * What was read for one view, on its way to the output: spine row number, then a column per feature (`f0`, `f1`, …). Errors are null there, and
 * rows of a table of their own: where nothing is wrong they cost nothing.
 */
export class FeatureStaging {
  readonly table: string;
  readonly #duckdb: DuckDb;
  readonly #connection: DuckDBConnection;
  readonly #appender: DuckDBAppender;
  readonly #errors: RowAppender;
  readonly #types: readonly DuckDBType[];
  readonly #writers: readonly ValueWriter[];
  #chunk: DuckDBDataChunk;
  #vectors: DuckDBVector[];
  #rows = 0;

  private constructor(
    duckdb: DuckDb,
    connection: DuckDBConnection,
    appender: DuckDBAppender,
    errors: RowAppender,
    table: string,
    features: readonly ResultType[],
  ) {
    this.table = table;
    this.#duckdb = duckdb;
    this.#connection = connection;
    this.#appender = appender;
    this.#errors = errors;
    this.#types = [BIGINT, ...features.map(stagedType)];
    this.#writers = features.map(valueWriter);
    this.#chunk = DuckDBDataChunk.create(this.#types, CHUNK_ROWS);
    this.#vectors = this.#types.map((_, column) => this.#chunk.getColumnVector(column));
  }

  /** Makes the tables. Their connections are the staging's own: an appender holds a transaction. */
  static async create(duckdb: DuckDb, table: string, features: readonly ResultType[]): Promise<FeatureStaging> {
    const columns = features.map((type, index) => `, f${index} ${stagedSqlType(type)}`);
    await duckdb.run(`CREATE TABLE ${table} (row_number BIGINT${columns.join('')})`);
    await createErrorsTable(duckdb, table);
    const errors = await RowAppender.open(duckdb, errorsTable(table), [BIGINT, INTEGER, VARCHAR]);
    const connection = await duckdb.connect();
    return new FeatureStaging(duckdb, connection, await connection.createAppender(table), errors, table, features);
  }

  /** Hot path: one label row's cells. */
  append(rowNumber: number, cells: readonly Cell[]): void {
    const at = this.#rows;
    const vectors = this.#vectors;
    vectors[0]!.setItem(at, BigInt(rowNumber));
    for (let i = 0; i < this.#writers.length; i++) {
      const cell = cells[i] ?? null;
      const isError = isCellError(cell);
      if (isError) this.#errors.append(BigInt(rowNumber), i, cell.code);
      this.#writers[i]!(vectors[i + 1]!, at, isError ? null : cell);
    }
    this.#rows = at + 1;
    if (this.#rows === CHUNK_ROWS) this.#flush();
  }

  /** Makes all rows visible to other connections and ends the appending. */
  close(): void {
    this.#flush();
    this.#appender.closeSync();
    this.#duckdb.disconnect(this.#connection);
    this.#errors.close();
  }

  #flush(): void {
    if (this.#rows === 0) return;
    this.#chunk.rowCount = this.#rows;
    for (const vector of this.#vectors) vector.flush();
    this.#appender.appendDataChunk(this.#chunk);
    chunkLeft(this.#chunk);
    this.#chunk = DuckDBDataChunk.create(this.#types, CHUNK_ROWS);
    this.#vectors = this.#types.map((_, column) => this.#chunk.getColumnVector(column));
    this.#rows = 0;
  }
}

/** `stagedSqlType`, as the vectors' own type. */
function stagedType(type: ResultType): DuckDBType {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'date':
    case 'list':
    case 'map':
      return VARCHAR;
    case 'boolean':
      return BOOLEAN;
    case 'int':
    case 'int64':
    case 'timestamp':
      return BIGINT;
    case 'decimal':
      return DECIMAL(type.precision, type.scale);
    case 'double':
      return DOUBLE;
  }
}

/** Chosen once per feature, so that the row path has no switch. */
function valueWriter(type: ResultType): ValueWriter {
  if (type.kind === 'int' || type.kind === 'timestamp') {
    return (vector, index, value) => {
      if (value !== null && typeof value !== 'number')
        throw internalBug(`a ${type.kind} feature was read as ${typeof value}`);
      vector.setItem(index, value === null ? null : BigInt(value));
    };
  }
  if (type.kind === 'decimal') {
    const { precision, scale } = type;
    return (vector, index, value) => {
      if (value !== null && typeof value !== 'string')
        throw internalBug(`a decimal feature was read as ${typeof value}`);
      // The canonical text has exactly `scale` fraction digits: without its point it is the scaled integer.
      const scaled = value === null ? null : new DuckDBDecimalValue(BigInt(value.replace('.', '')), precision, scale);
      vector.setItem(index, scaled);
    };
  }
  return (vector, index, value) => vector.setItem(index, value);
}
