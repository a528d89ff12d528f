import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readSigningKey } from '../engine/bundles/bundle-signature.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { Environment } from './environment.ts';

/**
 * The private key that bundles are signed with here; null where none is set. Throws MillraceError `bad-configuration` where the file has none.
 *
 * @example
 * const key = bundleSignKey(env);
 */
export function bundleSignKey({ bundleSignKey: path }: Pick<Environment, 'bundleSignKey'>): KeyObject | null {
  if (path === null) return null;
  let reason = 'no private Ed25519 key (PEM) is in it';
  try {
    const key = readSigningKey(readFileSync(path, 'utf8'));
    if (key !== null) return key;
  } catch (cause) {
    reason = cause instanceof Error ? cause.message : String(cause);
  }
  throw new MillraceError('bad-configuration', `MILLRACE_BUNDLE_SIGN_KEY names ${path}: ${reason}`, {
    remedy: 'Make one: openssl genpkey -algorithm ed25519 -out bundles.pem',
    httpStatus: 500,
  });
}
