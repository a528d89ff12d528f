import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EvidenceSums, type Observation } from '../../engine/evidence/evidence-sums.ts';
import { ExactMoments } from '../../engine/evidence/exact-moments.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { exactSum, exactVariance } from '../oracle/exact.ts';

const DOUBLE = { kind: 'double' } as const;
const value = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e150, max: 1e150 }),
  fc.constantFrom(0.1, 1e100, -1e100, 1e-300, 5e-324),
);
const observation: fc.Arbitrary<Observation> = fc.record({
  metric: fc.constantFrom('cost', 'clicks'),
  stage: fc.integer({ min: 0, max: 2 }),
  variant: fc.constantFrom('a', 'b', '\u{1f600}', '\uff5e'),
  segments: fc.array(fc.constantFrom('LAS', 'PHL', '', 'null'), { maxLength: 3 }),
  value,
});
const observations = fc.array(observation, { maxLength: 40 });

const sumsOf = (all: readonly Observation[]): EvidenceSums => {
  const sums = new EvidenceSums();
  for (const each of all) sums.observe(each);
  return sums;
};

describe('sums of evidence', () => {
  test('are the same in every byte, whatever the order, however brought together, stored in between or not', () => {
    fc.assert(
      fc.property(
        observations.chain((all) =>
          fc.tuple(
            fc.constant(all),
            fc.shuffledSubarray(all, { minLength: all.length }),
            fc.integer({ min: 0, max: 40 }),
          ),
        ),
        ([all, shuffled, cut]) => {
          const whole = sumsOf(all).cells();
          expect(sumsOf(shuffled).cells()).toEqual(whole);
          const merged = sumsOf(shuffled.slice(cut));
          merged.merge(sumsOf(shuffled.slice(0, cut)));
          expect(merged.cells()).toEqual(whole);
          expect(EvidenceSums.of(whole.toReversed()).cells()).toEqual(whole);
          const parts = [...sumsOf(all.slice(0, cut)).cells(), ...sumsOf(all.slice(cut)).cells()];
          expect(EvidenceSums.of(parts).cells()).toEqual(whole);
        },
      ),
      lawRuns(200),
    );
  });

  test('are those of each unit once, over all and in each of its segments, exact', () => {
    fc.assert(
      fc.property(observations, (all) => {
        const sums = sumsOf(all);
        for (const { moments: _, ...key } of sums.cells()) {
          const own = all
            .filter(
              (each) =>
                each.metric === key.metric &&
                each.stage === key.stage &&
                each.variant === key.variant &&
                (key.segment === null || each.segments.includes(key.segment)),
            )
            .map((each) => each.value);
          const read = sums.read(key);
          expect(read.count).toBe(own.length);
          // −0 is 0.
          expect(read.mean + 0).toBe(Number(exactSum(DOUBLE, own)) / own.length + 0);
          const variance = exactVariance(DOUBLE, own, false);
          expect(read.variance).toBe(variance === null ? 0 : typeof variance === 'symbol' ? Infinity : variance);
        }
      }),
      lawRuns(200),
    );
  });

  test('of nothing are nothing; a segment is not all, whatever it is called', () => {
    const key = { metric: 'cost', stage: 0, variant: 'a' };
    const sums = sumsOf([{ ...key, segments: ['null', 'null'], value: 2 }]);
    expect(sums.cells().map(({ segment }) => segment)).toEqual([null, 'null']);
    expect(sums.read({ ...key, segment: 'null' })).toEqual({ count: 1, mean: 2, variance: 0 });
    expect(sums.read({ ...key, segment: 'LAS' })).toEqual({ count: 0, mean: 0, variance: 0 });
    expect(new ExactMoments().sum()).toBe(0);
  });

  test('stand in the order of the bytes of names, all before the segments', () => {
    const of = (variant: string, segments: string[]): Observation => ({
      metric: 'm',
      stage: 0,
      variant,
      segments,
      value: 1,
    });
    const sums = sumsOf([of('\u{1f600}', ['\u{1f600}', '\uff5e', '']), of('\uff5e', [])]);
    expect(sums.cells().map(({ variant, segment }) => [variant, segment])).toEqual([
      ['\uff5e', null],
      ['\u{1f600}', null],
      ['\u{1f600}', ''],
      ['\u{1f600}', '\uff5e'],
      ['\u{1f600}', '\u{1f600}'],
    ]);
  });

  test('are refused where they are none', () => {
    const moments = new ExactMoments();
    moments.add(0.25);
    const bytes = moments.encode();
    const corrupt = expect.objectContaining({ code: 'state-corrupt' });
    expect(() => ExactMoments.decode(Uint8Array.of(...bytes, 0))).toThrow(corrupt);
    expect(() => ExactMoments.decode(bytes.subarray(0, -1))).toThrow(corrupt);
    expect(() => moments.add(Number.NaN)).toThrow(expect.objectContaining({ code: 'internal-bug' }));
    expect(moments.read()).toEqual({ count: 1, mean: 0.25, variance: 0 });
  });
});
