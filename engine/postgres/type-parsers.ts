import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { timestampFromText } from './timestamp-text.ts';

const BOOL = 16;
const BYTEA = 17;
const INT8 = 20;
const INT2 = 21;
const INT4 = 23;
const OID = 26;
const JSON_TYPE = 114;
const FLOAT4 = 700;
const FLOAT8 = 701;
const JSONB = 3802;
const TIMESTAMPTZ = 1184;

/** int8 as a number. Throws MillraceError `unsafe-integer` beyond 2^53: such columns are selected as text where they are expected. */
function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new MillraceError('unsafe-integer', `bigint ${text} is not a safe integer`, {
      remedy: 'Select the column as text where values beyond 2^53 are possible.',
      httpStatus: 500,
    });
  }
  return value;
}

/** bytea in either of its forms: behind a pooler the session may have the other one. */
function bytesOf(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex');
  // `escape`: a byte beyond ASCII as three octal digits, a backslash twice.
  const plain = text.replaceAll(/\\(\\|[0-3][0-7]{2})/g, (_, escaped: string) =>
    escaped === '\\' ? escaped : String.fromCharCode(Number.parseInt(escaped, 8)),
  );
  return Buffer.from(plain, 'latin1');
}

const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [BOOL, (text) => text === 't'],
  [BYTEA, bytesOf],
  [INT8, safeInteger],
  [INT2, Number],
  [INT4, Number],
  [OID, Number],
  [FLOAT4, Number],
  [FLOAT8, Number],
  [JSON_TYPE, (text) => JSON.parse(text) as unknown],
  [JSONB, (text) => JSON.parse(text) as unknown],
  [TIMESTAMPTZ, timestampFromText],
]);

const asText = (text: string): string => text;

/**
 * How Millrace reads columns, whatever the pool's own settings: int8 → safe number (else error), numeric, date and text → string,
 * timestamptz → number of UTC epoch µs (the session must be `DateStyle ISO`, any zone), bytea → Buffer, json → parsed.
 */
export const postgresTypes: pg.CustomTypesConfig = {
  // `pg` declares its result as any; it gets text only, since binary results are not supported by the driver.
  getTypeParser: ((oid: number) => PARSERS.get(oid) ?? asText) as pg.CustomTypesConfig['getTypeParser'],
};
