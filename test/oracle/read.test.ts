/** The oracle's windows and reads against tables derived by hand from design §5. */
import { describe, expect, test } from 'vitest';
import type { OracleScalar } from './order.ts';
import { lateArrivals, servedValues, trainingValues } from './read.ts';
import type { OracleStep } from './source-log.ts';
import { type OracleAggregate, type OracleEvent, type OracleView, oracleView } from './view.ts';
import { defaultHopUs, durationUs, tileOf } from './window.ts';

interface Row {
  readonly v: number | null;
}

function view(...features: [aggregate: OracleAggregate, window: string | null, hop?: string][]): OracleView<Row> {
  return {
    where: () => true,
    key: () => 'k',
    idType: { kind: 'int' },
    features: features.map(([aggregate, window, hop], index) => ({
      name: `f${index}`,
      aggregate,
      input: { type: { kind: 'int' }, of: ({ v }) => v },
      over: window === null ? null : hop === undefined ? { window } : { window, hop },
    })),
  };
}

const MIN = 60_000_000;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;

/** An event per value at a time; ids count up. */
function events(...times: [timeUs: number, value: OracleScalar | null][]): OracleEvent[] {
  return times.map(([eventTimeUs, value], index) => ({
    partition: 0,
    offset: index,
    eventTimeUs,
    id: index,
    inputs: Array.from({ length: 8 }, () => value),
  }));
}

test('default hops', () => {
  const hops = ['1s', '1h', '61m', '12h', '13h', '12d', '13d', '400d'].map((window) =>
    defaultHopUs(durationUs(window)),
  );
  expect(hops).toEqual([MIN, MIN, 5 * MIN, 5 * MIN, HOUR, HOUR, DAY, DAY]);
});

test('tiles round down, before 1970 too', () => {
  expect([-61, -60, -1, 0, 59, 60].map((time) => tileOf(time, 60))).toEqual([-2, -1, -1, 0, 0, 1]);
  expect(tileOf(4_070_908_799_999_999, 1)).toBe(4_070_908_799_999_999);
});

describe('a window covers floor((t-w)/h) … floor(t/h)', () => {
  // 1 h in tiles of 1 min, t = 10:00:30: tiles of 9:00 … 10:00, so from 9:00:00, 30 s more than asked.
  const atUs = 10 * HOUR + MIN / 2;
  test.for([
    [9 * HOUR - 1, 0],
    [9 * HOUR, 1],
    [atUs - 1, 1],
    [atUs, 0],
    [atUs + 1, 0],
  ])('an event at %i counts %i in training', ([eventTimeUs, count]) => {
    expect(trainingValues(view(['count', '1h']), events([eventTimeUs!, 1]), atUs)).toEqual([count]);
  });

  test('at a tile’s own edge it is as long as asked, and one tile longer', () => {
    // t = 10:00:00: tiles of 9:00 … 10:00; the last holds nothing before t.
    const at = (eventTimeUs: number) => trainingValues(view(['count', '1h']), events([eventTimeUs, 1]), 10 * HOUR);
    expect([9 * HOUR - 1, 9 * HOUR, 10 * HOUR - 1, 10 * HOUR].map((time) => at(time)[0])).toEqual([0, 1, 1, 0]);
  });

  test('a window that is no multiple of its hop', () => {
    // 90 s in tiles of 1 min, t = 10:00:29: (t - w) = 9:58:59, in the tile of 9:58. One second later it is the tile of 9:59.
    const one = view(['count', '90s', '1m']);
    const from = 10 * HOUR - 2 * MIN;
    expect(trainingValues(one, events([from - 1, 1], [from, 1]), 10 * HOUR + 29_999_999)).toEqual([1]);
    expect(trainingValues(one, events([from, 1], [from + MIN, 1]), 10 * HOUR + 30_000_000)).toEqual([1]);
    // 1 s in tiles of 1 min: two tiles until the second is over that follows a tile's edge.
    const short = view(['count', '1s']);
    const two = events([0, 1], [MIN, 1]);
    expect(trainingValues(short, two, MIN + 1)).toEqual([2]);
    expect(trainingValues(short, two, MIN + 999_999)).toEqual([2]);
    expect(trainingValues(short, two, MIN + 1_000_000)).toEqual([1]);
  });

  test('before 1970', () => {
    expect(trainingValues(view(['count', '1h']), events([-HOUR - 1, 1], [-HOUR, 1], [-1, 1]), 0)).toEqual([2]);
  });
});

