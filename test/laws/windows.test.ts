import { describe, expect, test } from 'vitest';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';

const MINUTE_US = 60_000_000;
const DAY_US = 86_400_000_000;

function countLayout(windowUs: number, hopUs: number, spanUs = windowUs): ViewLayout {
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'w',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'offset',
    groups: [{ hopUs, spanUs }],
    slots: [{ partial: 'count', input: null, group: 0 }],
    features: [{ name: 'n', aggregate: 'count', slot: 0, windowUs, hopUs, result: { kind: 'int' }, nullable: false }],
  };
}

/** The same window, so long ago. */
function pastLayout(windowUs: number, hopUs: number, agoUs: number): ViewLayout {
  const layout = countLayout(windowUs, hopUs, windowUs + agoUs);
  return { ...layout, features: [{ ...layout.features[0]!, agoUs }] };
}

const at = (eventTimeUs: number): PreparedEvent => ({
  keyText: 'k',
  key: ['k'],
  eventTimeUs,
  id: null,
  partition: 0,
  offset: 0,
  inputs: [true],
});

/** Event time, window, hop, and the request times at which the event is just still and just no more counted. */
const edges: [string, number, number, number, number, number][] = [
  ['an event on a tile bound', 0, 10 * MINUTE_US, MINUTE_US, 11 * MINUTE_US - 1, 11 * MINUTE_US],
  ['an event just before a tile bound', MINUTE_US - 1, 10 * MINUTE_US, MINUTE_US, 11 * MINUTE_US - 1, 11 * MINUTE_US],
  ['an event before 1970', -1, 10 * MINUTE_US, MINUTE_US, 10 * MINUTE_US - 1, 10 * MINUTE_US],
  ['a window that is no multiple of the hop', 0, 90, 60, 149, 150],
  ['a window shorter than the hop', 0, 10, 60, 69, 70],
  [
    'a UTC day on which local clocks are put forward',
    Date.UTC(2026, 2, 29) * 1000,
    DAY_US,
    DAY_US,
    Date.UTC(2026, 2, 31) * 1000 - 1,
    Date.UTC(2026, 2, 31) * 1000,
  ],
];

