/** What `approxDistinct` promises: exact while small, its standard error beyond, and bytes that are a function of the set. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { readStandardError } from '../../engine/define/read-standard-error.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { murmur, valueHash } from '../../engine/reduce/value-hash.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import { hex, stateOf } from './engine-reads.ts';
import { lawRuns, lawSeed } from './law-seed.ts';

const HOUR_US = 3_600_000_000;
const int: ScalarType = { kind: 'int' };
const text: ScalarType = { kind: 'string' };

function layoutOf(input: ScalarType, hashes: number, tiles: number | null): ViewLayout {
  const hopUs = tiles === null ? null : HOUR_US;
  const windowUs = tiles === null ? null : tiles * HOUR_US;
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'v',
    entity: 'e',
    keys: [{ name: 'k', type: text }],
    tieBreak: 'offset',
    groups: [{ hopUs, spanUs: windowUs }],
    slots: [{ partial: 'approxDistinct', input, hashes, group: 0 }],
    features: [{ name: 'd', aggregate: 'approxDistinct', slot: 0, windowUs, hopUs, result: int, nullable: false }],
  };
}

function event(value: ScalarValue, eventTimeUs = 0): PreparedEvent {
  return { keyText: 'k', key: ['k'], eventTimeUs, id: null, partition: 0, offset: 0, inputs: [value] };
}

const hashesOf = (error: number): number => readStandardError(error, 'x', () => expect.fail())!;

describe('the hash', () => {
  test('is MurmurHash3_x86_128 with seed 0, by what is published of it', () => {
    // Of PyPI's mmh3 5 (`hash_bytes`, x86), whose bytes are these words'.
    const published: readonly (readonly [string, string])[] = [
      ['', '0000000000000000'],
      ['a', 'a794933c5556b01b'],
      ['é', 'b2013c81e6cec69c'],
      ['0123456789abcde', '3c76c46d4d0818c0'],
      ['0123456789abcdef', 'fb7d440936aed30a'],
      ['I will not buy this record, it is scratched.', 'a0a9683b25ac5e40'],
    ];
    for (const [of, expected] of published) {
      const words = murmur(Buffer.from(of)).map((word) => word.toString(16).padStart(8, '0'));
      expect(words.join('')).toBe(expected);
    }
  });

  test('is fixed: states hold it', () => {
    const hashes = [valueHash(text)('a'), valueHash(text)('é'), valueHash(int)(0), valueHash({ kind: 'double' })(-0)];
    expect(hashes).toEqual([5896210150501078, 6262988155443672, 6874943819675431, 6874943819675431]);
    expect(hashes[0]).toBe(0xa794933c * 2 ** 21 + (0x5556b01b >>> 11));
  });
});

/** A fixed pseudo-random sequence per seed, 32 bits each. */
function sequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

describe('1,000 random sets', () => {
  const kinds: readonly (readonly [name: string, ScalarType, (base: number, at: number) => ScalarValue])[] = [
    ['numbers in a row', int, (base, at) => base * 100_000 + at],
    ['names', text, (base, at) => `user ${base}/${at}`],
  ];
  test.each([0.1, 0.05, 0.02])(
    'of many times what is kept: the root of the mean square within %d, none beyond 5 times',
    (error) => {
      const hashes = hashesOf(error);
      const next = sequence(lawSeed);
      let squares = 0;
      for (let set = 0; set < 1000; set++) {
        const [, type, valueOf] = kinds[set % kinds.length]!;
        const base = next();
        const count = hashes * 2 + (next() % hashes);
        const reducer = createViewReducer(layoutOf(type, hashes, null));
        const state = reducer.empty();
        for (let at = 0; at < count; at++) {
          reducer.apply(state, event(valueOf(base, at)));
          if (at % 7 === 0) reducer.apply(state, event(valueOf(base, next() % (at + 1))));
        }
        const off = (reducer.read(state, 1)[0] as number) / count - 1;
        if (Math.abs(off) > 5 * error) expect.fail(`set ${set} of ${count}: off by ${off}`);
        squares += off * off;
      }
      expect(Math.sqrt(squares / 1000)).toBeLessThanOrEqual(error);
    },
    120_000,
  );

  test.each([0.1, 0.05, 0.02, 0.005])(
    'of up to 1/error² values: exact: %d',
    (error) => {
      const hashes = hashesOf(error);
      const most = Math.round(1 / error ** 2);
      for (const [, type, valueOf] of kinds) {
        for (const count of [1, 2, Math.round(most / 2), most]) {
          const reducer = createViewReducer(layoutOf(type, hashes, 24));
          const state = reducer.empty();
          for (let at = 0; at < count; at++) reducer.apply(state, event(valueOf(lawSeed, at), (at % 24) * HOUR_US));
          for (let at = 0; at < count; at += 3) reducer.apply(state, event(valueOf(lawSeed, at), (at % 5) * HOUR_US));
          expect(reducer.read(state, 24 * HOUR_US - 1)[0]).toBe(count);
        }
      }
    },
    120_000,
  );
});

