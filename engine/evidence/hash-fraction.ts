import { hash } from 'node:crypto';

/**
 * A number from 0, below 1: the first 53 bits of sha256(parts, with a byte 0 between them), as UTF-8, over 2^53. The same on every machine; of parts
 * that differ as good as independent.
 */
export function hashFraction(...parts: readonly string[]): number {
  const digest = hash('sha256', parts.join('\0'), 'buffer');
  return (digest.readUIntBE(0, 6) * 32 + (digest[6]! >>> 3)) * 2 ** -53;
}
