import { describe, expect, test } from 'vitest';
import { judgeSeries, NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import type { MonitorSubject } from '../../engine/monitors/monitor-bucket.ts';
import { keyOf, partitionOf, recordOf, type SentDeparture } from '../../demo/watch/departures.ts';
import { HOUR_MS, WATCH_FAULTS, WEEK_MS, type WatchFault } from '../../demo/watch/watch-faults.ts';
import { stepsOf } from '../../demo/watch/watch-runs.ts';
import {
  isWatched,
  knowableMs,
  LATENESS_MS,
  type SeenAlert,
  verdictOf,
  type WatchFigures,
} from '../../demo/watch/watch-verdict.ts';

const ORIGINS = ['LAX', 'ORD', 'PHX', 'SFO'];
const DESTINATIONS = ['JFK', 'BOS', 'DEN', 'SEA', 'MIA', 'ATL', 'IAH', 'DTW'];

/** A flight every two minutes for the whole week. */
const WEEK: readonly SentDeparture[] = Array.from({ length: 7 * 24 * 30 }, (_, n) => {
  const sentMs = WEEK_MS + n * 120_000;
  return {
    sentMs,
    departure: {
      flight_id: `F${n}`,
      departed: new Date(sentMs).toISOString(),
      origin: ORIGINS[n % 4]!,
      destination: DESTINATIONS[(n >> 2) % 8]!,
      delay: (n % 90) - 10,
      distance: 500,
    },
  };
});

function faultNamed(name: string): WatchFault {
  return WATCH_FAULTS.find((fault) => fault.name === name)!;
}

/** What is other than before, as pairs. */
function changedBy(name: string): [SentDeparture, SentDeparture][] {
  const planted = faultNamed(name).plant(WEEK);
  expect(planted).toHaveLength(WEEK.length);
  return WEEK.flatMap((before, n) => (planted[n] === before ? [] : [[before, planted[n]!]]));
}

describe('what is planted in the week', () => {
  test('null-delay: of one airport from its hour on, and nothing else', () => {
    const { fromMs, truth } = faultNamed('null-delay');
    const changed = changedBy('null-delay');
    const wanted = WEEK.filter(
      ({ sentMs, departure }) => sentMs >= fromMs && departure.origin === truth.segment?.value,
    );
    expect(changed.map(([before]) => before)).toEqual(wanted);
    for (const [before, after] of changed)
      expect(after).toEqual({ ...before, departure: { ...before.departure, delay: null } });
  });

  test('minutes-to-hours: of one airport from its hour on, and nothing else', () => {
    const { fromMs, truth } = faultNamed('minutes-to-hours');
    const changed = changedBy('minutes-to-hours');
    const wanted = WEEK.filter(
      ({ sentMs, departure }) => sentMs >= fromMs && departure.origin === truth.segment?.value,
    );
    expect(changed.map(([before]) => before)).toEqual(wanted);
    for (const [{ departure: before }, { departure: after }] of changed)
      expect(after).toEqual({ ...before, delay: before.delay! / 60 });
  });

  test('doubled-partition: each record of one partition comes twice, the second time under an id of its own', () => {
    const { fromMs, truth } = faultNamed('doubled-partition');
    const planted = faultNamed('doubled-partition').plant(WEEK);
    const partition = ({ departure }: SentDeparture): string => String(partitionOf(keyOf(departure)));
    const isOfIt = (sent: SentDeparture): boolean => sent.sentMs >= fromMs && partition(sent) === truth.segment?.value;
    const twice = WEEK.filter(isOfIt).length;
    expect(twice).toBeGreaterThan(100);
    expect(planted).toHaveLength(WEEK.length + twice);
    expect(new Set(planted.map(({ departure }) => departure.flight_id)).size).toBe(planted.length);
    expect(planted.filter((sent) => !isOfIt(sent))).toEqual(WEEK.filter((sent) => !isOfIt(sent)));
    expect(recordOf(planted[0]!).timestampMs).toBe(WEEK_MS);
  });

  test('silent-feed: nothing for three hours, and all else as it was', () => {
    const { fromMs, plant } = faultNamed('silent-feed');
    const isSilent = ({ sentMs }: SentDeparture): boolean => sentMs >= fromMs && sentMs < fromMs + 3 * HOUR_MS;
    expect(WEEK.filter(isSilent)).toHaveLength(3 * 30);
    expect(plant(WEEK)).toEqual(WEEK.filter((sent) => !isSilent(sent)));
  });

  test('what is done beside the records leaves them as they are', () => {
    expect(changedBy('changed-row')).toEqual([]);
  });
});

describe('when it is looked', () => {
  test('each hour about the fault, as it closes; else each day', () => {
    const { fromMs } = faultNamed('null-delay');
    const steps = stepsOf({ fromMs }, WEEK_MS + 7 * 24 * HOUR_MS);
    expect(steps).toContain(knowableMs({ fromMs }));
    expect(steps).toContain(knowableMs({ fromMs }) + HOUR_MS);
    expect(stepsOf(null, WEEK_MS + 7 * 24 * HOUR_MS)).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((day) => WEEK_MS + day * 24 * HOUR_MS + LATENESS_MS),
    );
  });
});