describe('a window of the past covers floor((t-ago-w)/h) … floor((t-ago)/h), whole', () => {
  const hourBefore: OracleView<Row> = {
    ...view(['count', '1h']),
    features: [{ ...view(['count', '1h']).features[0]!, over: { window: '1h', ago: '30m' } }],
  };
  // t = 10:00:30: tiles of 8:30 … 9:30; the last to its end, 9:31:00, 30 s later than asked.
  const atUs = 10 * HOUR + MIN / 2;
  test.for([
    [8.5 * HOUR - 1, 0],
    [8.5 * HOUR, 1],
    [9.5 * HOUR + MIN - 1, 1],
    [9.5 * HOUR + MIN, 0],
  ])('an event at %i counts %i', ([eventTimeUs, count]) => {
    expect(trainingValues(hourBefore, events([eventTimeUs!, 1]), atUs)).toEqual([count]);
    expect(servedValues(hourBefore, events([eventTimeUs!, 1]), atUs).values).toEqual([count]);
  });

  test('less than a tile ago: in a training set the events before the label alone', () => {
    const justBefore: OracleView<Row> = {
      ...hourBefore,
      features: [{ ...hourBefore.features[0]!, over: { window: '1h', ago: '1s' } }],
    };
    expect(trainingValues(justBefore, events([atUs - 1, 1], [atUs, 1]), atUs)).toEqual([1]);
  });

  test('the state keeps w + ago of what lies before the newest event', () => {
    const two = (first: number) => lateArrivals(hourBefore, events([10 * HOUR, 1], [first, 1]));
    expect(two(8.5 * HOUR)).toEqual([false, false]);
    expect(two(8.5 * HOUR - 1)).toEqual([false, true]);
  });
});

test('aggregates skip nulls, count() does not; of nothing all is null but counts', () => {
  const all: OracleAggregate[] = ['count', 'sum', 'avg', 'min', 'max', 'first', 'last'];
  const of = view(...all.map((aggregate): [OracleAggregate, null] => [aggregate, null]));
  const two = events([3, 5], [1, null], [2, -4], [4, null]);
  expect(trainingValues(of, two, 5)).toEqual([2, 1, 0.5, -4, 5, -4, 5]);
  expect(trainingValues(of, two, 3)).toEqual([1, -4, -4, -4, -4, -4, -4]);
  expect(trainingValues(of, two, 2)).toEqual([0, null, null, null, null, null, null]);
  expect(servedValues(of, [], 2)).toEqual({
    found: false,
    ahead: false,
    values: [0, null, null, null, null, null, null],
  });
  const rows: OracleView<Row> = { ...of, features: [{ name: 'n', aggregate: 'count', input: null, over: null }] };
  const steps = [null, 1].map(
    (v, offset): OracleStep<Row> => ({
      partition: 0,
      offset,
      outcome: 'event',
      reason: null,
      row: { v },
      eventTimeUs: 1,
      id: offset,
      undeduped: false,
    }),
  );
  expect(trainingValues(rows, oracleView(rows, steps).entities.get('k')!, 5)).toEqual([2]);
});

describe('order of first and last', () => {
  const firstLast = view(['first', null], ['last', null]);
  const at5 = (partition: number, offset: number, id: OracleScalar | null, v: number): OracleEvent => ({
    partition,
    offset,
    eventTimeUs: 5,
    id,
    inputs: [v, v],
  });

  test('ids by value: 9 before 10', () => {
    expect(trainingValues(firstLast, [at5(0, 0, 10, 1), at5(0, 1, 9, 2)], 6)).toEqual([2, 1]);
  });

  test('texts by their bytes: "10" before "9"', () => {
    const texts = { ...firstLast, idType: { kind: 'string' } } as const;
    expect(trainingValues(texts, [at5(0, 0, '9', 1), at5(0, 1, '10', 2)], 6)).toEqual([2, 1]);
    expect(trainingValues(texts, [at5(0, 0, '\u{1F600}', 1), at5(0, 1, '\uFFFD', 2)], 6)).toEqual([2, 1]);
  });

  test('without ids by partition, history being −1, then offset', () => {
    const none = { ...firstLast, idType: null };
    const tied = [at5(1, 0, null, 3), at5(0, 9, null, 2), at5(-1, 50, null, 1), at5(0, 10, null, 4)];
    expect(trainingValues(none, tied, 6)).toEqual([1, 3]);
    expect(trainingValues(none, [...tied, { ...at5(-1, 60, null, 9), eventTimeUs: 5.5 }], 6)).toEqual([1, 9]);
  });
});

