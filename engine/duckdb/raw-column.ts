import {
  type DuckDBDataChunk,
  DuckDBArrayValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUUIDValue,
  type DuckDBValue,
} from 'duckdb';
import { invariant } from '../errors/millrace-error.ts';
import { ShortStrings } from './short-strings.ts';

/**
 * Reads one column of a chunk into `out[0 … rowCount)`, in the raw forms that `columnDecoder` takes (engine/contract/README.md): integers
 * and µs as numbers where safe, else bigint; decimals unscaled; dates in days; text as strings; null for NULL.
 */
export type RawColumn = (chunk: DuckDBDataChunk, column: number, out: unknown[]) => void;

/** What a vector of the pinned DuckDB client holds; it offers no public access in bulk. */
interface VectorParts {
  readonly items?: unknown;
  readonly dataView?: DataView;
  readonly validity?: { readonly data: BigUint64Array | null };
}

const fixedItems = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'FLOAT',
  'DOUBLE',
  'DATE',
]);

const wideItems = new Set(['BIGINT', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ', 'TIMESTAMP_NS']);

/** The reader of a column of this DuckDB type (as DESCRIBE prints it), chosen once. It keeps state: one per column. */
export function rawColumn(type: string): RawColumn {
  if (fixedItems.has(type)) return readFixed;
  if (wideItems.has(type)) return readWide;
  if (type === 'VARCHAR' || type === 'JSON') return textReader();
  return readAny;
}

function parts(chunk: DuckDBDataChunk, column: number): VectorParts {
  const vector: object = chunk.getColumnVector(column);
  return vector;
}

function readFixed(chunk: DuckDBDataChunk, column: number, out: unknown[]): void {
  const vector = parts(chunk, column);
  const items = vector.items as ArrayLike<number>;
  const count = chunk.rowCount;
  for (let row = 0; row < count; row++) out[row] = items[row];
  putNulls(vector, count, out);
}

function readWide(chunk: DuckDBDataChunk, column: number, out: unknown[]): void {
  const vector = parts(chunk, column);
  const items = vector.items as BigInt64Array;
  const halves = new Int32Array(items.buffer, items.byteOffset, items.length * 2);
  const count = chunk.rowCount;
  for (let row = 0; row < count; row++) {
    const high = halves[row * 2 + 1] as number;
    // Within ±2^53 a number is exact; only beyond is a bigint made.
    out[row] =
      high >= -2097152 && high < 2097152 ? high * 4294967296 + ((halves[row * 2] as number) >>> 0) : items[row];
  }
  putNulls(vector, count, out);
}

function textReader(): RawColumn {
  const strings = new ShortStrings((text) => text);
  return (chunk, column, out) => readTexts(chunk, column, strings, out);
}

/** Reads a column of type VARCHAR into `out`, as the values that `strings` makes of its texts. */
export function readTexts(chunk: DuckDBDataChunk, column: number, strings: ShortStrings, out: unknown[]): void {
  const full = chunk.getColumnVector(column);
  const vector = parts(chunk, column);
  const data = vector.dataView;
  invariant(data !== undefined, 'a VARCHAR vector without its data');
  const count = chunk.rowCount;
  const words = new Int32Array(data.buffer, data.byteOffset, count * 4);
  const bytes = Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, count * 16);
  strings.read(words, bytes, validBits(vector), count, out, (row) => full.getItem(row) as string);
}

/** A column of 64-bit integers without NULL as 32-bit words, the low one first. */
export function readWords(chunk: DuckDBDataChunk, column: number): Int32Array {
  const items = parts(chunk, column).items as BigUint64Array;
  return new Int32Array(items.buffer, items.byteOffset, chunk.rowCount * 2);
}

function readAny(chunk: DuckDBDataChunk, column: number, out: unknown[]): void {
  const vector = chunk.getColumnVector(column);
  const count = chunk.rowCount;
  for (let row = 0; row < count; row++) out[row] = rawOf(vector.getItem(row));
}

/** One bit per row, set where there is a value; null where all have one. */
function validBits(vector: VectorParts): Uint32Array | null {
  const data = vector.validity?.data;
  return data == null ? null : new Uint32Array(data.buffer, data.byteOffset, data.length * 2);
}

function putNulls(vector: VectorParts, count: number, out: unknown[]): void {
  const valid = validBits(vector);
  if (valid === null) return;
  for (let row = 0; row < count; row++) if ((((valid[row >>> 5] as number) >>> (row & 31)) & 1) === 0) out[row] = null;
}

/** One value in its raw form. */
export function rawOf(value: DuckDBValue): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof DuckDBDecimalValue) return value.value;
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) return value.micros;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1000n;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000n;
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos;
  if (value instanceof DuckDBDateValue) return value.days;
  if (value instanceof DuckDBUUIDValue) return value.toString();
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(rawOf);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, rawOf(entry)]));
  }
  return value;
}
