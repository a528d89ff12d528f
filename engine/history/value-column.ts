import { type DuckDBDataChunk, DuckDBUnionValue, type DuckDBValue } from 'duckdb';
import { rawColumn, rawOf, readTexts } from '../duckdb/raw-column.ts';
import { ShortStrings } from '../duckdb/short-strings.ts';

/** Turns a column's raw value into a row value, or pushes reasons (see `CompiledContract.columnDecoder`). */
export type Decode = (raw: unknown, reasons: string[]) => unknown;

/** Told of a row whose value is refused. */
export type OnFault = (row: number, reasons: readonly string[]) => void;

/** Reads and decodes one column of a chunk into `out[0 … rowCount)`; undefined stands where a value was refused. */
export type ValueColumn = (chunk: DuckDBDataChunk, column: number, out: unknown[], onFault: OnFault) => void;

/** Small integers, the common ones, from `-SMALL_FROM` to below `SMALL_SIZE - SMALL_FROM`. */
const SMALL_FROM = 4096;
const SMALL_SIZE = 16_384;

/**
 * The reader of a column of this DuckDB type (as DESCRIBE prints it) over its decoder, chosen once; it keeps state: one per column. It
 * remembers what became of values that come again: the small integers, the last time, short texts. A decoder's result is a function of
 * its value; the checks declared on the field are too (a contract with code of its own is refused).
 */
export function valueColumn(type: string, decode: Decode): ValueColumn {
  if (type === 'VARCHAR' || type === 'JSON') return textColumn(decode);
  const one = decodeOne(decode);
  const decodeAll = /^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT)$/.test(type)
    ? smallIntegers(one)
    : /^(?:TIMESTAMP|DATE)/.test(type)
      ? runsOfTimes(one)
      : eachValue(one);
  const read = rawColumn(type);
  const raw: unknown[] = [];
  return (chunk, column, out, onFault) => {
    read(chunk, column, raw);
    decodeAll(raw, chunk.rowCount, out, onFault);
  };
}

type DecodeAll = (raw: readonly unknown[], count: number, out: unknown[], onFault: OnFault) => void;
type DecodeOne = (raw: unknown, row: number, onFault: OnFault) => unknown;

/** One value, its reasons told. */
function decodeOne(decode: Decode): DecodeOne {
  // One list for all values: almost none has anything to say.
  const reasons: string[] = [];
  return (raw, row, onFault) => {
    const value = decode(raw, reasons);
    if (reasons.length === 0) return value;
    onFault(row, reasons);
    reasons.length = 0;
    return undefined;
  };
}

function eachValue(decode: DecodeOne): DecodeAll {
  return (raw, count, out, onFault) => {
    for (let row = 0; row < count; row++) out[row] = decode(raw[row], row, onFault);
  };
}

function smallIntegers(decode: DecodeOne): DecodeAll {
  const known = new Array<unknown>(SMALL_SIZE).fill(undefined);
  return (raw, count, out, onFault) => {
    for (let row = 0; row < count; row++) {
      const given = raw[row];
      const at = typeof given === 'number' ? given + SMALL_FROM : -1;
      const isSmall = at >= 0 && at < SMALL_SIZE;
      const before = isSmall ? known[at] : undefined;
      if (before !== undefined) {
        out[row] = before;
        continue;
      }
      const value = decode(given, row, onFault);
      if (isSmall) known[at] = value;
      out[row] = value;
    }
  };
}

function runsOfTimes(decode: DecodeOne): DecodeAll {
  return (raw, count, out, onFault) => {
    let last: unknown;
    let lastValue: unknown;
    for (let row = 0; row < count; row++) {
      const given = raw[row];
      if (given !== last || lastValue === undefined) {
        last = given;
        lastValue = decode(given, row, onFault);
      }
      out[row] = lastValue;
    }
  };
}

function textColumn(decode: Decode): ValueColumn {
  const one = decodeOne(decode);
  const reasons: string[] = [];
  const strings = new ShortStrings((text) => {
    const value = decode(text, reasons);
    if (reasons.length === 0) return value;
    reasons.length = 0;
    return undefined;
  });
  const nullReasons: string[] = [];
  const nullValue = decode(null, nullReasons);
  return (chunk, column, out, onFault) => {
    readTexts(chunk, column, strings, out);
    const count = chunk.rowCount;
    if (nullReasons.length === 0 && nullValue === null && !out.includes(undefined)) return;
    for (let row = 0; row < count; row++) {
      const value = out[row];
      if (value === null || value === undefined) {
        out[row] = one(chunk.getColumnVector(column).getItem(row), row, onFault);
      }
    }
  };
}

/** The reader of a UNION column, each value by the decoder of its member `m<i>`; a NULL by the first. */
export function unionColumn(members: readonly Decode[]): ValueColumn {
  const decoders = members.map(decodeOne);
  return (chunk, column, out, onFault) => {
    const vector = chunk.getColumnVector(column);
    const count = chunk.rowCount;
    for (let row = 0; row < count; row++) {
      const { member, raw } = unionValue(vector.getItem(row));
      out[row] = decoders[member]!(raw, row, onFault);
    }
  };
}

/** Which member of a UNION a value is, and its raw form. */
export function unionValue(value: DuckDBValue): { readonly member: number; readonly raw: unknown } {
  if (!(value instanceof DuckDBUnionValue)) return { member: 0, raw: null };
  return { member: Number(value.tag.slice(1)), raw: rawOf(value.value) };
}
