import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { isoOf, type RawVisit, type VisitLog, type VisitStep } from '../oracle/visits.ts';
import { type BuiltVisits, expectOutcomes, openVisitBuilder, oracleOf, type VisitBuilder } from './visit-versions.ts';

/*
 * The end of history and the first days of the topic, where a wrong rule was found: rows of history at or after `until` raised the
 * watermark that starts every partition, so that duplicates counted twice.
 */

let builder: VisitBuilder;
beforeAll(async () => {
  builder = await openVisitBuilder(inject('stack').databaseUrl);
});
afterAll(() => builder.close());

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const UNTIL_US = Date.UTC(2026, 2, 1) * 1000;
const FAR_US = Date.UTC(2099, 5, 1) * 1000;

const visit = (id: string, atUs: number, n: number): RawVisit => ({
  id,
  at: isoOf(atUs),
  who: ['a', 'b', 'c'][n % 3]!,
  kept: true,
  n: n % 10,
  x: n / 4,
  p: '1.00',
  s: `${n}`,
});

/** Ten days of history, a visit an hour. */
const PAST = Array.from({ length: 240 }, (_, n) => visit(`h${n}`, UNTIL_US - (240 - n) * HOUR, n));
/** Altered copies of what the topic has of its first five days, as a later export of the same system would hold them. */
const ALTERED = Array.from({ length: 200 }, (_, n) => visit(`t${n}`, UNTIL_US + n * 36 * 60_000_000, 3 * n + 7));

/** Five days of the topic: 200 visits, of which some come again, the same or altered, and some repeat history's last day. */
function present(): RawVisit[] {
  return Array.from({ length: 200 }, (_, n): RawVisit[] => {
    const atUs = UNTIL_US + n * 36 * 60_000_000;
    const first = visit(`t${n}`, atUs, n);
    if (n % 5 === 0) return [first, first];
    if (n % 5 === 1) return [first, visit(`t${n}`, atUs + HOUR, n + 50)];
    // Across the boundary: h239 and h238 were claimed 1 h and 2 h before `until`; until 22 h after it they are repeats.
    if (n % 5 === 2) return [visit(`h${239 - (n % 2)}`, atUs, n)];
    return [first];
  }).flat();
}

function log(settings: Partial<VisitLog['settings']>, extra: readonly RawVisit[]): VisitLog {
  return {
    settings: {
      idKind: 'text',
      untilUs: UNTIL_US,
      horizonUs: DAY,
      maxAheadUs: HOUR,
      brokerTime: 'record',
      ...settings,
    },
    gUs: UNTIL_US + 10 * DAY,
    files: [
      // By name the altered rows come first.
      { name: 'a', rows: extra },
      { name: 'b', rows: PAST },
    ],
    firstPartitions: 1,
    steps: present().map((value): VisitStep => ({ partition: 0, brokerTimeUs: UNTIL_US + 10 * DAY, value })),
  };
}

async function built(of: VisitLog, cut: number): Promise<BuiltVisits> {
  const version = await builder.build(of, await builder.write(of, 'parquet'), [cut]);
  expectOutcomes(version, oracleOf(of));
  return version;
}

/*
 * By hand. Twice as sent: 40 duplicates. Altered an hour later: 40, each within a day of its first. The repeats of h239 (claimed at −1 h)
 * and h238 (−2 h) come at 0.6 n h, the watermark before them, raised by the altered copy of n − 1, being at 0.6 n + 0.4 h. So of h239 (n even)
 * 2, 12, 22, 32 are duplicates; 42 claims anew at 25.2 h and 52, 62, 72 repeat it, 82 claims anew (49.6 > 25.2 + 24), and so on: 4 events, 16
 * duplicates. Of h238 (n odd) 7, 17, 27 are duplicates, 37, 77, 117, 157, 197 claim anew: 5 events, 15 duplicates.
 */
const COUNTS = {
  records: 240 + 280,
  tombstones: 0,
  invalid: 0,
  outsideUntil: 0,
  duplicates: 40 + 40 + 16 + 15,
  undeduped: 0,
  filtered: 0,
  nullKey: 0,
  late: 0,
  applied: 240 + 160 + 4 + 5,
};

describe.each([
  ['in batch', 1000],
  ['in the stream', 0],
  ['in both', 130],
])('the topic %s', (_, cut) => {
  test('200 altered rows up to 5 days past until change no state', async () => {
    const without = await built(log({}, []), cut);
    const altered = await built(log({}, ALTERED), cut);
    expect(without.counts).toEqual(COUNTS);
    expect(altered.counts).toEqual({ ...COUNTS, records: COUNTS.records + 200, outsideUntil: 200 });
    expect(altered.states).toEqual(without.states);
  });

  test('a row of 2099 changes no state where something stops it', async () => {
    const without = await built(log({}, []), cut);
    const far = [visit('far', FAR_US, 0)];
    const stopped = { ...COUNTS, records: COUNTS.records + 1 };
    for (const [settings, counts] of [
      [{}, { ...stopped, invalid: 1 }],
      [{ untilUs: null }, { ...stopped, invalid: 1 }],
      [{ maxAheadUs: null }, { ...stopped, outsideUntil: 1 }],
    ] as const) {
      const version = await built(log(settings, far), cut);
      expect([settings, version.counts]).toEqual([settings, counts]);
      expect(version.states).toEqual(without.states);
    }
  });

  test('a row of 2099 that nothing stops leaves nothing to be judged', async () => {
    const version = await built(log({ maxAheadUs: null, untilUs: null }, [visit('far', FAR_US, 0)]), cut);
    expect(version.counts).toEqual({ ...COUNTS, records: 521, duplicates: 0, undeduped: 280, applied: 521 });
  });
});

test('an id of history counts again past the horizon, wherever its rows lie', async () => {
  const day = (days: number, us = 0) => visit('again', UNTIL_US + days * DAY + us, 0);
  const rows = [day(-5), day(0), day(-10), day(-6, -1), day(-5, 1), day(-9), day(-4), day(-9, 1)];
  // By time: −10 claims, −9 repeats it at the horizon, 1 µs later it claims anew; −6 − 1 µs claims; −5 claims (a day and 1 µs on), 1 µs
  // later and −4 repeat it; 0 claims.
  const of: VisitLog = {
    ...log({ untilUs: null }, []),
    files: [
      { name: 'a', rows: rows.slice(0, 5) },
      { name: 'b', rows: rows.slice(5) },
    ],
    steps: [],
  };
  const version = await built(of, 0);
  expect(version.counts).toMatchObject({ records: 8, duplicates: 3, applied: 5 });
});

test('the bound of history is of the first reading of its files, for every build over them', async () => {
  const early = log({ untilUs: null }, []);
  const ahead = [visit('at', early.gUs + HOUR, 0), visit('past', early.gUs + HOUR + 1, 0)];
  const first: VisitLog = { ...early, files: [{ name: 'a', rows: [...PAST, ...ahead] }], steps: [] };
  const path = await builder.write(first, 'parquet');
  for (const gUs of [first.gUs, first.gUs + 30 * DAY]) {
    const version = await builder.build({ ...first, gUs }, path, [0]);
    expectOutcomes(version, oracleOf(first));
    expect(version.counts).toMatchObject({ invalid: 1, applied: 241 });
  }
  // The same rows as other files, read later.
  const later = { ...first, gUs: first.gUs + 30 * DAY };
  const version = await builder.build(later, await builder.write(later, 'parquet'), [0]);
  expect(version.counts).toMatchObject({ invalid: 0, applied: 242 });
});