describe('the edges of a window', () => {
  for (const [name, eventTimeUs, windowUs, hopUs, lastSeenUs, firstGoneUs] of edges) {
    test(`of ${name}`, () => {
      const reducer = createViewReducer(countLayout(windowUs, hopUs));
      const state = reducer.empty();
      reducer.apply(state, at(eventTimeUs));
      expect(reducer.read(state, eventTimeUs + 1)).toEqual([1]);
      expect(reducer.read(state, lastSeenUs)).toEqual([1]);
      expect(reducer.read(state, firstGoneUs)).toEqual([0]);
      expect(lastSeenUs - eventTimeUs).toBeGreaterThanOrEqual(windowUs - 1);
      expect(firstGoneUs - eventTimeUs).toBeLessThanOrEqual(windowUs + hopUs);
    });
  }

  test('of the past: an event comes in with the tile that the window ends in, whole, and goes with the one it begins in', () => {
    const reducer = createViewReducer(pastLayout(10 * MINUTE_US, MINUTE_US, 5 * MINUTE_US));
    const state = reducer.empty();
    reducer.apply(state, at(MINUTE_US / 2));
    const seen = (atUs: number): unknown => reducer.read(state, atUs)[0];
    expect(seen(5 * MINUTE_US - 1)).toBe(0);
    // The window ends at 0:00: that is the tile of the event, before the event itself.
    expect(seen(5 * MINUTE_US)).toBe(1);
    expect(seen(16 * MINUTE_US - 1)).toBe(1);
    expect(seen(16 * MINUTE_US)).toBe(0);
  });

  test('of the past: tiles are kept until the window has seen the last of them', () => {
    const reducer = createViewReducer(pastLayout(10 * MINUTE_US, MINUTE_US, 5 * MINUTE_US));
    const state = reducer.empty();
    reducer.apply(state, at(0));
    expect(reducer.apply(state, at(15 * MINUTE_US))).toBe(true);
    expect(reducer.read(state, 15 * MINUTE_US + 1)).toEqual([1]);
    expect(reducer.apply(state, at(0))).toBe(true);
    expect(reducer.read(state, 15 * MINUTE_US + 1)).toEqual([2]);
    expect(reducer.apply(state, at(16 * MINUTE_US))).toBe(true);
    expect(reducer.apply(state, at(MINUTE_US - 1))).toBe(false);
  });

  test('a layout that keeps less than a window of the past sees is a defect', () => {
    const layout = pastLayout(10 * MINUTE_US, MINUTE_US, 5 * MINUTE_US);
    const short = { ...layout, groups: [{ hopUs: MINUTE_US, spanUs: 14 * MINUTE_US }] };
    expect(() => createViewReducer(short)).toThrow('feature "n" does not fit its hop group');
  });

  test('a window does not see tiles after the request time', () => {
    const reducer = createViewReducer(countLayout(10 * MINUTE_US, MINUTE_US));
    const state = reducer.empty();
    reducer.apply(state, at(0));
    reducer.apply(state, at(5 * MINUTE_US));
    expect(reducer.read(state, 5 * MINUTE_US - 1)).toEqual([1]);
    expect(reducer.read(state, 5 * MINUTE_US)).toEqual([2]);
    expect(reducer.read(state, -1)).toEqual([0]);
  });

  test('late is decided by the oldest tile that the longest window can see', () => {
    const reducer = createViewReducer(countLayout(3 * MINUTE_US, MINUTE_US, 10 * MINUTE_US));
    const state = reducer.empty();
    expect(reducer.apply(state, at(10 * MINUTE_US))).toBe(true);
    expect(reducer.apply(state, at(0))).toBe(true);
    expect(reducer.apply(state, at(-1))).toBe(false);
    expect(reducer.apply(state, at(11 * MINUTE_US - 1))).toBe(true);
    expect(reducer.apply(state, at(0))).toBe(true);
    expect(reducer.apply(state, at(11 * MINUTE_US))).toBe(true);
    expect(reducer.apply(state, at(0))).toBe(false);
  });

  // Odd hops: the start of the first tile lies beyond the safe integers, where odd numbers have no double.
  test.each([DAY_US, 7, 1_000_003, 1_000_037, 1_000_039])(
    'the ends of time have tiles like any other, by hop %i',
    (hopUs) => {
      const counts = countLayout(hopUs, hopUs);
      const layout: ViewLayout = {
        ...counts,
        slots: [{ partial: 'first', input: { kind: 'timestamp' }, group: 0 }],
        features: [{ ...counts.features[0]!, aggregate: 'first', result: { kind: 'timestamp' }, nullable: true }],
      };
      const reducer = createViewReducer(layout);
      for (const end of [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 9]) {
        for (let timeUs = end; timeUs < end + 8; timeUs++) {
          const state = reducer.empty();
          reducer.apply(state, { ...at(timeUs), inputs: [timeUs] });
          const bytes = reducer.encode(state);
          const decoded = reducer.decode(bytes);
          expect(reducer.encode(decoded)).toEqual(bytes);
          expect(reducer.read(decoded, timeUs + 1)).toEqual([timeUs]);
          // An earlier event of the same tile still comes first after the round trip, an equal one changes nothing.
          reducer.apply(decoded, { ...at(timeUs), offset: 1, inputs: [0] });
          expect(reducer.encode(decoded)).toEqual(bytes);
        }
      }
    },
  );

  test('the state that saw nothing is read as nothing', () => {
    const reducer = createViewReducer(countLayout(MINUTE_US, MINUTE_US));
    expect(reducer.read(reducer.empty(), 0)).toEqual([0]);
    expect(reducer.read(reducer.decode(reducer.encode(reducer.empty())), 0)).toEqual([0]);
    expect(reducer.encode(reducer.empty())).toHaveLength(5);
  });
});
