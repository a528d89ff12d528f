import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { OUT_OF_RANGE, oracleLate, oracleRead, oracleReadOfState } from '../oracle/oracle-read.ts';
import { eventsOf, layoutOf, readTimesOf, scalarTypes, tilings, typeName } from './arbitraries.ts';
import { expectSameBits, readerPerFeature, stateOf } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';

const picked = (times: number[], seed: number) =>
  times.length <= 12 ? times : [times[0]!, ...times.filter((_, index) => (index * 7919 + seed) % times.length < 12)];

for (const type of scalarTypes) {
  for (const tieBreak of ['id', 'offset'] as const) {
    describe(`${typeName(type)}, ties by ${tieBreak}`, () => {
      const cases = [
        ...tilings.map((tiling) => ({ tiled: [tiling], lifetime: false })),
        { tiled: [], lifetime: true },
        { tiled: tilings.slice(0, 3), lifetime: true },
      ];
      for (const { tiled, lifetime } of cases) {
        const name = [
          ...tiled.map(({ hopUs, windowsUs }) => `${windowsUs.join('/')} by ${hopUs} µs`),
          ...(lifetime ? ['lifetime'] : []),
        ].join(', ');
        const layout = layoutOf(type, tieBreak, tiled, lifetime);
        const reducer = createViewReducer(layout);
        const read = readerPerFeature(layout);

        test(`after the newest event a read is the training value: ${name}`, () => {
          fc.assert(
            fc.property(eventsOf(layout, type, tiled), fc.nat(), (events, seed) => {
              const state = stateOf(reducer, events);
              const newest = Math.max(...events.map(({ eventTimeUs }) => eventTimeUs), -1e15);
              for (const atUs of picked(readTimesOf(layout, events, newest + 1), seed)) {
                expect(atUs).toBeGreaterThan(newest);
                expectSameBits(layout, atUs, read(state, atUs), oracleRead(layout, events, atUs));
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
                oracleLate(layout, events).map((late) => !late),
              );
              if (events.length === 0) return;
              const times = readTimesOf(layout, events, Math.min(...events.map(({ eventTimeUs }) => eventTimeUs)));
              for (const atUs of picked(times, seed)) {
                expectSameBits(layout, atUs, read(state, atUs), oracleReadOfState(layout, events, atUs));
              }
            }),
            lawRuns(15),
          );
        });
      }

      test('a read of all features throws for the first one out of range, naming it', () => {
        const layout = layoutOf(type, tieBreak, [tilings[0]!], true);
        const reducer = createViewReducer(layout);
        fc.assert(
          fc.property(eventsOf(layout, type, [tilings[0]!]), (events) => {
            const atUs = Math.max(...events.map(({ eventTimeUs }) => eventTimeUs), 0) + 1;
            if (!Number.isSafeInteger(atUs)) return;
            const expected = oracleRead(layout, events, atUs);
            const failing = expected.indexOf(OUT_OF_RANGE);
            const state = stateOf(reducer, events);
            if (failing < 0) {
              expectSameBits(layout, atUs, reducer.read(state, atUs), expected);
              return;
            }
            const error = (() => {
              try {
                return reducer.read(state, atUs);
              } catch (thrown) {
                return thrown;
              }
            })();
            expect(isMillraceError(error) && [error.code, error.details['view'], error.details['feature']]).toEqual([
              'value-out-of-range',
              'law',
              layout.features[failing]!.name,
            ]);
          }),
          lawRuns(30),
        );
      });
    });
  }
}
