import type { Convert, Reading } from './convert.ts';
import { describeReceived } from './describe-received.ts';
import { expectedOf } from './expected-words.ts';
import type { ScalarType } from './field-type.ts';
import { int64OfBigint } from './int64.ts';
import { KEY_SPELLING, type Spelling } from './spelling.ts';
import { typedReading } from './typed-reading.ts';

/** Checks a value in TypeScript against a type, in the row's representation; undefined where it does not fit. Of a spelling it is the rounding alone that counts. */
export function rowValueConversion(type: ScalarType, spelling: Spelling = KEY_SPELLING): Convert {
  switch (type.kind) {
    case 'int64':
      return (raw) => (typeof raw === 'bigint' ? int64OfBigint(raw) : undefined);
    case 'timestamp':
      return (raw) => (Number.isSafeInteger(raw) ? (raw as number) + 0 : undefined);
    default:
      return typedReading(type, spelling).convert;
  }
}

/** The same as a reading, for keys and requests given in TypeScript: their values are values already. */
export function rowValueReading(type: ScalarType, spelling: Spelling = KEY_SPELLING): Reading {
  const advice =
    type.kind === 'int64'
      ? 'in TypeScript it is a bigint'
      : type.kind === 'timestamp'
        ? 'in TypeScript it is a number of epoch microseconds'
        : '';
  return {
    expected: expectedOf(type, spelling),
    convert: rowValueConversion(type, spelling),
    received: (raw) => (typeof raw === 'bigint' ? `${raw}n` : describeReceived(raw)),
    advice: () => advice,
  };
}
