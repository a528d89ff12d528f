import { hash } from 'node:crypto';

const PREFIX = 'mr_';
const TOKEN_BYTES = 24;
const ID_DIGITS = 12;
const SHAPE = /^mr_[\w-]{32}$/;

/** How many random bytes a token is made of. */
export const TOKEN_RANDOM_BYTES: number = TOKEN_BYTES;

/** A token: 192 random bits, which is why its plain hash says nothing of it. Shown once, kept nowhere. */
export function tokenOf(random: Uint8Array): string {
  return PREFIX + Buffer.from(random).toString('base64url');
}

/** Whether a text can be a token at all: what cannot is not even looked up. */
export function isTokenLike(text: string): boolean {
  return SHAPE.test(text);
}

/** The SHA-256 of a token, in hex. */
export function hashOf(token: string): string {
  return hash('sha256', token, 'hex');
}

/** What a token is called where people may read it. */
export function idOf(hashHex: string): string {
  return hashHex.slice(0, ID_DIGITS);
}
