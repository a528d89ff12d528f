import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawOfUnit, placeOfUnit, variantAt } from '../../engine/evidence/assignment.ts';
import { banditShares } from '../../engine/evidence/bandit-shares.ts';
import { type RolloutMode, variantsInOrder } from '../../engine/evidence/rollout-variants.ts';
import { lawRuns } from '../laws/law-seed.ts';

const candidate = (share: number) => ({ variant: 'candidate', version: 2, share });
const against = (share: number) => ({ variant: 'against', version: 1, share });
const stages = (...variants: ReturnType<typeof candidate>[]) =>
  variantsInOrder({ mode: 'stages', shadow: false, variants });

/** The ends of the intervals, from the shares alone. */
function bounds(shares: readonly number[]): number[] {
  let bound = 0;
  return [0, ...shares.map((share) => (bound += share))];
}

describe('variants of a rollout', () => {
  test('stand in the order of their intervals: against last, whatever the order they are named in', () => {
    expect(stages(against(0.9), candidate(0.1))).toEqual([candidate(0.1), against(0.9)]);
    const bandit = [against(0.25), { ...candidate(0.5), variant: 'b' }, { ...candidate(0.25), variant: 'a' }];
    const names = variantsInOrder({ mode: 'bandit', shadow: false, variants: bandit }).map(({ variant }) => variant);
    expect(names).toEqual(['b', 'a', 'against']);
  });

  test('have the length of their interval as their share, to the last bit: by stages and by revisions of a bandit', () => {
    const chances = fc
      .array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 2, maxLength: 6 })
      .map((weights) => weights.map((weight) => weight / weights.reduce((sum, each) => sum + each, 0)));
    fc.assert(
      fc.property(fc.constantFrom<RolloutMode>('stages', 'bandit'), chances, fc.boolean(), (mode, given, isFloored) => {
        const [first = 0, ...rest] = given;
        const shares =
          mode === 'stages' ? [first, rest.reduce((a, b) => a + b, 0)] : isFloored ? banditShares(given) : given;
        const names =
          mode === 'stages' ? ['candidate', 'against'] : shares.map((_, at) => (at === 0 ? 'against' : `v${at}`));
        const variants = variantsInOrder({
          mode,
          shadow: false,
          variants: shares.map((share, at) => ({ variant: names[at]!, version: at + 1, share })),
        });
        const ends = bounds(variants.map(({ share }) => share));
        expect(ends.at(-1)).toBe(1);
        for (const [at, { variant, share }] of variants.entries()) {
          expect(ends[at + 1]! - ends[at]!).toBe(share);
          const asked = shares[names.indexOf(variant)]!;
          expect(Math.abs(share - asked)).toBeLessThan(mode === 'stages' ? 1e-12 : variants.length * 2 ** -20);
          // What a bandit's arithmetic gives is taken as it is.
          if (mode === 'bandit' && isFloored) expect(share).toBe(asked);
          // And its ends are where its units end.
          if (share > 0) {
            expect(variantAt(ends[at]!, variants)).toBe(variant);
            if (ends[at + 1]! < 1) expect(variantAt(ends[at + 1]!, variants)).not.toBe(variant);
          }
        }
      }),
      lawRuns(400),
    );
  });

  test('of a salt and a revision are one draw of a unit, those of stages its place for good', () => {
    const shares = stages(candidate(0.3), against(0.7));
    const units = Array.from({ length: 2_000 }, (_, unit) => `unit-${unit}`);
    const drawn = (revision: number): string[] =>
      units.map((unit) => variantAt(drawOfUnit('s', revision, unit), shares));
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
    const more = stages(candidate(0.6), against(0.4));
    for (const unit of units)
      if (variantAt(placeOfUnit('s', unit), shares) === 'candidate')
        expect(variantAt(placeOfUnit('s', unit), more)).toBe('candidate');
  });

  test.each([
    ['expected "against" among them', 'stages', false, [candidate(1)]],
    ['expected two at least', 'bandit', false, [against(1)]],
    [
      'by stages, expected "candidate" and "against"',
      'stages',
      false,
      [{ ...candidate(0.5), variant: 'b' }, against(0.5)],
    ],
    ['by stages', 'stages', false, [candidate(0.5), { ...candidate(0.25), variant: 'b' }, against(0.25)]],
    ['no name of a variant', 'bandit', false, [{ ...candidate(0.5), variant: 'B 2' }, against(0.5)]],
    ['no number of a version', 'stages', false, [{ ...candidate(0.5), version: 0.5 }, against(0.5)]],
    ['a bandit has no shadow', 'bandit', true, [candidate(0), against(1)]],
    ['in shadow, expected all units to have "against"', 'stages', true, [candidate(0.1), against(0.9)]],
  ] as const)('are refused where %s', (fault, mode, shadow, variants) => {
    expect(() => variantsInOrder({ mode, shadow, variants })).toThrow(
      expect.objectContaining({ code: 'invalid-rollout', message: expect.stringContaining(fault) as string }),
    );
  });

  test('are refused where their shares are not 1 together', () => {
    expect(() => stages(candidate(0.5), against(0.4))).toThrow(expect.objectContaining({ code: 'invalid-shares' }));
  });
});
