import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { lateArrivals, servedValues, trainingValues } from '../oracle/read.ts';
import { eventsOf, layoutOf, readTimesOf, scalarTypes, tilings, typeName } from './arbitraries.ts';
import { asOracle, expectSameBits, stateOf } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';
import { oracleEventsOf, oracleViewOf } from './layout-oracle.ts';

const picked = (times: number[], seed: number) =>
  times.length <= 12 ? times : [times[0]!, ...times.filter((_, index) => (index * 7919 + seed) % times.length < 12)];

for (const type of scalarTypes) {
  for (const tieBreak of ['id', 'integer-id', 'offset'] as const) {
    describe(`${typeName(type)}, ties by ${tieBreak}`, () => {
      const cases = [
        ...tilings.map((tiling) => ({ tiled: [tiling], lifetime: false, isDivided: false })),
        { tiled: [], lifetime: true, isDivided: false },
        { tiled: tilings.slice(0, 3), lifetime: true, isDivided: false },
        { tiled: tilings.slice(0, 2), lifetime: true, isDivided: true },
      ];
      for (const { tiled, lifetime, isDivided } of cases) {
        const name = [
          ...tiled.map(({ hopUs, windowsUs }) => `${windowsUs.join('/')} by ${hopUs} µs`),
          ...(lifetime ? ['lifetime'] : []),
          ...(isDivided ? ['by category'] : []),
        ].join(', ');
        const layout = layoutOf(type, tieBreak, tiled, lifetime, isDivided);
        const reducer = createViewReducer(layout);
        const oracle = oracleViewOf(layout);

        test(`after the newest event a read is the training value: ${name}`, () => {
          fc.assert(
            fc.property(eventsOf(layout, type, tiled), fc.nat(), (events, seed) => {
              const state = stateOf(reducer, events);
              const newest = Math.max(...events.map(({ eventTimeUs }) => eventTimeUs), -1e15);
              for (const atUs of picked(readTimesOf(layout, events, newest + 1), seed)) {
                expect(atUs).toBeGreaterThan(newest);
                const expected = trainingValues(oracle, oracleEventsOf(layout, events), atUs);
                expectSameBits(layout, atUs, asOracle(reducer.read(state, atUs)), expected);
              }
            }),
            lawRuns(30),
          );
        });

        test(`at any time a read answers from the kept tiles, and late is what no tile took: ${name}`, () => {
          fc.assert(
            fc.property(eventsOf(layout, type, tiled, 12), fc.nat(), (events, seed) => {
              const state = reducer.empty();
              expect(events.map((event) => reducer.apply(state, event))).toEqual(
                lateArrivals(oracle, oracleEventsOf(layout, events)).map((late) => !late),
              );
              if (events.length === 0) return;
              const times = readTimesOf(layout, events, Math.min(...events.map(({ eventTimeUs }) => eventTimeUs)));
              for (const atUs of picked(times, seed)) {
                const { values } = servedValues(oracle, oracleEventsOf(layout, events), atUs);
                expectSameBits(layout, atUs, asOracle(reducer.read(state, atUs)), values);
              }
            }),
            lawRuns(15),
          );
        });
      }
    });
  }
}
