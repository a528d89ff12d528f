import type { Convert, Reading } from './convert.ts';
import { describeReceived } from './describe-received.ts';
import { expectedOf } from './expected-words.ts';
import type { ScalarType } from './field-type.ts';
import { integerAdvice, textInt, textInt64 } from './integer-readings.ts';
import { textDecimal, textDouble, textFloat32 } from './number-readings.ts';
import { booleanAdvice, enumValue, storableText, stringAdvice, textBoolean } from './plain-readings.ts';
import { KEY_SPELLING, type Spelling } from './spelling.ts';
import { dateTimeAdvice, epochAdvice, textDate, textDateTime, textEpoch } from './time-readings.ts';

/**
 * The reading of text: a CSV's cells, the folders of a path, `key=value` on a command line, a URL's parameters. Strict: no spaces, no `+`, no
 * leading zeros, no thousands. docs/values.md has the spellings of every type.
 *
 * @example
 * textReading({ kind: 'int' }).convert('42.0'); // 42
 */
export function textReading(type: ScalarType, spelling: Spelling = KEY_SPELLING): Reading {
  return {
    expected: expectedOf(type, spelling),
    convert: textConversion(type, spelling),
    received: describeReceived,
    advice: textAdvice(type, spelling),
  };
}

function textConversion(type: ScalarType, spelling: Spelling): Convert {
  switch (type.kind) {
    case 'string':
      return storableText('none');
    case 'enum':
      return enumValue(type.values);
    case 'boolean':
      return textBoolean;
    case 'int':
      return textInt;
    case 'int64':
      return textInt64;
    case 'double':
      return spelling.float32 ? textFloat32 : textDouble;
    case 'decimal':
      return textDecimal(type.precision, type.scale);
    case 'timestamp':
      return spelling.epoch === null ? textDateTime(spelling) : textEpoch(spelling.epoch, spelling.truncate);
    case 'date':
      return textDate;
  }
}

/** How programs write what is not known, where a type has no such word. */
const UNKNOWN = /^(?:[-+]?(?:nan|inf(?:inity)?)|null|none|nil|n\/?a|<na>|nat|#n\/a|\\n|-)$/i;

function textAdvice(type: ScalarType, spelling: Spelling): (raw: unknown) => string {
  if (type.kind === 'string') return stringAdvice;
  const advice = advisedOf(type, spelling);
  return (raw) =>
    UNKNOWN.test(String(raw)) ? 'a value that is not known is null, in a CSV an empty cell' : advice(raw);
}

function advisedOf(type: ScalarType, spelling: Spelling): (raw: unknown) => string {
  switch (type.kind) {
    case 'boolean':
      return booleanAdvice;
    case 'int':
    case 'int64':
      return integerAdvice(type.kind);
    case 'timestamp': {
      const { epoch } = spelling;
      return epoch === null
        ? (raw) => dateTimeAdvice(raw, { ...spelling, relaxed: true })
        : (raw) => epochAdvice(raw, textInt64, epoch);
    }
    case 'string':
    case 'double':
    case 'decimal':
    case 'date':
    case 'enum':
      return () => '';
  }
}
