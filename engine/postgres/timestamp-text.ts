import { MillraceError } from '../errors/millrace-error.ts';

const TIMESTAMPTZ =
  /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?$/;

/**
 * UTC epoch µs of a timestamptz as Postgres prints it in ISO style. Throws MillraceError `invalid-timestamp` for `infinity`,
 * times beyond the safe integers, and other styles.
 *
 * @example
 * timestampFromText('2001-06-01 00:00:00.25+00'); // 991353600250000
 */
export function timestampFromText(text: string): number {
  const match = TIMESTAMPTZ.exec(text);
  if (match === null) throw outOfRange(text);
  const [, year, month, day, hour, minute, second, fraction, sign, zoneHour, zoneMinute, zoneSecond, era] = match;
  const date = new Date(0);
  date.setUTCFullYear(era === undefined ? Number(year) : 1 - Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  const zoneSeconds = Number(zoneHour) * 3600 + Number(zoneMinute ?? 0) * 60 + Number(zoneSecond ?? 0);
  const epochSeconds = date.getTime() / 1000 - (sign === '-' ? -zoneSeconds : zoneSeconds);
  const epochUs = epochSeconds * 1_000_000 + Number((fraction ?? '').padEnd(6, '0'));
  if (!Number.isSafeInteger(epochUs)) throw outOfRange(text);
  return epochUs;
}

function outOfRange(text: string): MillraceError {
  return new MillraceError(
    'invalid-timestamp',
    `not a timestamp within 285 years of 1970 in ISO style: ${JSON.stringify(text)}`,
    {
      remedy: 'Set DateStyle to ISO, and keep infinite and far timestamps out.',
      httpStatus: 500,
    },
  );
}
