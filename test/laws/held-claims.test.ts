import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClaimPool } from '../../engine/admission/claim-pool.ts';
import { TIME_SPAN_US } from '../../engine/admission/claim-segment.ts';
import { HeldClaims } from '../../engine/admission/held-claims.ts';
import { hashId } from '../../engine/admission/id-hash.ts';
import { PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { lawRuns } from './law-seed.ts';

const hashes = new Map<number, Uint32Array>();
function hashed(id: number): Uint32Array {
  let words = hashes.get(id);
  if (words === undefined) {
    words = new Uint32Array(4);
    hashId(String(id), words);
    hashes.set(id, words);
  }
  return words;
}

function add(claims: HeldClaims, id: number, timeUs: number, floorUs = Number.NEGATIVE_INFINITY): void {
  const [a, b, c, d] = hashed(id);
  claims.add(a!, b!, c!, d!, timeUs, floorUs);
}

/** A holder, and what it is to know: every claim ever made that its floor has not passed. */
interface Held {
  claims: HeldClaims;
  readonly known: Map<number, number>;
  floorUs: number;
}

describe('claims held in a pool', () => {
  // Stretches of ids, so that blocks fill and end; the same ones for several holders, so that they share; floors that forget; holders that go and come.
  const holder = fc.nat(3);
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        by: fc.constantFrom([0], [1], [0, 1], [0, 1, 2], [2, 3], [0, 1, 2, 3]),
        from: fc.integer({ min: 0, max: 6 }).map((each) => each * 700),
        count: fc.nat(2_500),
        atUs: fc.integer({ min: -50, max: 200 }),
        apartUs: fc.constantFrom(1, 1, 1, TIME_SPAN_US / 4 + 3),
      }),
    },
    { weight: 2, arbitrary: fc.record({ by: holder, floorUs: fc.nat(260) }) },
    { weight: 1, arbitrary: fc.record({ by: holder, reload: fc.constant(true) }) },
    { weight: 1, arbitrary: fc.record({ by: holder, release: fc.constant(true) }) },
  );

  it('are known to those who made them and to nobody else, with their latest time, whoever comes, goes, forgets or loads', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 3, maxLength: 14 }), (steps) => {
        const pool = new ClaimPool();
        const begin = (): Held => ({
          claims: new HeldClaims(pool),
          known: new Map(),
          floorUs: Number.NEGATIVE_INFINITY,
        });
        const held = [begin(), begin(), begin(), begin()];
        for (const each of steps) {
          if ('from' in each) {
            for (const by of each.by)
              for (let id = each.from; id < each.from + each.count; id++) {
                const one = held[by]!;
                const atUs = (each.atUs + (id % 7)) * each.apartUs;
                // A claim is later than those of its id before it.
                if ((one.known.get(id) ?? Number.NEGATIVE_INFINITY) >= atUs) continue;
                add(one.claims, id, atUs, one.floorUs);
                one.known.set(id, atUs);
              }
          } else if ('floorUs' in each) {
            const one = held[each.by]!;
            one.floorUs = Math.max(one.floorUs, each.floorUs);
            one.claims.dropBefore(one.floorUs);
          } else {
            const one = held[each.by]!;
            const packed = one.claims.pack();
            one.claims.release();
            if ('release' in each) held[each.by] = begin();
            else {
              one.claims = new HeldClaims(pool);
              one.claims.load(packed);
            }
          }
        }
        for (const { claims, known, floorUs } of held)
          for (let id = 0; id < 6_800; id += 3) {
            const atUs = known.get(id);
            if (atUs === undefined || atUs < floorUs) {
              expect(claims.has(hashed(id), Math.max(floorUs, (atUs ?? -1e300) + 1))).toBe(false);
              continue;
            }
            expect(claims.has(hashed(id), atUs)).toBe(true);
            expect(claims.has(hashed(id), atUs + 1)).toBe(false);
          }
        for (const { claims } of held) claims.release();
        expect(pool.holders).toBe(0);
        expect(pool.bytes).toBe(new ClaimPool().bytes);
      }),
      lawRuns(50),
    );
  });

  it('are there once for all who judged alike, and for those who load what another has packed', () => {
    const pool = new ClaimPool();
    const holders = Array.from({ length: 5 }, () => new HeldClaims(pool));
    const ids = 60_000;
    for (let id = 0; id < ids; id++) add(holders[0]!, id, id);
    const alone = pool.bytes;
    // One a little behind, one that began in the middle of a block, one that loads it all in pieces, one that knows something else.
    for (let id = 0; id < ids - 900; id++) add(holders[1]!, id, id);
    for (let id = 12_345; id < ids; id++) add(holders[2]!, id, id);
    const packed = holders[0]!.pack();
    for (let at = 0; at < packed.length; at += 24 * 1_111) holders[3]!.load(packed.subarray(at, at + 24 * 1_111));
    expect(pool.bytes - alone).toBeLessThan(alone / 10);
    for (const each of holders.slice(0, 4)) expect(each.bytes).toBeLessThan(2_048 * 40);
    for (let id = 0; id < ids; id++) add(holders[4]!, id, id + 1);
    expect(pool.bytes).toBeGreaterThan(alone * 1.8);
    for (const each of holders) each.release();
    expect(pool.bytes).toBe(new ClaimPool().bytes);
  });

  it('are forgotten by the block, once the newest of it lies before the floor', () => {
    const claims = new HeldClaims(new ClaimPool());
    const last = 2_500;
    // The first block has at most 2,048; all times but one are 0.
    const isKnown = (): boolean[] => [claims.has(hashed(1), 0), claims.has(hashed(0), 10)];
    for (let id = 0; id < last; id++) add(claims, id, id === 0 ? 10 : 0, 10);
    claims.dropBefore(10);
    expect(isKnown()).toEqual([true, true]);
    claims.dropBefore(11);
    expect(isKnown()).toEqual([false, false]);
    // The same, while claims are added.
    const [kept, gone] = [10, 11].map((floorUs) => {
      const adding = new HeldClaims(new ClaimPool());
      for (let id = 0; id < last; id++) add(adding, id, id === 0 ? 10 : 0, floorUs);
      return adding;
    });
    expect([kept!.has(hashed(0), 10), gone!.has(hashed(0), 10)]).toEqual([true, false]);
  });

  it('take at most 32 bytes each', () => {
    const pool = new ClaimPool();
    const claims = new HeldClaims(pool);
    for (let id = 0; id < 300_000; id++) {
      const words = new Uint32Array(4);
      hashId(String(id), words);
      claims.add(words[0]!, words[1]!, words[2]!, words[3]!, id, Number.NEGATIVE_INFINITY);
      // But for what a pool is at first: the spare cells of its segments, and the block at hand.
      if (id > 50_000 && id % 997 === 0) expect((pool.bytes + claims.bytes) / id).toBeLessThan(34);
    }
    expect((pool.bytes + claims.bytes) / 300_000).toBeLessThan(33);
  });

  it('give their memory back when one of several goes who did not share', () => {
    const pool = new ClaimPool();
    const [one, other] = [new HeldClaims(pool), new HeldClaims(pool)];
    for (let id = 0; id < 40_000; id++) add(one, id, id);
    const alone = pool.bytes;
    for (let id = 0; id < 40_000; id++) add(other, id, id + 1);
    other.release();
    expect(pool.bytes).toBeLessThan(alone * 1.3);
    for (let id = 0; id < 40_000; id += 7) expect(one.has(hashed(id), id)).toBe(true);
    // What was let go is found again by nobody, whatever tags are given again.
    const third = new HeldClaims(pool);
    for (let id = 100_000; id < 110_000; id++) add(third, id, id);
    for (let id = 0; id < 40_000; id += 7) expect(third.has(hashed(id), 0)).toBe(false);
  });

  it('let no id wait for the whole, where each new one forgets an old one', () => {
    // As it was once, every id from number 524,288 on made a whole table anew: 35 ms each, an hour for these.
    const horizonUs = 524_286;
    const dedupe = new PartitionDedupe(horizonUs, null);
    for (let id = 0; id < 640_000; id++) expect(dedupe.judge(String(id), id, id === 0 ? null : id - 1)).toBe('new');
    expect(dedupe.judge('639999', 639_999, 639_999)).toBe('duplicate');
  });
});
