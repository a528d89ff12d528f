/** Who gets what, from the words alone: u = the first 53 bits of sha256(salt ‖ 0x00 ‖ unit) / 2^53, variants in nested intervals. */
import { createHash } from 'node:crypto';

export interface OracleState {
  readonly mode: string;
  readonly salt: string;
  readonly revision: number;
  readonly variants: readonly { readonly variant: string; readonly share: number }[];
}

export function oracleVariant({ mode, salt, revision, variants }: OracleState, unit: string): string {
  const text = mode === 'bandit' ? `${salt}\0${revision}\0${unit}` : `${salt}\0${unit}`;
  const digest = createHash('sha256').update(text, 'utf8').digest('hex');
  const bits = Array.from(digest, (digit) => Number.parseInt(digit, 16).toString(2).padStart(4, '0')).join('');
  const place = Number(BigInt(`0b${bits.slice(0, 53)}`)) / 2 ** 53;
  let bound = 0;
  for (const { variant, share } of variants) {
    bound += share;
    if (place < bound) return variant;
  }
  return variants.at(-1)!.variant;
}
