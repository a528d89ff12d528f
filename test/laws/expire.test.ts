import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layoutTag } from '../../engine/state/layout-tag.ts';
import { stateTag } from '../../engine/define/state-tag.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { servedValues, trainingValues } from '../oracle/read.ts';
import { eventsOf, layoutOf, readTimesOf, scalarTypes, tilings, typeName } from './arbitraries.ts';
import { asOracle, expectSameBits, hex, stateOf } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';
import { oracleEventsOf, oracleViewOf } from './layout-oracle.ts';

const HOUR = 3_600_000_000;

/** Shorter than any tile, within a window, a window long, longer than all but the longest. */
const expiries = [1, 60_000_001, HOUR, 40 * 24 * HOUR];
const cases = [
  { tiled: tilings.slice(0, 3), lifetime: true },
  { tiled: [tilings[0]!, tilings[5]!], lifetime: false },
  { tiled: [tilings[3]!], lifetime: false },
];

for (const [index, type] of scalarTypes.entries()) {
  describe(`what expires, ${typeName(type)}`, () => {
    for (const [at, { tiled, lifetime }] of cases.entries()) {
      const expireUs = expiries[(index + at) % expiries.length]!;
      const plain = layoutOf(type, 'id', tiled, lifetime);
      const layout = { ...plain, expireUs };
      const reducer = createViewReducer(layout);
      const oracle = oracleViewOf(layout);
      const nothing = servedValues(oracle, [], 0).values;

      test(`reads as never seen from its newest event and ${expireUs} µs on, whatever order brings it: ${tiled.length} tilings${lifetime ? ' and a lifetime' : ''}`, () => {
        fc.assert(
          fc.property(eventsOf(layout, type, tiled, 12), fc.nat(), (events, seed) => {
            const state = stateOf(reducer, events);
            const newest = Math.max(...events.map(({ eventTimeUs }) => eventTimeUs), -1e15);
            const edges = events.flatMap(({ eventTimeUs }) => [-1, 0, 1].map((step) => eventTimeUs + expireUs + step));
            const others = readTimesOf(layout, events, Math.min(newest, ...edges)).filter(
              (_, of) => (of * 7919 + seed) % 5 === 0,
            );
            for (const atUs of [...edges, ...others.slice(0, 10)].filter((time) => Number.isSafeInteger(time))) {
              const served = servedValues(oracle, oracleEventsOf(layout, events), atUs);
              const cells = asOracle(reducer.read(state, atUs));
              expectSameBits(layout, atUs, cells, served.values);
              expect(reducer.finds(state, atUs)).toBe(served.found);
              if (!served.found) {
                expect(served.ahead).toBe(false);
                expectSameBits(layout, atUs, cells, nothing);
              }
              if (atUs > newest)
                expectSameBits(layout, atUs, cells, trainingValues(oracle, oracleEventsOf(layout, events), atUs));
            }
          }),
          lawRuns(20),
        );
      });

      test(`is all in its state: ${tiled.length} tilings${lifetime ? ' and a lifetime' : ''}`, () => {
        expect(stateTag(layout)).toBe(stateTag(plain));
        expect(layoutTag(layout)).not.toBe(layoutTag(plain));
        const other = createViewReducer(plain);
        fc.assert(
          fc.property(eventsOf(layout, type, tiled), (events) => {
            // The tag of the layout stands before it; the rest is the same.
            const [one, two] = [reducer.encode(stateOf(reducer, events)), other.encode(stateOf(other, events))];
            expect(hex(one.slice(5))).toBe(hex(two.slice(5)));
          }),
          lawRuns(10),
        );
      });
    }
  });
}
