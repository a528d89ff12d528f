import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BufferRoom, EncodedStates } from '../../engine/stream/encoded-states.ts';
import { lawRuns } from './law-seed.ts';

const MB = 2 ** 20;

function roomOf(most: number): BufferRoom & { readonly used: number } {
  let used = 0;
  return {
    get used() {
      return used;
    },
    take: (bytes) => {
      if (used + bytes > most) return false;
      used += bytes;
      return true;
    },
    give: (bytes) => {
      used -= bytes;
    },
  };
}

/** Bytes that tell which key and which put they are of. */
function stateOf(key: string, put: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill((put * 31 + key.length) % 251);
  bytes.set(Buffer.from(`${key}/${put}`).subarray(0, length));
  return bytes;
}

describe('encoded states', () => {
  // Lone surrogates, which no UTF-8 tells apart; texts of which one begins another.
  const key = fc.oneof(
    fc.nat(400).map((number) => `entity-${number}`),
    fc.constantFrom('', 'a', 'ab', '\ud800', '\ud801', '\udc00', 'é', 'e\u0301', '\0'),
  );
  const length = fc.oneof({ weight: 8, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(2 * MB) });
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, length }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('take' as const), key }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), bytes: fc.nat(3 * MB) }) },
  );

  test('give out what was put in last or nothing, once, and stay within their room, whatever is forgotten', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        fc.constantFrom(0, 20_000, MB, 1.02 * MB, 3 * MB, 100 * MB),
        (steps, most) => {
          const room = roomOf(most);
          const states = new EncodedStates(room);
          const model = new Map<string, { put: number; length: number }>();
          for (const [put, each] of steps.entries()) {
            if (each.kind === 'forget') {
              const before = states.bytes;
              states.forget(each.bytes);
              if (states.size > 0) expect(states.bytes).toBeLessThanOrEqual(Math.max(0, before - each.bytes));
            } else if (each.kind === 'take' || model.has(each.key)) {
              const found = states.take(each.key);
              const expected = model.get(each.key);
              model.delete(each.key);
              if (found !== null) {
                expect(expected).toBeDefined();
                expect(found.seq).toBe(expected!.put + 0.5);
                expect(Buffer.compare(found.bytes, stateOf(each.key, expected!.put, expected!.length))).toBe(0);
              }
              expect(states.take(each.key)).toBeNull();
            }
            if (each.kind === 'put') {
              states.put(each.key, { seq: put + 0.5, commitId: null }, stateOf(each.key, put, each.length));
              model.set(each.key, { put, length: each.length });
            }
            expect(states.bytes).toBe(room.used);
            expect(room.used).toBeLessThanOrEqual(most);
            expect(states.size).toBeLessThanOrEqual(model.size);
          }
          // With room for all of it nothing is lost, but what somebody made it forget.
          if (most === 100 * MB && !steps.some(({ kind }) => kind === 'forget')) expect(states.size).toBe(model.size);
          states.forget(Number.POSITIVE_INFINITY);
          expect(room.used).toBe(0);
        },
      ),
      lawRuns(150),
    );
  });

  test('of more than there is room for the oldest go', () => {
    const room = roomOf(3 * MB + 200_000);
    const states = new EncodedStates(room);
    for (let put = 0; put < 8_000; put++)
      states.put(`k${put}`, { seq: put, commitId: null }, stateOf(`k${put}`, put, 1_000));
    expect(states.size).toBeGreaterThan(2_000);
    for (let put = 7_999; put > 8_000 - 2_000; put--) expect(states.take(`k${put}`)?.seq).toBe(put);
    for (let put = 0; put < 4_000; put++) expect(states.take(`k${put}`)).toBeNull();
  });
});
