import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { HeldStates } from '../../engine/state/held-states.ts';
import { StateStore } from '../../engine/state/state-store.ts';
import { eventsOf, layoutOf, tilings } from '../laws/arbitraries.ts';
import { hex } from '../laws/engine-reads.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';

const MB = 2 ** 20;

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (seed * 31 + at * 7) & 255);
}

/** Numbers from 0 to 1, the same for a seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a store of encoded states', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ number: fc.nat(40), length: fc.nat(60), seed: fc.nat(255) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        number: fc.nat(40),
        length: fc.integer({ min: 300_000, max: 1_300_000 }),
        seed: fc.nat(255),
      }),
    },
    { weight: 2, arbitrary: fc.record({ drop: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ clear: fc.boolean() }) },
  );

  it('gives back what was put last, whatever was put, dropped and packed between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = new StateStore();
        const known = new Map<number, Uint8Array>();
        for (const each of steps) {
          if ('drop' in each) {
            store.delete(each.drop);
            known.delete(each.drop);
          } else if ('clear' in each) {
            store.clear(each.clear);
            known.clear();
          } else {
            const bytes = bytesOf(each.length, each.seed);
            store.put(each.number, bytes);
            known.set(each.number, bytes);
          }
          expect(store.count).toBe(known.size);
        }
        for (let number = 0; number <= 41; number++) {
          const bytes = store.get(number);
          expect(bytes === undefined).toBe(!known.has(number));
          if (bytes !== undefined) expect(Buffer.compare(bytes, known.get(number)!)).toBe(0);
        }
      }),
      lawRuns(100),
    );
  });

  it('takes little more than what is in it, while states grow, shrink and go', () => {
    const random = randomOf(lawSeed);
    const store = new StateStore();
    const lengths = new Map<number, number>();
    let held = 0;
    let most = 0;
    for (let round = 0; round < 600_000; round++) {
      const number = Math.floor(random() * 60_000);
      held -= lengths.get(number) ?? 0;
      if (random() < 0.05) {
        store.delete(number);
        lengths.delete(number);
        continue;
      }
      const length = 60 + Math.floor(random() * 200);
      store.put(number, bytesOf(length, number));
      lengths.set(number, length);
      held += length;
      most = Math.max(most, held + lengths.size * 24);
      if (round % 1000 === 0) expect(store.bytes).toBeLessThan(most * 1.4 + 3 * MB);
    }
    for (const [number, length] of lengths) expect(Buffer.compare(store.get(number)!, bytesOf(length, number))).toBe(0);
    store.clear(true);
    expect(store.bytes).toBeGreaterThan(MB);
    store.clear(false);
    expect(store.bytes).toBeLessThan(MB);
  });
});

describe('held states', () => {
  const tiled = [tilings[0]!, tilings[3]!];
  const layout = layoutOf({ kind: 'double' }, 'id', tiled, true);
  const reducer = createViewReducer(layout);

  it('are those of plain objects, however few are decoded at once', () => {
    const entity = fc.nat(12);
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ entity, events: eventsOf(layout, { kind: 'double' }, tiled) }) },
      { weight: 2, arbitrary: fc.record({ read: entity }) },
      { weight: 1, arbitrary: fc.record({ drop: entity }) },
      { weight: 1, arbitrary: fc.record({ clear: fc.boolean() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.constantFrom(0, 3000, 1 << 20), (steps, decodedBytes) => {
        const held = new HeldStates(reducer, decodedBytes);
        const plain = new Map<number, ReturnType<typeof reducer.empty>>();
        const bytesOfPlain = (number: number): string => hex(reducer.encode(plain.get(number) ?? reducer.empty()));
        for (const each of steps) {
          if ('read' in each) {
            const state = held.toRead(each.read);
            expect(state === undefined).toBe(!plain.has(each.read));
            if (state !== undefined) expect(hex(reducer.encode(state))).toBe(bytesOfPlain(each.read));
          } else if ('drop' in each) {
            held.delete(each.drop);
            plain.delete(each.drop);
          } else if ('clear' in each) {
            held.clear(each.clear);
            plain.clear();
          } else {
            for (const event of each.events) {
              const state = plain.get(each.entity) ?? reducer.empty();
              plain.set(each.entity, state);
              reducer.apply(state, event);
              reducer.apply(held.toChange(each.entity), event);
            }
          }
          expect(held.count).toBe(plain.size);
        }
        for (let number = 0; number <= 13; number++) expect(hex(held.encoded(number))).toBe(bytesOfPlain(number));
        held.putAway();
        for (let number = 0; number <= 13; number++) expect(hex(held.encoded(number))).toBe(bytesOfPlain(number));
      }),
      lawRuns(100),
    );
  });
});
