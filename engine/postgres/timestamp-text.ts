import { MillraceError } from '../errors/millrace-error.ts';

const TIMESTAMPTZ =
  /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?$/;

/**
 * UTC epoch µs of a timestamptz as Postgres prints it in ISO style. Throws MillraceError `invalid-timestamp` for `infinity` and other styles.
 *
 * @example
 * timestampFromText('2001-06-01 00:00:00.25+00'); // 991353600250000
 */
export function timestampFromText(text: string): number {
  const match = TIMESTAMPTZ.exec(text);
  if (match === null) {
    throw new MillraceError('invalid-timestamp', `not a finite timestamp in ISO style: ${JSON.stringify(text)}`, {
      remedy: 'Set DateStyle to ISO and keep infinite timestamps out.',
      httpStatus: 500,
    });
  }
  const [, year, month, day, hour, minute, second, fraction, sign, zoneHour, zoneMinute, zoneSecond, era] = match;
  const date = new Date(0);
  date.setUTCFullYear(era === undefined ? Number(year) : 1 - Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  const zoneSeconds = Number(zoneHour) * 3600 + Number(zoneMinute ?? 0) * 60 + Number(zoneSecond ?? 0);
  const epochSeconds = date.getTime() / 1000 - (sign === '-' ? -zoneSeconds : zoneSeconds);
  return epochSeconds * 1_000_000 + Number((fraction ?? '').padEnd(6, '0'));
}
