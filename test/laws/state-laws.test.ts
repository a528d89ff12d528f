import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState, ViewReducer } from '../../engine/state/view-reducer.ts';
import { eventsOf, inputsOf, layoutOf, readTimesOf, scalarTypes, tilings, typeName } from './arbitraries.ts';
import { asOracle, expectSameBits, hex, stateOf } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';

/** Shuffles by a list of random naturals. */
function permuted<Item>(items: readonly Item[], order: readonly number[]): Item[] {
  return items
    .map((item, index) => ({ item, at: order[index % order.length]! * 31 + ((index * 7) % 13) }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Splits events at random, makes a state of each part and merges any two until one is left; some parts go through bytes. */
function mergedInAnyTree(
  reducer: ViewReducer,
  events: readonly PreparedEvent[],
  choices: readonly number[],
): EntityState {
  const parts = new Map<number, PreparedEvent[]>();
  for (const [index, event] of events.entries()) {
    const part = choices[index % choices.length]! % 5;
    parts.set(part, [...(parts.get(part) ?? []), event]);
  }
  const states = [...parts.values()].map((part, index) => {
    const state = stateOf(reducer, part);
    return index % 2 === 0 ? state : reducer.decode(reducer.encode(state));
  });
  states.push(reducer.empty());
  for (let step = 0; states.length > 1; step++) {
    const [other] = states.splice(choices[step % choices.length]! % states.length, 1);
    const target = states[choices[(step + 1) % choices.length]! % states.length]!;
    reducer.mergeInto(target, other!);
  }
  return states[0]!;
}

const choicesOf = fc.array(fc.nat(1000), { minLength: 8, maxLength: 8 });

for (const type of scalarTypes) {
  for (const tieBreak of ['id', 'offset'] as const) {
    describe(`states of ${typeName(type)}, ties by ${tieBreak}`, () => {
      for (const [tiled, lifetime, isDivided] of [
        [tilings.slice(0, 3), true, false],
        [[tilings[4]!], false, false],
        [[tilings[5]!, tilings[3]!], true, false],
        [[tilings[1]!], true, true],
      ] as const) {
        const layout = layoutOf(type, tieBreak, tiled, lifetime, isDivided);
        const reducer = createViewReducer(layout);
        const events = eventsOf(layout, type, tiled);
        const name = `${tiled.length} tilings${lifetime ? ' and a lifetime' : ''}${isDivided ? ' by category' : ''}`;

        test(`any order gives the same bytes: ${name}`, () => {
          fc.assert(
            fc.property(events, choicesOf, (given, order) => {
              expect(hex(reducer.encode(stateOf(reducer, permuted(given, order))))).toBe(
                hex(reducer.encode(stateOf(reducer, given))),
              );
            }),
            lawRuns(60),
          );
        });

        test(`any split, merged in any tree, gives the same bytes: ${name}`, () => {
          fc.assert(
            fc.property(events, choicesOf, (given, choices) => {
              const merged = mergedInAnyTree(reducer, given, choices);
              expect(hex(reducer.encode(merged))).toBe(hex(reducer.encode(stateOf(reducer, given))));
            }),
            lawRuns(60),
          );
        });

        test(`merging singletons is applying: ${name}`, () => {
          fc.assert(
            fc.property(events, (given) => {
              const merged = reducer.empty();
              for (const event of given) reducer.mergeInto(merged, stateOf(reducer, [event]));
              expect(hex(reducer.encode(merged))).toBe(hex(reducer.encode(stateOf(reducer, given))));
            }),
            lawRuns(40),
          );
        });

        test(`bytes and state are the same thing: ${name}`, () => {
          fc.assert(
            fc.property(events, events, (given, more) => {
              const state = stateOf(reducer, given);
              const bytes = reducer.encode(state);
              const decoded = reducer.decode(bytes);
              expect(hex(reducer.encode(decoded))).toBe(hex(bytes));
              expect(decoded.newestEventTimeUs).toBe(state.newestEventTimeUs);
              for (const atUs of readTimesOf(layout, given.slice(0, 2), -1e15).slice(0, 4)) {
                expectSameBits(
                  layout,
                  atUs,
                  asOracle(reducer.read(decoded, atUs)),
                  asOracle(reducer.read(state, atUs)),
                );
              }
              // A decoded state goes on exactly as the one it was.
              for (const event of more) expect(reducer.apply(decoded, event)).toBe(reducer.apply(state, event));
              expect(hex(reducer.encode(decoded))).toBe(hex(reducer.encode(state)));
            }),
            lawRuns(40),
          );
        });

        test(`events that no window can see any more leave no trace: ${name}`, () => {
          fc.assert(
            fc.property(events, (given) => {
              if (lifetime || given.length === 0) return;
              const newest = Math.max(...given.map(({ eventTimeUs }) => eventTimeUs));
              const visible = given.filter(({ eventTimeUs }) =>
                layout.groups.some(
                  ({ hopUs, spanUs }) => Math.floor(eventTimeUs / hopUs!) >= Math.floor((newest - spanUs!) / hopUs!),
                ),
              );
              expect(hex(reducer.encode(stateOf(reducer, given)))).toBe(hex(reducer.encode(stateOf(reducer, visible))));
            }),
            lawRuns(20),
          );
        });
      }
    });
  }
}

describe('long series', () => {
  // Thousands of tiles, late ones among them: the paths that insert in the middle, expire in bulk and merge backwards.
  const layout = layoutOf(
    { kind: 'double' },
    'id',
    [
      { hopUs: 1000, windowsUs: [500_000] },
      { hopUs: 60_000, windowsUs: [600_000] },
    ],
    true,
  );
  const reducer = createViewReducer(layout);
  const series = (times: readonly number[]): PreparedEvent[] =>
    times.map((time, index) => ({
      keyText: 'k',
      key: ['k'],
      eventTimeUs: time,
      id: `${index % 17}`,
      partition: 0,
      offset: index,
      inputs: inputsOf(layout, (time % 1000) / 7, index % 3),
    }));

  test('forward, backward and shuffled, whole and in parts, give the same bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2_000_000), { minLength: 1000, maxLength: 2000 }), choicesOf, (times, choices) => {
        const events = series(times);
        const forward = hex(
          reducer.encode(
            stateOf(
              reducer,
              events.toSorted((a, b) => a.eventTimeUs - b.eventTimeUs),
            ),
          ),
        );
        expect(hex(reducer.encode(stateOf(reducer, events)))).toBe(forward);
        expect(
          hex(
            reducer.encode(
              stateOf(
                reducer,
                events.toSorted((a, b) => b.eventTimeUs - a.eventTimeUs),
              ),
            ),
          ),
        ).toBe(forward);
        expect(hex(reducer.encode(mergedInAnyTree(reducer, events, choices)))).toBe(forward);
        expect(hex(reducer.encode(reducer.decode(reducer.encode(stateOf(reducer, events)))))).toBe(forward);
      }),
      lawRuns(10),
    );
  });
});
