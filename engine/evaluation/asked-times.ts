import { MillraceError } from '../errors/millrace-error.ts';
import { INSTANT, parseDateTime } from '../values/iso-time.ts';

/**
 * Reads a time that is asked for, to UTC epoch µs: an ISO time with its zone, or a date for its first instant in UTC. Throws MillraceError `bad-options`.
 *
 * @example
 * askedTime('2001-06-01', '--from'); // 991353600000000
 */
export function askedTime(text: string, option: string): number {
  const timeUs = parseDateTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text, INSTANT);
  if (!Number.isNaN(timeUs)) return timeUs;
  throw new MillraceError(
    'bad-options',
    `${option}: expected an ISO time with its zone, or a date; received "${text}"`,
    {
      remedy: 'Write it as 2001-06-01, or 2001-06-01T08:00:00Z.',
    },
  );
}
