/** What decides for a unit: a function of what is known of the rollout, and the time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { banditShares } from '../../engine/evidence/bandit-shares.ts';
import { type RolloutMode, variantsInOrder } from '../../engine/evidence/rollout-variants.ts';
import type { Rollout } from '../../engine/postgres/rollouts.ts';
import { chooseVariant, HEARD_WITHIN_MS, knownRollout } from '../../engine/rollouts/choose-variant.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { oracleVariant } from './assignment-oracle.ts';

function row(mode: RolloutMode, shares: readonly number[], more: Partial<Rollout> = {}): Rollout {
  const { shadow = false } = more;
  const variants = shares.map((share, at) => ({
    variant: at === shares.length - 1 ? 'against' : at === 0 ? 'candidate' : `candidate_${at}`,
    version: at + 1,
    share,
  }));
  return {
    id: 'r1',
    model: 'late',
    revision: 3,
    salt: 's1',
    mode,
    phase: 'open',
    stage: 1,
    shadow,
    variants: variantsInOrder({ mode, shadow, variants }),
    asked: {},
    leaseUntilUs: 0,
    leaseLeftMs: 60_000,
    startedAtUs: 0,
    movedAtUs: 0,
    endedAtUs: null,
    ...more,
  };
}

/** All of its versions are held. */
const all = ({ variants }: Rollout): ReadonlyMap<string, number> =>
  new Map(variants.map(({ variant, version }) => [variant, version]));
const knownOf = (of: Rollout, held = all(of)) => knownRollout(of, held, 1_000);
const none = { assigned: null, shadow: null };

describe('a unit', () => {
  it('has the variant that the oracle has for it, whatever it holds; with its share as its chance', () => {
    const shares = fc.oneof(
      fc
        .double({ min: 0, max: 1, noNaN: true })
        .map((share) => ({ mode: 'stages' as const, shares: [share, 1 - share] })),
      fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 2, maxLength: 5 }).map((weights) => ({
        mode: 'bandit' as const,
        shares: banditShares(weights.map((w) => w / weights.reduce((a, b) => a + b))),
      })),
    );
    const unit = fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.stringMatching(/^customer-\d{1,6}$/));
    fc.assert(
      fc.property(
        shares,
        fc.uuid(),
        fc.nat(1_000),
        fc.array(unit, { minLength: 1, maxLength: 30 }),
        (given, salt, revision, units) => {
          const rollout = row(given.mode, given.shares, { salt, revision });
          for (const one of units) {
            const chosen = chooseVariant(knownOf(rollout), one, 1_000);
            const variant = oracleVariant(rollout, one);
            const { share, version } = rollout.variants.find((other) => other.variant === variant)!;
            expect(chosen).toEqual({
              variant,
              held: version,
              assigned: { rollout: 'r1', revision, stage: 1, variant, assignmentPropensity: share, unit: one },
              shadow: null,
              fellBack: null,
            });
          }
        },
      ),
      lawRuns(300),
    );
  });

  it('has in shadow what is there, and the candidate beside it, of every unit', () => {
    const rollout = row('stages', [0, 1], { shadow: true });
    for (const unit of ['a', 'b', 'c']) {
      const chosen = chooseVariant(knownOf(rollout), unit, 1_000);
      const told = { rollout: 'r1', revision: 3, stage: 1, assignmentPropensity: 1, unit };
      expect(chosen).toEqual({
        variant: 'against',
        held: 2,
        assigned: { ...told, variant: 'against' },
        shadow: { held: 1, assigned: { ...told, variant: 'candidate' } },
        fellBack: null,
      });
    }
    const without = new Map([['against', 2]]);
    expect(chooseVariant(knownOf(rollout, without), 'a', 1_000)).toMatchObject({
      held: 2,
      shadow: null,
      fellBack: null,
    });
  });

  it('has the champion where no rollout is open, however long nothing was heard', () => {
    const known = knownRollout<number>(null, new Map(), 1_000);
    expect(chooseVariant(known, 'a', 1e9)).toEqual({ variant: 'champion', held: null, ...none, fellBack: null });
  });

  it('has what is there once nothing was heard for 30 s, the lease has lapsed, its version is not held, or it is none', () => {
    const rollout = row('stages', [1, 0]);
    const fallen = (fellBack: string, held: number | null = 2) => ({ variant: 'against', held, ...none, fellBack });
    expect(chooseVariant<number>(null, 'a', 0)).toEqual(fallen('silent', null));
    const known = knownOf(rollout);
    expect(chooseVariant(known, 'a', 1_000 + HEARD_WITHIN_MS)).toMatchObject({ variant: 'candidate', fellBack: null });
    expect(chooseVariant(known, 'a', 1_001 + HEARD_WITHIN_MS)).toEqual(fallen('silent'));
    const lapsing = knownOf({ ...rollout, leaseLeftMs: 500 });
    expect(chooseVariant(lapsing, 'a', 1_499)).toMatchObject({ variant: 'candidate', fellBack: null });
    expect(chooseVariant(lapsing, 'a', 1_500)).toEqual(fallen('lease-lapsed'));
    expect(chooseVariant(knownOf({ ...rollout, leaseLeftMs: -5 }), 'a', 1_000)).toEqual(fallen('lease-lapsed'));
    expect(chooseVariant(knownOf(rollout, new Map([['against', 2]])), 'a', 1_000)).toEqual(fallen('not-held'));
    expect(chooseVariant(knownOf(rollout, new Map()), 'a', 1_000)).toEqual(fallen('not-held', null));
    expect(chooseVariant(known, '', 1_000)).toEqual(fallen('no-unit'));
    expect(chooseVariant(known, undefined as unknown as string, 1_000)).toEqual(fallen('no-unit'));
  });
});
