import type { FieldSpec } from '../values/field-type.ts';

/** A decoded, contract-valid row: field name to value (see `ScalarType` for representations). */
export type Row = Readonly<Record<string, unknown>>;

/** Returns the row value of a raw one, or pushes a reason. */
export type ColumnDecoder = (value: unknown, reasons: string[]) => unknown;

export interface CompiledContract {
  readonly fields: readonly FieldSpec[];
  /** By field, all that is declared of it, as text. Contracts of equal texts give equal rows; without texts nothing is known of that. */
  readonly texts?: ReadonlyMap<string, string> | undefined;
  /** Decodes one JSON text (a Kafka record's value, or a JSONL line). Never throws. */
  readonly decodeJson: (text: Uint8Array | string) => DecodeResult;
  /** Decodes and checks one already parsed JSON value. Never throws. */
  readonly decodeValue: (value: unknown) => DecodeResult;
  /**
   * The reader for one field of a typed column, of a Parquet file. `columnType` is the DuckDB type's name as printed by DESCRIBE
   * (e.g. `BIGINT`, `VARCHAR`, `TIMESTAMP`, `DECIMAL(10,2)`; two more names: `parseColumnType`). The returned function takes a value as `@duckdb/node-api` gives it
   * for that type in its cheapest exact form (documented in engine/contract/README.md) and returns the row value, or pushes a reason.
   * Throws MillraceError `column-type-mismatch` when the column can never satisfy the field.
   */
  readonly columnDecoder: (field: string, columnType: string) => ColumnDecoder;
  /** The reader for one field of a column of text: of a CSV, or of a path. Takes strings, and null. Lists and objects are JSON. */
  readonly textDecoder: (field: string) => ColumnDecoder;
}

export type DecodeResult =
  | { readonly ok: true; readonly row: Row }
  | { readonly ok: false; readonly reasons: readonly string[] };
