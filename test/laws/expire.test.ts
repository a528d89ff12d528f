import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layoutTag } from '../../engine/state/layout-tag.ts';
import { stateTag } from '../../engine/define/state-tag.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { HEAD_BYTES, newestOfHead, removableBeforeUs } from '../../engine/state/removable-rows.ts';
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
          // Each reads some twenty features at some forty times by the oracle: seconds, with a lifetime and three tilings.
          lawRuns(lifetime ? 4 : 12),
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

/** Of what removal depends on, beside the layout. */
const source = (maxAheadUs: number) => ({ topic: 'events', maxAheadUs, brokerTime: 'record' }) as CompiledSource;

describe('a row that may go is missed by no read, also after a further event', () => {
  const type = { kind: 'int' } as const;
  const gone: number[] = [];
  for (const { tiled } of [{ tiled: tilings.slice(0, 2) }, { tiled: [tilings[3]!] }, { tiled: [tilings[4]!] }]) {
    test(`${tiled.length} tilings of ${tiled[0]!.hopUs} µs`, () => {
      fc.assert(
        fc.property(
          eventsOf(layoutOf(type, 'id', tiled, false), type, tiled, 6),
          eventsOf(layoutOf(type, 'id', tiled, false), type, tiled, 6),
          fc.constantFrom(1, 3, 60_000_001, HOUR),
          fc.constantFrom(0, 5, HOUR),
          fc.nat(2),
          fc.nat(2),
          (before, after, expireUs, maxAheadUs, pick, step) => {
            const layout = { ...layoutOf(type, 'id', tiled, false), expireUs };
            const reducer = createViewReducer(layout);
            if (before.length === 0) return;
            const row = stateOf(reducer, before);
            const newest = Math.max(...before.map(({ eventTimeUs }) => eventTimeUs));
            // The earliest watermark by which it may go, found by bisection, and the last by which it may not.
            const goes = (watermarkUs: number): boolean => {
              const beforeUs = removableBeforeUs({ layout, source: source(maxAheadUs) }, watermarkUs);
              return beforeUs !== null && newest < beforeUs;
            };
            let [low, high] = [newest, newest + 2 * (expireUs + maxAheadUs + 40 * 24 * HOUR)];
            if (!Number.isSafeInteger(high) || !Number.isSafeInteger(newest - 80 * 24 * HOUR)) return;
            expect(goes(low)).toBe(false);
            while (high - low > 1) {
              const middle = Math.floor((low + high) / 2);
              if (goes(middle)) high = middle;
              else low = middle;
            }
            const watermarkUs = high + pick;
            const nowUs = watermarkUs - maxAheadUs;
            // Dense around what is just found, and just not.
            const edges = after.map((event, index) =>
              index === 0 ? { ...event, eventTimeUs: nowUs - expireUs + step } : event,
            );
            const kept = reducer.decode(reducer.encode(row));
            const fresh = reducer.empty();
            expect(reducer.finds(kept, nowUs)).toBe(false);
            for (const event of edges) {
              reducer.apply(kept, event);
              reducer.apply(fresh, event);
              expect(reducer.finds(kept, nowUs)).toBe(reducer.finds(fresh, nowUs));
              if (!reducer.finds(fresh, nowUs)) continue;
              gone.push(nowUs);
              expect(hex(reducer.encode(fresh))).toBe(hex(reducer.encode(kept)));
            }
          },
        ),
        lawRuns(150),
      );
    });
  }
  test('such rows there were', () => expect(gone.length).toBeGreaterThan(0));
});

test('the head of a state has its newest event, and of nothing else is one read', () => {
  const layout = layoutOf({ kind: 'int' }, 'id', [tilings[0]!], false);
  const reducer = createViewReducer(layout);
  fc.assert(
    fc.property(eventsOf(layout, { kind: 'int' }, [tilings[0]!]), (events) => {
      const bytes = reducer.encode(stateOf(reducer, events));
      const head = bytes.slice(0, HEAD_BYTES);
      const newest = Math.max(...events.map(({ eventTimeUs }) => eventTimeUs));
      expect(newestOfHead(head, reducer.layoutTag)).toBe(events.length === 0 ? null : newest + 0);
      expect(newestOfHead(head, reducer.layoutTag ^ 1)).toBeNull();
      expect(newestOfHead(head.slice(0, 5), reducer.layoutTag)).toBeNull();
      expect(newestOfHead(Uint8Array.from([...head.slice(0, 5), 0x80]), reducer.layoutTag)).toBeNull();
    }),
    lawRuns(50),
  );
});
