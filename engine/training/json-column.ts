import { BIGINT, BOOLEAN, DOUBLE, DuckDBListType, type DuckDBType, type DuckDBValue, listValue, VARCHAR } from 'duckdb';
import { int64OfText } from '../values/int64.ts';
import { digitsOf, isDoubleText } from './decimal-digits.ts';
import { isRawNumber } from './json-rows.ts';

/** How the values of a JSON column are held in DuckDB, and how they go to the output. */
export interface JsonColumnType {
  /** As messages name it, and as it is in the output. */
  readonly name: string;
  readonly stored: DuckDBType;
  /** From a parsed value, not null, to the stored one. */
  readonly store: (value: unknown) => DuckDBValue;
  /** Whether the stored is a text of what the output has. */
  readonly isCast: boolean;
}

/** Lists within lists beyond so many are JSON, as objects are. */
const MAX_LISTS = 16;
/** A decimal in DuckDB has at most as many digits. */
const MAX_DIGITS = 38;

/** What is known of all values of a JSON column, to give it the type that holds each of them exactly. */
export class JsonColumn {
  #hasText = false;
  #hasBoolean = false;
  #hasNumber = false;
  #hasObject = false;
  #item: JsonColumn | null = null;
  #areInt64 = true;
  #areDoubles = true;
  #hasMinusZero = false;
  /** Of all numbers: digits before the point, and after it. */
  #whole = 0;
  #scale = 0;

  /** @param depth Of lists around the value. */
  add(value: unknown, depth = 0): void {
    if (typeof value === 'string') this.#hasText = true;
    else if (typeof value === 'number') this.#addNumber(value, null);
    else if (typeof value === 'boolean') this.#hasBoolean = true;
    else if (isRawNumber(value)) this.#addNumber(Number(value.rawJSON), value.rawJSON);
    else if (Array.isArray(value) && depth < MAX_LISTS) {
      this.#item ??= new JsonColumn();
      for (const item of value) this.#item.add(item, depth + 1);
    } else if (value !== null) this.#hasObject = true;
  }

  /** @param source Where a double may not be what is written. */
  #addNumber(double: number, source: string | null): void {
    this.#hasNumber = true;
    if (Object.is(double, -0)) this.#hasMinusZero = true;
    if (source === null && Number.isInteger(double)) {
      const magnitude = Math.abs(double);
      if (magnitude >= 10 ** this.#whole) this.#whole = String(magnitude).length;
      return;
    }
    const { digits, exponent } = digitsOf(source ?? String(double));
    this.#whole = Math.max(this.#whole, digits.length + exponent);
    this.#scale = Math.max(this.#scale, -exponent);
    if (source === null || int64OfText(source) === undefined) this.#areInt64 = false;
    if (source !== null && this.#areDoubles && !isDoubleText(source)) this.#areDoubles = false;
  }

  /** The type that holds all values as they came in. */
  type(): JsonColumnType {
    const kinds = [this.#hasText, this.#hasBoolean, this.#hasNumber, this.#hasObject, this.#item !== null];
    const count = kinds.filter(Boolean).length;
    // A column without any value.
    if (count === 0) return TEXT;
    if (count > 1 || this.#hasObject) return JSON_TEXT;
    if (this.#item !== null) return listOf(this.#item.type());
    if (this.#hasText) return TEXT;
    if (this.#hasBoolean)
      return { name: 'BOOLEAN', stored: BOOLEAN, store: (value) => value as boolean, isCast: false };
    return this.#numberType();
  }

  #numberType(): JsonColumnType {
    if (this.#areInt64 && !this.#hasMinusZero) {
      return { name: 'BIGINT', stored: BIGINT, store: (value) => int64Of(value) ?? null, isCast: false };
    }
    if (this.#areDoubles) {
      return { name: 'DOUBLE', stored: DOUBLE, store: (value) => Number(writtenOf(value)), isCast: false };
    }
    const scale = this.#scale;
    const precision = Math.max(1, this.#whole) + scale;
    if (precision > MAX_DIGITS || this.#hasMinusZero) return { ...TEXT, store: writtenOf };
    return {
      name: `DECIMAL(${precision},${scale})`,
      stored: VARCHAR,
      store: (value) => plainNotation(writtenOf(value)),
      isCast: true,
    };
  }
}

const TEXT: JsonColumnType = { name: 'VARCHAR', stored: VARCHAR, store: textOf, isCast: false };
/** Values of several kinds, and objects: as JSON. */
const JSON_TEXT: JsonColumnType = {
  name: 'JSON',
  stored: VARCHAR,
  store: jsonText,
  isCast: true,
};

function textOf(value: unknown): string {
  const text = value as string;
  if (!text.isWellFormed()) throw new HalfCharacter();
  return text;
}

/** Half a surrogate pair as `JSON.stringify` writes it: escaped, and not by a backslash that is escaped itself. */
const HALF_ESCAPE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  if (HALF_ESCAPE.test(text)) throw new HalfCharacter();
  return text;
}

/** Half a surrogate pair, which no text of a store can have. */
export class HalfCharacter extends Error {}

/** Lists of what is no scalar type of a column are JSON as a whole: a text within cannot be cast by itself. */
function listOf(item: JsonColumnType): JsonColumnType {
  if (item.isCast) return JSON_TEXT;
  return {
    name: `${item.name}[]`,
    stored: new DuckDBListType(item.stored),
    store: (value) => listValue((value as unknown[]).map((one) => (one === null ? null : item.store(one)))),
    isCast: false,
  };
}

/** A number as it is written, or as JavaScript writes it, which is the same number. */
function writtenOf(value: unknown): string {
  if (isRawNumber(value)) return value.rawJSON;
  return Object.is(value, -0) ? '-0' : String(value);
}

/** A number that is written as a whole number of 64 bits. */
function int64Of(value: unknown): bigint | undefined {
  return isRawNumber(value) ? int64OfText(value.rawJSON) : BigInt(value as number);
}

/** A number without exponent. */
function plainNotation(text: string): string {
  const { digits, exponent } = digitsOf(text);
  const sign = text.startsWith('-') && digits !== '' ? '-' : '';
  if (exponent >= 0) return `${sign}${digits === '' ? '0' : digits}${'0'.repeat(exponent)}`;
  const padded = digits.padStart(1 - exponent, '0');
  return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}
