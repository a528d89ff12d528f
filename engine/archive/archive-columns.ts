import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  type DuckDBVector,
  INTEGER,
  LIST,
  STRUCT,
  TIMESTAMPTZ,
  VARCHAR,
} from 'duckdb';
import type { Row } from '../contract/compiled-contract.ts';
import { daysOfDate } from '../values/date-days.ts';
import { scaledOfDecimal } from '../values/decimal-text.ts';
import type { FieldSpec, FieldType } from '../values/field-type.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { RawRecord } from '../topic/log-reader.ts';

/** Puts one record's value into a vector. `row` is null where the record is not valid. Chosen once per column. */
export type CellWriter = (vector: DuckDBVector, index: number, record: RawRecord, row: Row | null) => void;

export interface ArchiveColumn {
  readonly name: string;
  readonly type: DuckDBType;
  readonly write: CellWriter;
  readonly isNested?: boolean;
}

/** The columns every archived file has, whatever its contract; `README.md` has the table. */
export const FIXED_COLUMNS = ['partition', 'offset', 'broker_timestamp', 'key', 'value', 'valid'] as const;

/** The columns of an archive of this source: the record as it is, then the contract's fields, then its headers. */
export function archiveColumns(source: CompiledSource): ArchiveColumn[] {
  const headers = source.headers ?? [];
  const names = new ColumnNames([...FIXED_COLUMNS, ...headers.map((name) => `header_${name}`)]);
  return [
    { name: 'partition', type: INTEGER, write: (vector, index, record) => setWord(vector, index, record.partition) },
    { name: 'offset', type: BIGINT, write: (vector, index, record) => setWide(vector, index, record.offset) },
    {
      name: 'broker_timestamp',
      type: TIMESTAMPTZ,
      write: (vector, index, record) => setWide(vector, index, record.timestampUs),
    },
    { name: 'key', type: BLOB, write: (vector, index, record) => vector.setItem(index, blob(record.key)) },
    { name: 'value', type: BLOB, write: (vector, index, record) => vector.setItem(index, blob(record.value)) },
    { name: 'valid', type: BOOLEAN, write: (vector, index, _record, row) => vector.setItem(index, row !== null) },
    ...source.contract.fields.map((field) => ({ ...fieldColumn(field), name: names.take(field.name) })),
    ...headers.map((name) => ({ name: `header_${name}`, type: VARCHAR, write: headerWriter(name) })),
  ];
}

/** Parquet and SQL readers do not tell names apart by case: a name that is taken gets `field_` in front. */
class ColumnNames {
  readonly #taken: Set<string>;

  constructor(taken: readonly string[]) {
    this.#taken = new Set(taken.map((name) => name.toLowerCase()));
  }

  take(name: string): string {
    let free = name;
    while (this.#taken.has(free.toLowerCase())) free = `field_${free}`;
    this.#taken.add(free.toLowerCase());
    return free;
  }
}

function fieldColumn({ name, type }: FieldSpec): Omit<ArchiveColumn, 'name'> {
  if (type.kind === 'int' || type.kind === 'timestamp') {
    const write: CellWriter = (vector, index, _record, row) => {
      const value = row === null ? null : row[name];
      if (value === null || value === undefined) vector.setItem(index, null);
      else setWide(vector, index, value as number);
    };
    return { type: duckDbType(type), write };
  }
  const valueOf = duckDbValue(type);
  const write: CellWriter = (vector, index, _record, row) => {
    const value = row === null ? null : row[name];
    vector.setItem(index, value === null || value === undefined ? null : valueOf(value));
  };
  return { type: duckDbType(type), write, isNested: type.kind === 'array' || type.kind === 'object' };
}

function headerWriter(name: string): CellWriter {
  return (vector, index, { headers }) => {
    const value = headers?.get(name);
    // A text column cannot hold NUL, nor bytes that are no UTF-8: those are shown as U+FFFD.
    vector.setItem(index, value === undefined ? null : Buffer.from(value).toString('utf8').replaceAll('\0', '\uFFFD'));
  };
}

function duckDbType(type: FieldType): DuckDBType {
  switch (type.kind) {
    case 'string':
    case 'enum':
      return VARCHAR;
    case 'boolean':
      return BOOLEAN;
    case 'int':
    case 'int64':
      return BIGINT;
    case 'decimal':
      return DECIMAL(type.precision, type.scale);
    case 'double':
      return DOUBLE;
    case 'timestamp':
      return TIMESTAMPTZ;
    case 'date':
      return DATE;
    case 'array':
      return LIST(duckDbType(type.item.type));
    case 'object':
      return STRUCT(Object.fromEntries(members(type.fields).map(([name, field]) => [name, duckDbType(field.type)])));
  }
}

function members(fields: readonly FieldSpec[]): (readonly [string, FieldSpec])[] {
  const names = new ColumnNames([]);
  return fields.map((field) => [names.take(field.name), field]);
}

/** How a row's value (not null) of a type becomes DuckDB's. */
function duckDbValue(type: FieldType): (value: unknown) => DuckDBValue {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'boolean':
    case 'double':
    case 'int64':
      return (value) => value as DuckDBValue;
    case 'int':
      return (value) => BigInt(value as number);
    case 'timestamp':
      return (value) => new DuckDBTimestampTZValue(BigInt(value as number));
    case 'decimal': {
      const { precision, scale } = type;
      return (value) => new DuckDBDecimalValue(BigInt(scaledOfDecimal(value as string)), precision, scale);
    }
    case 'date':
      return (value) => new DuckDBDateValue(daysOfDate(value as string));
    case 'array': {
      const item = nullable(duckDbValue(type.item.type));
      return (value) => new DuckDBListValue((value as readonly unknown[]).map(item));
    }
    case 'object': {
      const entries = members(type.fields).map(([name, field]) => ({
        name,
        field,
        of: nullable(duckDbValue(field.type)),
      }));
      return (value) => {
        const object = value as Readonly<Record<string, unknown>>;
        return new DuckDBStructValue(
          Object.fromEntries(entries.map(({ name, field, of }) => [name, of(object[field.name])])),
        );
      };
    }
  }
}

function nullable(of: (value: unknown) => DuckDBValue): (value: unknown) => DuckDBValue {
  return (value) => (value === null || value === undefined ? null : of(value));
}

function blob(bytes: Uint8Array | null): DuckDBBlobValue | null {
  return bytes === null ? null : new DuckDBBlobValue(bytes);
}

/** What a vector of the pinned DuckDB client holds: writing there spares a bigint and a check per value. */
function itemsOf(vector: DuckDBVector): unknown {
  const parts: { readonly items?: unknown } = vector as object;
  return parts.items;
}

function setWord(vector: DuckDBVector, index: number, value: number): void {
  (itemsOf(vector) as Int32Array)[index] = value;
}

function setWide(vector: DuckDBVector, index: number, value: number): void {
  (itemsOf(vector) as BigInt64Array)[index] = BigInt(value);
}
