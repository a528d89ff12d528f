import { daysOfDate } from '../values/date-days.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { type ResultType, isScalarType } from '../values/result-type.ts';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import type { BinaryWriter } from './binary-writer.ts';

/** Postgres counts its timestamps from 2000-01-01. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n;
const POSTGRES_EPOCH_DAYS = 10_957;

/** Writes one non-null value with its length, in Postgres' binary format. */
export type ValueWriter = (writer: BinaryWriter, value: ScalarValue) => void;

/** What a scalar type is in Postgres. */
export interface ColumnFormat {
  /** The column's type as DDL, e.g. `text COLLATE "C"`. */
  readonly ddl: string;
  /** The type's name in a cast, e.g. `text`. */
  readonly castName: string;
  /** pg_type oid of the type, for binary arrays. */
  readonly oid: number;
  readonly write: ValueWriter;
}

function writeText(writer: BinaryWriter, value: ScalarValue): void {
  const text = value as string;
  if (text.includes('\0')) {
    throw new MillraceError(
      'unstorable-text',
      `a text with the character U+0000 cannot be a join key: ${JSON.stringify(text)}`,
      {
        remedy: 'Postgres stores no NUL in text: map such keys in the view with `key`.',
      },
    );
  }
  writer.sizedText(text);
}

/** The binary `numeric`: base-10000 digits around the decimal point. `text` is a canonical decimal ("-0.50"). */
function writeNumeric(writer: BinaryWriter, value: ScalarValue): void {
  const text = value as string;
  const negative = text.startsWith('-');
  const [whole = '', fraction = ''] = (negative ? text.slice(1) : text).split('.');
  const integerDigits = whole.padStart(Math.ceil(whole.length / 4) * 4, '0');
  const allDigits = integerDigits + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
  let weight = integerDigits.length / 4 - 1;
  const groups: number[] = [];
  for (let at = 0; at < allDigits.length; at += 4) groups.push(Number(allDigits.slice(at, at + 4)));
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift();
    weight--;
  }
  while (groups.length > 0 && groups[groups.length - 1] === 0) groups.pop();
  writer.int32(8 + groups.length * 2);
  writer.int16(groups.length);
  writer.int16(groups.length === 0 ? 0 : weight);
  writer.int16(negative && groups.length > 0 ? 0x4000 : 0);
  writer.int16(fraction.length);
  for (const group of groups) writer.int16(group);
}

function writeDate(writer: BinaryWriter, value: ScalarValue): void {
  const days = daysOfDate(value as string);
  if (!Number.isInteger(days)) throw internalBug(`not a date: ${String(value)}`);
  writer.int32(4);
  writer.int32(days - POSTGRES_EPOCH_DAYS);
}

const TEXT: ColumnFormat = { ddl: 'text COLLATE "C"', castName: 'text', oid: 25, write: writeText };

/**
 * The Postgres column of a scalar type: how it is declared, cast and written, exactly (timestamps to the µs, doubles to the bit).
 */
export function columnFormat(type: ScalarType): ColumnFormat {
  switch (type.kind) {
    case 'string':
    case 'enum':
      return TEXT;
    case 'boolean':
      return {
        ddl: 'boolean',
        castName: 'boolean',
        oid: 16,
        write: (writer, value) => {
          writer.int32(1);
          writer.uint8(value === true ? 1 : 0);
        },
      };
    case 'int':
      return {
        ddl: 'bigint',
        castName: 'bigint',
        oid: 20,
        write: (writer, value) => {
          writer.int32(8);
          writer.int64Number(value as number);
        },
      };
    case 'int64':
      return {
        ddl: 'bigint',
        castName: 'bigint',
        oid: 20,
        write: (writer, value) => {
          writer.int32(8);
          writer.int64(value as bigint);
        },
      };
    case 'decimal':
      return {
        ddl: `numeric(${type.precision},${type.scale})`,
        castName: 'numeric',
        oid: 1700,
        write: writeNumeric,
      };
    case 'double':
      return {
        ddl: 'double precision',
        castName: 'double precision',
        oid: 701,
        write: (writer, value) => {
          writer.int32(8);
          writer.double(value as number);
        },
      };
    case 'timestamp':
      return {
        ddl: 'timestamptz',
        castName: 'timestamptz',
        oid: 1184,
        write: (writer, value) => {
          writer.int32(8);
          // The difference of two safe integers need not be one.
          writer.int64(BigInt(value as number) - POSTGRES_EPOCH_US);
        },
      };
    case 'date':
      return { ddl: 'date', castName: 'date', oid: 1082, write: writeDate };
  }
}

/**
 * What a feature's value is in Postgres: a list of scalars is an array of theirs, whatever else is no scalar jsonb.
 *
 * @example
 * resultColumn({ kind: 'list', item: { kind: 'double' } }).ddl; // 'double precision[]'
 */
export function resultColumn(type: ResultType): Pick<ColumnFormat, 'ddl' | 'castName'> {
  if (isScalarType(type)) return columnFormat(type);
  if (type.kind === 'map' || !isScalarType(type.item)) return { ddl: 'jsonb', castName: 'jsonb' };
  // Of arrays the modifiers of their elements say nothing: the values have them.
  const { castName } = columnFormat(type.item);
  return { ddl: `${castName}[]${castName === 'text' ? ' COLLATE "C"' : ''}`, castName: `${castName}[]` };
}

/** A one-dimensional array without nulls in Postgres' binary format, to be bound as one parameter cast to `castName[]`. */
export function writeBinaryArray<Item>(
  writer: BinaryWriter,
  oid: number,
  items: readonly Item[],
  write: (writer: BinaryWriter, item: Item) => void,
): Buffer {
  writer.int32(items.length === 0 ? 0 : 1);
  writer.int32(0);
  writer.int32(oid);
  if (items.length > 0) {
    writer.int32(items.length);
    writer.int32(1);
    for (const item of items) write(writer, item);
  }
  return writer.take();
}
