import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dateOfDays, isIsoDate } from '../../engine/values/date-days.ts';
import { formatDateTime, INSTANT, parseDateTime } from '../../engine/values/iso-time.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
console.log(`iso-time seed ${seed}`);
const strict = INSTANT;

test('every microsecond comes back from its text', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (epochUs) => {
      expect(parseDateTime(formatDateTime(epochUs), strict)).toBe(epochUs);
    }),
    { seed, numRuns: 5000 },
  );
  for (const edge of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, -1, 1]) {
    expect(parseDateTime(formatDateTime(edge), strict)).toBe(edge);
  }
});

test('times beyond the safe integers are none', () => {
  for (const text of ['1684-01-01T00:00:00Z', '2256-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
    expect(parseDateTime(text, strict)).toBeNaN();
  }
});

test('offsets move a time, across midnight and years too', () => {
  expect(formatDateTime(parseDateTime('2001-01-01T00:30:00+01:00', strict))).toBe('2000-12-31T23:30:00.000000Z');
  expect(formatDateTime(parseDateTime('2000-02-28T23:59:59.5-00:30', strict))).toBe('2000-02-29T00:29:59.500000Z');
  expect(parseDateTime('2001-01-01T00:00:00-00:00', strict)).toBe(978307200000000);
  expect(parseDateTime('2001-01-01T00:00:00+01:00', { ...strict, offset: false })).toBeNaN();
});

test('days are those of the calendar', () => {
  fc.assert(
    fc.property(fc.integer({ min: -719_528, max: 2_932_896 }), (days) => {
      const text = dateOfDays(days) as string;
      expect(isIsoDate(text)).toBe(true);
      expect(Date.parse(`${text}T00:00:00Z`)).toBe(days * 86_400_000);
    }),
    { seed, numRuns: 2000 },
  );
  expect(dateOfDays(2_932_897)).toBeUndefined();
  for (const text of [
    '1900-02-29',
    '2001-00-01',
    '2001-13-01',
    '2001-04-31',
    '2001-01-00',
    '01-01-01',
    '2001-01-01 ',
  ]) {
    expect([text, isIsoDate(text)]).toEqual([text, false]);
  }
});
