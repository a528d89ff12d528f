import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timeZoneOf } from '../../engine/values/time-zone.ts';
import { formatDateTime, INSTANT, parseDateTime } from '../../engine/values/iso-time.ts';
import { withDuckDb } from './training-fixture.ts';

const seed = Number(process.env['MILLRACE_SEED'] ?? Math.trunc(Math.random() * 2 ** 31));

const wall = (text: string): number => parseDateTime(`${text}Z`, INSTANT);

function instants(zone: string, text: string): string[] {
  return timeZoneOf(zone)!
    .instantsOf(wall(text))
    .map((instantUs) => formatDateTime(instantUs).slice(0, 16));
}

test('names of zones are taken, offsets and anything else are not', () => {
  for (const name of ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT-2'])
    expect(timeZoneOf(name)?.name).toBe(name);
  for (const name of ['', '+02:00', '-5', 'Z', 'Mars/Base', 'Europe/Berlin ', 'local'])
    expect(timeZoneOf(name)).toBe(undefined);
});

test('the hour that is twice, the hour that is not, and their edges', () => {
  expect(instants('Europe/Berlin', '2024-10-27T01:59:59')).toEqual(['2024-10-26T23:59']);
  expect(instants('Europe/Berlin', '2024-10-27T02:00:00')).toEqual(['2024-10-27T00:00', '2024-10-27T01:00']);
  expect(instants('Europe/Berlin', '2024-10-27T03:00:00')).toEqual(['2024-10-27T02:00']);
  expect(instants('Europe/Berlin', '2024-03-31T01:59:59.999999')).toEqual(['2024-03-31T00:59']);
  expect(instants('Europe/Berlin', '2024-03-31T02:00:00')).toEqual([]);
  expect(instants('Europe/Berlin', '2024-03-31T02:59:59.999999')).toEqual([]);
  expect(instants('Europe/Berlin', '2024-03-31T03:00:00')).toEqual(['2024-03-31T01:00']);
  // Half an hour, and a day that was left out.
  expect(instants('Australia/Lord_Howe', '2024-04-07T01:45:00')).toEqual(['2024-04-06T14:45', '2024-04-06T15:15']);
  expect(instants('Pacific/Apia', '2011-12-30T12:00:00')).toEqual([]);
});

test('a day begins with its first instant, where there is no midnight as well, or two', () => {
  const start = (zone: string, date: string): string =>
    formatDateTime(timeZoneOf(zone)!.startOfDay(wall(`${date}T00:00:00`))).slice(0, 16);
  expect(start('UTC', '2024-03-31')).toBe('2024-03-31T00:00');
  expect(start('Europe/Berlin', '2024-03-31')).toBe('2024-03-30T23:00');
  expect(start('America/Sao_Paulo', '2018-11-04')).toBe('2018-11-04T03:00');
  expect(start('America/Havana', '2024-11-03')).toBe('2024-11-03T04:00');
});

test(`of any instant the clock's reading leads back to it (seed ${seed})`, async () => {
  const zones = [
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Pacific/Chatham',
    'Africa/Casablanca',
  ];
  const instant = fc.integer({ min: Date.UTC(1975, 0, 1) * 1000, max: Date.UTC(2024, 0, 1) * 1000 });
  await withDuckDb(async (duckdb) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...zones),
        fc.array(instant, { minLength: 1, maxLength: 200 }),
        async (name, all) => {
          const zone = timeZoneOf(name)!;
          // DuckDB has a database of its own.
          const walls = await duckdb.query<{ w: bigint }>(
            `SELECT epoch_us(timezone('${name}', t)) AS w FROM (SELECT unnest([${all.map((us) => `make_timestamptz(${us})`).join()}]) AS t)`,
          );
          for (const [index, us] of all.entries()) expect(zone.instantsOf(Number(walls[index]!.w))).toContain(us);
        },
      ),
      { seed, numRuns: 60 },
    );
  });
});