test('minBy has the earliest of the least, maxBy the latest of the greatest, of events with both', () => {
  const of: OracleView<Row> = {
    ...view(),
    features: (['minBy', 'maxBy'] as const).map((aggregate) => ({
      name: aggregate,
      aggregate,
      input: { type: { kind: 'int' }, of: ({ v }) => v },
      order: { type: { kind: 'string' }, of: () => null },
      over: null,
    })),
  };
  const at = (eventTimeUs: number, x: number | null, y: string | null): OracleEvent => ({
    partition: 0,
    offset: eventTimeUs,
    eventTimeUs,
    id: eventTimeUs,
    inputs: [x, x],
    orders: [y, y],
  });
  const seen = [at(3, 30, 'b'), at(1, 10, 'b'), at(2, 20, 'z'), at(4, 40, 'z'), at(5, null, 'a'), at(6, 60, null)];
  expect(trainingValues(of, seen, 9)).toEqual([10, 40]);
  expect(trainingValues(of, seen, 4)).toEqual([10, 20]);
  expect(trainingValues(of, seen.slice(4), 9)).toEqual([null, null]);
});

describe('serving', () => {
  const hours = view(['count', '1h'], ['count', '2h', '1m'], ['count', null]);

  test('after the newest event it equals training', () => {
    const some = events([0, 1], [HOUR, 1], [2 * HOUR, 1]);
    for (const atUs of [2 * HOUR + 1, 3 * HOUR - 1, 3 * HOUR + MIN, 9 * HOUR]) {
      expect(servedValues(hours, some, atUs)).toEqual({
        found: true,
        ahead: false,
        values: trainingValues(hours, some, atUs),
      });
    }
  });

  test('at the newest event or before it says so, and answers from the tiles it still has', () => {
    const some = events([0, 1], [HOUR, 1], [5 * HOUR, 1]);
    // Newest at 5:00: kept are tiles from 3:00 (two hours, of 1 min). At 2:00 only the lifetime has anything left.
    expect(servedValues(hours, some, 2 * HOUR)).toEqual({ found: true, ahead: true, values: [0, 0, 3] });
    expect(servedValues(hours, some, 5 * HOUR)).toEqual({ found: true, ahead: true, values: [1, 1, 3] });
    // A tile is whole: at 5:00:00 it also holds what came in its later half.
    const tile = events([5 * HOUR + MIN / 2, 1]);
    expect(servedValues(hours, tile, 5 * HOUR)).toMatchObject({ ahead: true, values: [1, 1, 1] });
    expect(servedValues(hours, tile, 5 * HOUR - 1)).toMatchObject({ ahead: true, values: [0, 0, 1] });
  });

  test('kept for the longest window of a tile’s length', () => {
    // The tile of 3:30 is kept for the two-hour window; so the one-hour window sees it at 4:00 too.
    const some = events([3.5 * HOUR, 1], [5 * HOUR, 1]);
    expect(servedValues(hours, some, 4 * HOUR).values).toEqual([1, 1, 2]);
    expect(servedValues(view(['count', '1h']), some, 4 * HOUR).values).toEqual([0]);
  });
});

test('late is what no window can see any more, in order of arrival', () => {
  const windowed = view(['count', '1h'], ['count', '1d']);
  // Newest 2 days: the day's window keeps tiles of 1 h from 1 day on.
  const arrivals = events([DAY - 1, 1], [2 * DAY, 1], [DAY, 1], [DAY - 1, 1], [2 * DAY, 1]);
  expect(lateArrivals(windowed, arrivals)).toEqual([false, false, false, true, false]);
  expect(lateArrivals(view(['count', '1h'], ['count', null]), arrivals)).toEqual(arrivals.map(() => false));
});
