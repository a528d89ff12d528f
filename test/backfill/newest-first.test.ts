import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntityTimes } from '../../engine/backfill/entity-times.ts';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { lawRuns } from '../laws/law-seed.ts';

const layout: ViewLayout = {
  semantics: ENGINE_SEMANTICS,
  view: 'v',
  entity: 'e',
  keys: [{ name: 'k', type: { kind: 'int' } }],
  tieBreak: 'offset',
  groups: [
    { hopUs: 10, spanUs: 50 },
    { hopUs: 60, spanUs: 120 },
  ],
  slots: [
    { partial: 'sum', input: { kind: 'int' }, group: 0 },
    { partial: 'first', input: { kind: 'int' }, group: 1 },
  ],
  features: [],
};
const withLasts: ViewLayout = {
  ...layout,
  groups: [...layout.groups, { hopUs: null, spanUs: null }],
  slots: [
    ...layout.slots,
    { partial: 'last', input: { kind: 'int' }, group: 2 },
    { partial: 'last', input: { kind: 'int' }, group: 2 },
  ],
};
/** The newest value of each category may be as old as any. */
const withLastsByCategory: ViewLayout = {
  ...withLasts,
  slots: [
    ...layout.slots,
    { partial: 'last', input: { kind: 'int' }, group: 2 },
    { partial: 'last', input: { kind: 'int' }, by: { type: { kind: 'int' }, limit: 1000 }, group: 2 },
  ],
};
const withLifetimeCount: ViewLayout = {
  ...withLasts,
  slots: [...withLasts.slots, { partial: 'count', input: null, group: 2 }],
};

/** Stretches of a history, none of which begins before the one before it ends; what disorder there is lies within them. */
const stretches = fc
  .array(
    fc.array(
      fc.record({ time: fc.nat(400), value: fc.option(fc.nat(5), { nil: null }), other: fc.option(fc.nat(5)) }),
      { maxLength: 25 },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((parts) => parts.map((part, index) => part.map((step) => ({ ...step, time: step.time + index * 400 - 900 }))));

describe('a history whose newest stretches come first', () => {
  it('gives the same states without the events that are outdated, and the same late ones', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(layout, withLasts, withLastsByCategory, withLifetimeCount),
        stretches,
        fc.array(fc.nat(2500), { maxLength: 10 }),
        (used, parts, topic) => {
          const reducer = createViewReducer(used);
          const log: PreparedEvent[] = [];
          const of = (time: number, partition: number, inputs: (number | null)[]): PreparedEvent => ({
            keyText: '',
            key: [0],
            eventTimeUs: time,
            id: null,
            partition,
            offset: log.length,
            inputs: [
              ...used.slots.map(({ input }, slot) => (input === null ? true : inputs[slot % 2]!)),
              ...used.slots.flatMap(({ by }) => (by === undefined ? [] : [Math.abs(time) % 3])),
            ],
          });
          const history = parts.map((part) =>
            part.map(({ time, value, other }) => {
              const event = of(time, -1, [value, other]);
              log.push(event);
              return event;
            }),
          );
          const records = topic.map((time) => {
            const event = of(time - 900, 0, [1, null]);
            log.push(event);
            return event;
          });
          const expected = reducer.empty();
          let late = 0;
          for (const event of log) if (!reducer.apply(expected, event)) late++;

          const times = new EntityTimes(used);
          const state = reducer.empty();
          let lateFound = 0;
          for (const event of [...history.toReversed().flat(), ...records]) {
            if (times.isLate(3, event)) lateFound++;
            if (times.isOutdated(3, event.eventTimeUs)) continue;
            times.take(3, event);
            reducer.apply(state, event);
          }
          expect(Buffer.from(reducer.encode(state))).toEqual(Buffer.from(reducer.encode(expected)));
          expect(lateFound).toBe(late);
        },
      ),
      lawRuns(300),
    );
  });

  it('takes a minority of the events of a long history', () => {
    const times = new EntityTimes(withLasts);
    let taken = 0;
    for (let time = 100_000; time > 0; time--) {
      const event = {
        keyText: '',
        key: [0],
        eventTimeUs: time,
        id: null,
        partition: -1,
        offset: time,
        inputs: [1, 1, 1, 1],
      };
      if (times.isOutdated(0, time)) continue;
      times.take(0, event);
      taken++;
    }
    expect(taken).toBeLessThan(300);
  });
});
