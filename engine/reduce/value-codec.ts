import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { dateOfDays, daysOfDate } from '../values/date-days.ts';
import { decimalOfScaled, scaledOfDecimal } from '../values/decimal-text.ts';
import { INT64_MAX, INT64_MIN } from '../values/int64.ts';
import { dyadicOfDouble, powerOfTwo } from './dyadic.ts';

/**
 * The canonical bytes of a type's value. They sort, as unsigned bytes, exactly as `comparisonOf(type)` sorts the values; ties of
 * `first` and `last` are broken by them. string, enum, date: UTF-8 · boolean: 00 or 01 · int, int64, timestamp: 8 bytes big-endian, sign bit
 * flipped · decimal: the scaled integer in 16 bytes big-endian, sign bit flipped · double: IEEE 754 big-endian, sign bit flipped if
 * positive, all bits flipped if negative.
 *
 * @example canonicalBytes({ kind: 'int' }, -1) // 7f ff ff ff ff ff ff ff
 */
export function canonicalBytes(type: ScalarType, value: NonNullable<ScalarValue>): Uint8Array {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'date':
      return Buffer.from(value as string, 'utf8');
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0);
    case 'int':
    case 'int64':
    case 'timestamp':
      return bigEndian(BigInt.asUintN(64, BigInt(value) - INT64_MIN), 8);
    case 'decimal':
      return bigEndian(BigInt.asUintN(128, BigInt(scaledOfDecimal(value as string)) + 2n ** 127n), 16);
    case 'double': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE((value as number) + 0);
      if (bytes[0]! < 0x80) bytes[0] = bytes[0]! | 0x80;
      else for (let at = 0; at < 8; at++) bytes[at] = ~bytes[at]! & 0xff;
      return bytes;
    }
  }
}

function bigEndian(value: bigint, length: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');
}

/** `opt(type, value)` of engine/state/README.md: compact, prefix-free, one byte for "no value". */
export interface OptionalValueCodec {
  write(writer: ByteWriter, value: ScalarValue): void;
  /** Throws `state-corrupt` for what `write` never writes. */
  read(reader: ByteReader): ScalarValue;
}

/** The codec of a type's optional values. */
export function optionalValueCodec(type: ScalarType): OptionalValueCodec {
  switch (type.kind) {
    case 'boolean':
      return {
        write: (writer, value) => writer.byte(value === null ? 0 : value === true ? 2 : 1),
        read: (reader) => {
          const byte = reader.byte();
          if (byte > 2) reader.corrupt('a boolean is neither 0, 1 nor 2');
          return byte === 0 ? null : byte === 2;
        },
      };
    case 'int':
    case 'timestamp':
      return integers(
        (value) => value as number,
        (stored, reader) => (typeof stored === 'number' ? stored : reader.corrupt('an integer is not safe')),
      );
    case 'int64':
      return integers(
        (value) => value as bigint,
        (stored, reader) => {
          const value = BigInt(stored);
          return value < INT64_MIN || value > INT64_MAX ? reader.corrupt('an int64 is out of range') : value;
        },
      );
    case 'decimal': {
      const limit = 10n ** BigInt(type.precision);
      return integers(
        (value) => scaledOfDecimal(value as string),
        (stored, reader) =>
          stored >= limit || stored <= -limit
            ? reader.corrupt('a decimal is out of range')
            : decimalOfScaled(stored, type.scale),
      );
    }
    case 'date':
      return integers(
        (value) => daysOfDate(value as string),
        (stored, reader) =>
          (typeof stored === 'number' ? dateOfDays(stored) : undefined) ?? reader.corrupt('a date is out of range'),
      );
    case 'double':
      return { write: writeDouble, read: readDouble };
    case 'string':
      return {
        write: (writer, value) => (value === null ? writer.byte(0) : writer.text(value as string, 1)),
        read: (reader) => {
          const length = reader.unsigned();
          return length === 0 ? null : reader.text(length - 1);
        },
      };
    case 'enum': {
      const indexes = new Map(type.values.map((value, index) => [value, index + 1]));
      return {
        write: (writer, value) => {
          const index = value === null ? 0 : indexes.get(value as string);
          if (index === undefined) throw internalBug(`"${String(value)}" is not one of ${type.values.join(', ')}`);
          writer.unsigned(index);
        },
        read: (reader) => {
          const index = reader.unsigned();
          if (index === 0) return null;
          return type.values[index - 1] ?? reader.corrupt('an enum has no such value');
        },
      };
    }
  }
}

function integers(
  toInteger: (value: NonNullable<ScalarValue>) => number | bigint,
  ofInteger: (stored: number | bigint, reader: ByteReader) => ScalarValue,
): OptionalValueCodec {
  return {
    write: (writer, value) => (value === null ? writer.byte(0) : writer.signedOrNone(toInteger(value))),
    read: (reader) => {
      const stored = reader.signedOrNone();
      return stored === null ? null : ofInteger(stored, reader);
    },
  };
}

function writeDouble(writer: ByteWriter, value: ScalarValue): void {
  if (value === null) {
    writer.byte(0);
    return;
  }
  const { m, e } = dyadicOfDouble(value as number);
  writer.signedOrNone(m);
  if (m !== 0) writer.signed(e);
}

function readDouble(reader: ByteReader): ScalarValue {
  const m = reader.signedOrNone();
  if (m === null || m === 0) return m;
  const e = reader.signedSafe();
  if (typeof m !== 'number' || (m & 1) === 0) reader.corrupt('a double is not in canonical form');
  // An odd m below 2^53 times 2^e of this range is exact, or overflows.
  const value = e < -1074 ? Number.NaN : m * powerOfTwo(e);
  if (!Number.isFinite(value)) reader.corrupt('a double is out of range');
  return value;
}