describe('the verdict', () => {
  const fault = faultNamed('null-delay');
  const root: MonitorSubject = { place: 'source', object: 'departures', field: 'delay', segment: fault.truth.segment };
  const alert: SeenAlert = {
    id: 'al_1',
    place: 'producer',
    root,
    openedAtMs: knowableMs(fault),
    sinceMs: fault.fromMs,
    text: '',
  };

  test('of what is found at once, as what it is', () => {
    expect(verdictOf(fault, [alert])).toMatchObject({
      found: true,
      delayMinutes: 0,
      placeRight: true,
      segmentRight: true,
      fieldRight: true,
      falseAlerts: [],
    });
  });

  test('of what is late, elsewhere, not at all, or said before it was so', () => {
    const late = { ...alert, openedAtMs: alert.openedAtMs + 2 * HOUR_MS };
    expect(verdictOf(fault, [late])).toMatchObject({ found: false, delayMinutes: 120 });
    const whole = { ...alert, place: 'source', root: { ...root, segment: null } };
    expect(verdictOf(fault, [whole])).toMatchObject({ found: true, placeRight: false, segmentRight: false });
    expect(verdictOf(fault, [])).toMatchObject({ found: false, delayMinutes: null, placeRight: false });
    const before = { ...alert, id: 'al_0', sinceMs: fault.fromMs - HOUR_MS };
    expect(verdictOf(fault, [before])).toMatchObject({ found: false, falseAlerts: [before] });
  });

  test('another alert beside the right one is false', () => {
    const other = { ...alert, id: 'al_2', root: { ...root, field: 'distance' } };
    expect(verdictOf(fault, [other, alert])).toMatchObject({ found: true, fieldRight: true, falseAlerts: [other] });
  });

  test('all are to be right, and nothing else said', () => {
    const one = { name: 'a', found: true, delayMinutes: 0, placeRight: true, segmentRight: true, fieldRight: true };
    const figures: WatchFigures = { faults: [one], falseAlerts: 0, seconds: 1 };
    expect(isWatched(figures)).toBe(true);
    expect(isWatched({ ...figures, falseAlerts: 1 })).toBe(false);
    for (const wrong of ['found', 'placeRight', 'segmentRight', 'fieldRight'] as const)
      expect(isWatched({ ...figures, faults: [one, { ...one, [wrong]: false }] })).toBe(false);
  });
});

describe('a stored state that is not what was written', () => {
  const figures = { beginMs: WEEK_MS, count: 1, values: { invalid: 0.5 }, numbers: null };
  const now = { isWhole: false, wholeCount: 200, figures, distance: null, past: [], memory: NO_MEMORY };

  test('is one too many, of one entity and without a past', () => {
    expect(judgeSeries({ ...now, place: 'store' }).judgements).toMatchObject([
      { statistic: 'invalid', value: 0.5, usual: 0, chance: 0, matters: true },
    ]);
  });

  test('one record of a source that is none to its contract is not', () => {
    expect(judgeSeries({ ...now, place: 'source' }).judgements).toEqual([]);
  });
});
