import { MillraceError } from '../errors/millrace-error.ts';

/** A variant and how much of the units it is to have. */
export interface VariantShare {
  readonly variant: string;
  /** From 0 to 1. */
  readonly share: number;
}

/** How far from 1 shares, or propensities, may sum up. */
export const SUM_TOLERANCE = 1e-9;

/**
 * Throws `invalid-shares` unless the variants have names of their own and shares that are not negative and sum up to 1 ± 1e-9.
 *
 * @example
 * checkShares([{ variant: 'b', share: 0.1 }, { variant: 'a', share: 0.9 }]);
 */
export function checkShares(shares: readonly VariantShare[]): void {
  const names = new Set(shares.map(({ variant }) => variant));
  const sum = shares.reduce((total, { share }) => total + share, 0);
  const isEachOne = shares.every(({ share }) => share >= 0 && share <= 1);
  if (isEachOne && Math.abs(sum - 1) <= SUM_TOLERANCE && names.size === shares.length) return;
  const received = shares.map(({ variant, share }) => `${variant}: ${share}`).join(', ');
  throw new MillraceError(
    'invalid-shares',
    `shares of variants: expected one per variant, none negative, together 1; received ${received || 'none'}`,
    { remedy: 'Give each variant one share, so that together they are 1.', details: { shares } },
  );
}