describe('a state', () => {
  const hashes = 6;
  const reducer = createViewReducer(layoutOf(int, hashes, 2));
  const values = fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 30 });

  test('has the least hashes of the set, whatever the order, duplicates, the split and the merge', () => {
    fc.assert(
      fc.property(values, fc.infiniteStream(fc.nat()), (given, choices) => {
        const pick = (): number => choices.next().value as number;
        const least = given
          .map(valueHash(int))
          .toSorted((a, b) => a - b)
          .slice(0, hashes);
        const bytes = hex(
          reducer.encode(
            stateOf(
              reducer,
              given.map((value) => event(value)),
            ),
          ),
        );
        const shuffled = given.flatMap((value) =>
          Array.from({ length: 1 + (pick() % 2) }, () => ({ value, at: pick() })),
        );
        shuffled.sort((a, b) => a.at - b.at);
        const cut = pick() % (shuffled.length + 1);
        const [left, right] = [shuffled.slice(0, cut), shuffled.slice(cut)].map((part) =>
          stateOf(
            reducer,
            part.map(({ value }) => event(value)),
          ),
        );
        const merged = reducer.decode(reducer.encode(left!));
        reducer.mergeInto(merged, right!);
        expect(hex(reducer.encode(merged))).toBe(bytes);
        const { length } = given;
        const read = reducer.read(merged, 1)[0];
        const last = BigInt(least[hashes - 1] ?? 0) + 1n;
        // To the nearest: twice the estimate, one more, halved.
        const estimate = Number(((2n * BigInt(hashes - 1) * 2n ** 53n) / last + 1n) / 2n);
        expect(read).toBe(length < hashes ? length : Math.max(hashes, estimate));
      }),
      lawRuns(300),
    );
  });

  test('of several tiles reads as that of one', () => {
    const one = createViewReducer(layoutOf(int, hashes, null));
    fc.assert(
      fc.property(values, fc.array(fc.nat(2), { minLength: 30, maxLength: 30 }), (given, tiles) => {
        const spread = stateOf(
          reducer,
          given.map((value, at) => event(value, tiles[at]! * HOUR_US)),
        );
        const whole = stateOf(
          one,
          given.map((value) => event(value)),
        );
        expect(reducer.read(spread, 2 * HOUR_US)[0]).toBe(one.read(whole, 1)[0]);
      }),
      lawRuns(200),
    );
  });

  test('of bytes that nobody writes none is read', () => {
    const lifetime = createViewReducer(layoutOf(int, 2, null));
    const head = hex(lifetime.encode(stateOf(lifetime, [event(null)]))).slice(0, -2);
    const refusal = (bytes: string): string | null => {
      try {
        lifetime.decode(Buffer.from(head + bytes, 'hex'));
        return null;
      } catch (error) {
        return isMillraceError(error) ? error.code : String(error);
      }
    };
    expect(['00', '0100', '01ffffffffffffff0f', '020000'].map(refusal)).toEqual([null, null, null, null]);
    // A hash of 2^53, three of two, one too few, another form of a number.
    expect(
      ['0180808080808080 10', '01ffffffffffffff0f00', '03000000', '0200', '018000'].map((bytes) =>
        refusal(bytes.replace(' ', '')),
      ),
    ).toEqual(Array(5).fill('state-corrupt'));
    expect(refusal('02ffffffffffffff0f00')).toBe('state-corrupt');
  });
});
