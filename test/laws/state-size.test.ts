import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { slotInputs } from '../../engine/define/slot-inputs.ts';
import { longTextBytes } from '../../engine/reduce/rows-size.ts';
import { eventBytes, stateBytes, statesBytes } from '../../engine/state/state-size.ts';
import { eventsOf, layoutOf, scalarTypes, tilings, typeName } from './arbitraries.ts';
import { lawRuns } from './law-seed.ts';

for (const [type, isDivided] of scalarTypes.flatMap((each) => [[each, false] as const, [each, true] as const])) {
  const tiled = [tilings[0]!, tilings[3]!];
  const layout = layoutOf(type, 'id', tiled, true, isDivided);
  const reducer = createViewReducer(layout);
  test(`an event adds at most what is said beforehand: ${typeName(type)}${isDivided ? ', by category' : ''}`, () => {
    const most = eventBytes(layout);
    fc.assert(
      fc.property(eventsOf(layout, type, tiled), (events) => {
        const state = reducer.empty();
        const empty = statesBytes([state], 1);
        for (const event of events) {
          const before = statesBytes([state], 1);
          reducer.apply(state, event);
          // Long texts of a list aside, as those of a row are: what brings an event counts them.
          const texts = [event.id, ...event.inputs].filter((each) => typeof each === 'string');
          const long = texts.reduce((sum, text) => sum + longTextBytes(text), 0);
          expect(statesBytes([state], 1) - before).toBeLessThanOrEqual(
            most + long + layout.slots.length * longTextBytes(event.id ?? ''),
          );
        }
        if (events.length > 0) expect(statesBytes([state], 1)).toBeGreaterThan(empty);
      }),
      lawRuns(60),
    );
  });
}

test('a sample stands for all that are held, holes left out', () => {
  const layout = layoutOf({ kind: 'int' }, 'offset', [tilings[0]!], false);
  const reducer = createViewReducer(layout);
  const one = statesBytes([reducer.empty()], 1);
  const states = Array.from({ length: 3_000 }, (_, at) => (at % 3 === 0 ? reducer.empty() : undefined));
  expect(statesBytes(states, 1_000)).toBe(1_000 * one);
  expect(statesBytes([], 0)).toBe(0);
});

test('an exact sum of doubles whose exponents lie far apart counts by its length', () => {
  const layout = layoutOf({ kind: 'double' }, 'offset', [tilings[0]!], false);
  const reducer = createViewReducer(layout);
  const held = (...values: number[]): number => {
    const state = reducer.empty();
    for (const [offset, value] of values.entries())
      reducer.apply(state, {
        keyText: 'a',
        key: ['a'],
        eventTimeUs: 1,
        id: null,
        partition: 0,
        offset,
        inputs: slotInputs(layout.slots).map(({ type }) => (type === null ? true : value)),
      });
    return stateBytes(state);
  };
  expect(held(1e300, 1e-300) - held(1, 2)).toBeGreaterThan(200);
});

test('a long text counts by its length, in a category too', () => {
  const type = { kind: 'string' } as const;
  for (const isDivided of [false, true]) {
    const law = layoutOf(type, 'offset', [tilings[0]!], false, isDivided);
    const layout = { ...law, slots: law.slots.filter(({ partial }) => partial === 'last'), features: [] };
    const reducer = createViewReducer(layout);
    const held = (text: string): number => {
      const state = reducer.empty();
      const inputs = slotInputs(layout.slots).map((input) =>
        input.type === null ? true : input.type.kind === 'string' ? text : 1,
      );
      reducer.apply(state, { keyText: 'a', key: ['a'], eventTimeUs: 1, id: null, partition: 0, offset: 0, inputs });
      return stateBytes(state);
    };
    expect(held('x'.repeat(10_000)) - held('x')).toBe(layout.slots.length * 20_000);
  }
});
