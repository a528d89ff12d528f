import type { ColumnType } from './column-type.ts';
import type { Convert, Reading } from './convert.ts';
import { describeReceived } from './describe-received.ts';
import { expectedOf } from './expected-words.ts';
import type { ScalarType } from './field-type.ts';
import { integerAdvice, typedInt, typedInt64 } from './integer-readings.ts';
import { decimalAdvice, numberAdvice, typedDecimal, typedDouble, typedFloat32 } from './number-readings.ts';
import { enumValue, storableText, stringAdvice, type TextTrust, typedBoolean } from './plain-readings.ts';
import { receivedOf } from './raw-text.ts';
import { KEY_SPELLING, type Spelling } from './spelling.ts';
import {
  cutAdvice,
  dateTimeAdvice,
  epochAdvice,
  nanosAdvice,
  typedDate,
  typedDateTime,
  typedEpoch,
} from './time-readings.ts';

/** The reading of typed values of one form; null where a value of that form can never be of the type. */
function typedConversion(type: ScalarType, form: ColumnType, spelling: Spelling, trust: TextTrust): Convert | null {
  switch (type.kind) {
    case 'string':
      return form.kind === 'text' || form.kind === 'json' ? storableText(trust) : null;
    case 'enum':
      return form.kind === 'text' ? enumValue(type.values) : null;
    case 'boolean':
      return typedBoolean(form);
    case 'int':
      return typedInt(form);
    case 'int64':
      return typedInt64(form);
    case 'double':
      return spelling.float32 ? typedFloat32(form) : typedDouble(form);
    case 'decimal':
      return typedDecimal(form, type.precision, type.scale);
    case 'timestamp':
      return spelling.epoch === null
        ? typedDateTime(form, spelling)
        : typedEpoch(form, spelling.epoch, spelling.truncate);
    case 'date':
      return typedDate(form);
  }
}

/**
 * The reading of a column's raw values (`rawColumn`) of a type; null where a column of that form can never be such a field.
 *
 * @example
 * columnReading({ kind: 'double' }, { kind: 'decimal', scale: 2 })?.convert(110n); // 1.1
 */
export function columnReading(type: ScalarType, form: ColumnType, spelling: Spelling = KEY_SPELLING): Reading | null {
  // DuckDB holds valid UTF-8 only.
  const convert = typedConversion(type, form, spelling, 'well-formed');
  if (convert === null) return null;
  return {
    expected: expectedOf(type, spelling),
    convert,
    received: receivedOf(form),
    advice: columnAdvice(type, form, spelling),
  };
}

/**
 * The reading of a parsed JSON value of a type: its number is a double, its string a text, its boolean a boolean, as in a column. Records of a
 * topic, lines of JSONL and requests go through it.
 *
 * @example
 * typedReading({ kind: 'int64' }).convert('9007199254740993'); // 9007199254740993n
 */
export function typedReading(type: ScalarType, spelling: Spelling = KEY_SPELLING, trust: TextTrust = 'none'): Reading {
  return {
    expected: expectedOf(type, spelling),
    convert: jsonConversion(type, spelling, trust),
    received: describeReceived,
    advice: typedAdvice(type, spelling),
  };
}

function jsonConversion(type: ScalarType, spelling: Spelling, trust: TextTrust): Convert {
  const of = (form: ColumnType): Convert | null => typedConversion(type, form, spelling, trust);
  const number = of({ kind: 'double' });
  const text = of({ kind: 'text' });
  const known = [number, text, of({ kind: 'boolean' })].filter((convert) => convert !== null);
  const [only] = known;
  // Each looks at what it is given: alone it needs no dispatch.
  if (known.length === 1 && only !== undefined) return only;
  const integer = of({ kind: 'integer' });
  return (raw) => {
    const convert = typeof raw === 'number' ? number : typeof raw === 'bigint' ? integer : text;
    return convert === null ? undefined : convert(raw);
  };
}

function columnAdvice(type: ScalarType, form: ColumnType, spelling: Spelling): (raw: unknown) => string {
  switch (form.kind) {
    case 'timestamp-ns':
      return nanosAdvice;
    case 'timestamp':
      return form.towards === 'zero' ? cutAdvice : () => '';
    // Raw values of these are not what the file shows.
    case 'decimal':
    case 'date':
      return () => '';
    default:
      return typedAdvice(type, spelling);
  }
}

function typedAdvice(type: ScalarType, spelling: Spelling): (raw: unknown) => string {
  switch (type.kind) {
    case 'string':
      return stringAdvice;
    case 'int':
    case 'int64': {
      const advice = integerAdvice(type.kind);
      return (raw) => numberAdvice(raw) || advice(raw);
    }
    case 'double':
      return numberAdvice;
    case 'decimal':
      return decimalAdvice;
    case 'timestamp': {
      const { epoch } = spelling;
      if (epoch === null) return (raw) => dateTimeAdvice(raw, { ...spelling, relaxed: false });
      const whole = jsonConversion({ kind: 'int64' }, spelling, 'none');
      return (raw) => epochAdvice(raw, whole, epoch);
    }
    case 'boolean':
    case 'date':
    case 'enum':
      return () => '';
  }
}

/** What to write in place of an INT96. */
const MICROS = 'Or write INT64 microseconds (Spark: spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS)';

/** What to do about a column whose form can never be a field of this type. */
export function formAdvice(type: ScalarType, form: ColumnType, spelling: Spelling): string {
  if (form.kind === 'float' && type.kind === 'double') {
    return 'Declare z.float32(), which rounds alike at every door, or write the column as DOUBLE.';
  }
  if (form.kind === 'timestamp' || form.kind === 'timestamp-ns') {
    if (type.kind === 'timestamp' && spelling.epoch === null) {
      if (!form.zone && !spelling.local && form.kind === 'timestamp' && form.isCut && !spelling.truncate) {
        return (
          "Declare z.iso.datetime({ local: true }), and finerThanMicros: 'truncate' on the source: an INT96 has no zone (its times then count as " +
          `UTC), and what is finer than a microsecond in it is cut. ${MICROS} with the UTC flag.`
        );
      }
      if (!form.zone && !spelling.local) {
        return 'Declare z.iso.datetime({ local: true }): its times without a zone then count as UTC. Or write the column with the UTC flag.';
      }
      return (
        "Give finerThanMicros: 'truncate' on the source: what is finer than a microsecond in an INT96 is cut. " +
        `${MICROS}.`
      );
    }
    if (type.kind === 'timestamp') return 'Declare z.iso.datetime(): the column is a time already.';
  }
  if (form.kind === 'integer' && type.kind === 'timestamp') {
    return "Declare epoch('s' | 'ms' | 'us' | 'ns'), with the column's unit.";
  }
  if (form.kind === 'date' && type.kind === 'timestamp') {
    return "Declare z.iso.date(); as event time it takes eventTimeAt: 'start' or 'end'.";
  }
  if (form.kind === 'text') return 'Write the column in its own type: the texts of a typed file are texts.';
  return 'Change the column or the contract; docs/values.md says what becomes what.';
}
