import { createHmac, randomBytes } from 'node:crypto';

/** Hex digits of a hash: enough to tell values apart, and too few to be one's name elsewhere. */
const DIGITS = 16;

/** What a hashed value begins with. */
export const HASHED = 'hash:';

// A key of its own where none is given: what a process shows can then be compared within it, and guessed by nobody.
let key: string | Buffer = randomBytes(32);

/** Sets the key of this process: values that are equal are shown alike by all processes that have it (`MILLRACE_SENSITIVE_KEY`). */
export function setSensitiveKey(secret: string): void {
  key = secret;
}

/**
 * What is shown of a sensitive value: `hash:` and 16 hex digits of HMAC-SHA-256 over its text. A plain hash would not do: who has a list of
 * addresses or card numbers hashes them all.
 *
 * @example
 * sensitiveHash('ann@example.org'); // 'hash:9f2c…'
 */
export function sensitiveHash(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, bigintText) ?? 'undefined');
  return `${HASHED}${createHmac('sha256', key).update(text).digest('hex').slice(0, DIGITS)}`;
}

function bigintText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? (Number.isSafeInteger(Number(value)) ? Number(value) : String(value)) : value;
}
