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
  VARCHAR,
} from 'duckdb';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { stagedSqlType } from './scalar-sql.ts';

const CHUNK_ROWS = 2048;

type ValueWriter = (vector: DuckDBVector, index: number, value: ScalarValue) => void;

/** The values read for one view, on their way to the output: spine row number, then a column per feature (`f0`, `f1`, …). */
export class FeatureStaging {
  readonly table: string;
  readonly #connection: DuckDBConnection;
  readonly #appender: DuckDBAppender;
  readonly #types: readonly DuckDBType[];
  readonly #writers: readonly ValueWriter[];
  #chunk: DuckDBDataChunk;
  #vectors: DuckDBVector[];
  #rows = 0;

  private constructor(
    connection: DuckDBConnection,
    appender: DuckDBAppender,
    table: string,
    features: readonly ScalarType[],
  ) {
    this.table = table;
    this.#connection = connection;
    this.#appender = appender;
    this.#types = [BIGINT, ...features.map(stagedType)];
    this.#writers = features.map(valueWriter);
    this.#chunk = DuckDBDataChunk.create(this.#types, CHUNK_ROWS);
    this.#vectors = this.#types.map((_, column) => this.#chunk.getColumnVector(column));
  }

  /** Makes the table. `connection` is the staging's own: an appender holds a transaction. */
  static async create(
    connection: DuckDBConnection,
    table: string,
    features: readonly ScalarType[],
  ): Promise<FeatureStaging> {
    const columns = features.map((type, index) => `, f${index} ${stagedSqlType(type)}`);
    await connection.run(`CREATE TABLE ${table} (row_number BIGINT${columns.join('')})`);
    return new FeatureStaging(connection, await connection.createAppender(table), table, features);
  }

  /** Hot path: one label row's values. */
  append(rowNumber: number, values: readonly ScalarValue[]): void {
    const at = this.#rows;
    const vectors = this.#vectors;
    vectors[0]!.setItem(at, BigInt(rowNumber));
    for (let i = 0; i < this.#writers.length; i++) this.#writers[i]!(vectors[i + 1]!, at, values[i] ?? null);
    this.#rows = at + 1;
    if (this.#rows === CHUNK_ROWS) this.#flush();
  }

  /** Makes all rows visible to other connections and ends the appending. */
  close(): void {
    this.#flush();
    this.#appender.closeSync();
    this.#connection.closeSync();
  }

  #flush(): void {
    if (this.#rows === 0) return;
    this.#chunk.rowCount = this.#rows;
    for (const vector of this.#vectors) vector.flush();
    this.#appender.appendDataChunk(this.#chunk);
    this.#chunk = DuckDBDataChunk.create(this.#types, CHUNK_ROWS);
    this.#vectors = this.#types.map((_, column) => this.#chunk.getColumnVector(column));
    this.#rows = 0;
  }
}

/** `stagedSqlType`, as the vectors' own type. */
function stagedType(type: ScalarType): DuckDBType {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'date':
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
function valueWriter(type: ScalarType): ValueWriter {
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
