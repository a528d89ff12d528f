import { MillraceError } from '../errors/millrace-error.ts';
import { checkShares, type VariantShare } from './variant-shares.ts';

/** What was there before the rollout: what everybody has where its state is not known. */
export const AGAINST = 'against';
/** What is tried, where there is one such. */
export const CANDIDATE = 'candidate';

/** By stages, whose shares grow; or by revisions of a bandit, each of which draws anew. */
export type RolloutMode = 'stages' | 'bandit';

/** A variant of a rollout: a version of its model, and the units it is to have. */
export interface RolloutVariant extends VariantShare {
  /** `candidate`, `against`; of a bandit others beside them. */
  readonly variant: string;
  readonly version: number;
}

const NAME = /^[a-z][a-z0-9_]{0,62}$/;
/** Shares of a bandit are whole numbers of it (`banditShares`): sums of them are exact. */
const UNIT = 2 ** 20;

/**
 * The variants as a rollout has them: `against` last, so that the others have their intervals before it and a growing share takes units from it alone;
 * and each share the length of its interval to the last bit, so that it is the chance of its variant. What `against` has is what the others leave.
 *
 * @throws MillraceError `invalid-shares`; `invalid-rollout` where `against` is missing, stages have others than `candidate` and `against`, or in shadow
 * somebody would get what only runs beside
 * @example
 * variantsInOrder({ mode: 'stages', shadow: false, variants: [{ variant: 'against', version: 1, share: 0.9 }, { variant: 'candidate', version: 2, share: 0.1 }] });
 */
export function variantsInOrder({
  mode,
  shadow,
  variants,
}: {
  readonly mode: RolloutMode;
  readonly shadow: boolean;
  readonly variants: readonly RolloutVariant[];
}): RolloutVariant[] {
  const fault = faultOf(mode, shadow, variants);
  if (fault !== null) {
    throw new MillraceError(
      'invalid-rollout',
      `variants of a rollout: ${fault}; received ${variants.map(({ variant, version, share }) => `${variant}: version ${version}, ${share}`).join('; ') || 'none'}`,
      { remedy: 'Name a version to try and the one that is there, and how much each is to have.' },
    );
  }
  checkShares(variants);
  const others = variants.filter(({ variant }) => variant !== AGAINST);
  const exact = others.map(({ variant, version, share }) => ({
    variant,
    version,
    share: mode === 'bandit' ? Math.floor(share * UNIT) / UNIT : share,
  }));
  const taken = exact.reduce((sum, { share }) => sum + share, 0);
  const against = variants.find(({ variant }) => variant === AGAINST)!;
  return [...exact, { variant: AGAINST, version: against.version, share: Math.max(0, 1 - taken) }];
}

function faultOf(mode: RolloutMode, shadow: boolean, variants: readonly RolloutVariant[]): string | null {
  const names = variants.map(({ variant }) => variant);
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong !== undefined) return `"${wrong}" is no name of a variant; expected one like candidate_2`;
  const unversioned = variants.find(({ version }) => !Number.isSafeInteger(version) || version < 1);
  if (unversioned !== undefined) return `"${unversioned.variant}" has no number of a version`;
  if (!names.includes(AGAINST)) return `expected "${AGAINST}" among them`;
  if (names.length < 2) return 'expected two at least';
  if (mode === 'stages' && (names.length !== 2 || !names.includes(CANDIDATE)))
    return `by stages, expected "${CANDIDATE}" and "${AGAINST}"`;
  if (shadow && mode === 'bandit') return 'a bandit has no shadow';
  if (shadow && variants.some(({ variant, share }) => variant !== AGAINST && share > 0))
    return `in shadow, expected all units to have "${AGAINST}"`;
  return null;
}
