import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { MillraceError } from '../errors/millrace-error.ts';
import { shortName } from './bundle-faults.ts';

/** Keys that bundles must be signed by, by id; null: no signature is asked for. */
export type BundleKeys = ReadonlyMap<string, KeyObject> | null;

/** A signature that stands beside a bundle. */
export interface BundleSignature {
  /** Of its key: `bundleKeyId`. */
  readonly keyId: string;
  readonly bytes: Buffer;
}

/** What is signed: nothing else that Millrace signs can be taken for it. */
function signed(sha256: string): Buffer {
  return Buffer.from(`millrace bundle ${sha256}`);
}

/**
 * What a key is called: the first 16 hex digits of the SHA-256 of its public half (SPKI, DER).
 *
 * @example
 * bundleKeyId(createPublicKey(pem)); // 'f3a1…'
 */
export function bundleKeyId(key: KeyObject): string {
  const own = key.type === 'private' ? createPublicKey(key) : key;
  return createHash('sha256')
    .update(own.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Reads public Ed25519 keys: PEM, or base64 of SPKI (DER), with commas or white space between. Null where one is none.
 *
 * @example
 * readBundleKeys('MCowBQYDK2VwAyEA…'); // one key, by its id
 */
export function readBundleKeys(text: string): ReadonlyMap<string, KeyObject> | null {
  const given = text.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----|[^\s,]+/g) ?? [];
  const keys = given.map(readPublicKey).filter((key) => key !== null);
  if (keys.length !== given.length || keys.length === 0) return null;
  return new Map(keys.map((key) => [bundleKeyId(key), key]));
}

function readPublicKey(text: string): KeyObject | null {
  try {
    const key = text.startsWith('-')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' ? key : null;
  } catch {
    // Whatever OpenSSL says of it: it is no key.
    return null;
  }
}

/** Reads a private Ed25519 key, PEM; null where it is none. */
export function readSigningKey(text: string): KeyObject | null {
  try {
    const key = createPrivateKey(text);
    return key.asymmetricKeyType === 'ed25519' ? key : null;
  } catch {
    // As above; what it says might tell of the key.
    return null;
  }
}

/** Signs a bundle's hash with a private Ed25519 key. */
export function signBundle(sha256: string, key: KeyObject): BundleSignature {
  return { keyId: bundleKeyId(key), bytes: sign(null, signed(sha256), key) };
}

/** Throws MillraceError `bundle-unsigned` unless one of the keys signed the bundle. */
export function checkSignature(
  { fingerprint, sha256 }: { readonly fingerprint: string; readonly sha256: string },
  signature: BundleSignature | null,
  keys: BundleKeys,
): void {
  if (keys === null) return;
  const key = signature === null ? undefined : keys.get(signature.keyId);
  if (signature !== null && key !== undefined && verify(null, signed(sha256), key, signature.bytes)) return;
  const reason =
    signature === null
      ? 'has no signature'
      : key === undefined
        ? `is signed by key ${signature.keyId}, which is none of ${[...keys.keys()].join(', ')}`
        : `has a signature that key ${signature.keyId} did not make`;
  throw new MillraceError('bundle-unsigned', `the bundle ${shortName(fingerprint)} ${reason}`, {
    remedy: 'Apply it again with MILLRACE_BUNDLE_SIGN_KEY, or add the key that signed it to MILLRACE_BUNDLE_KEYS.',
    httpStatus: 403,
    details: { fingerprint, keyId: signature?.keyId ?? null },
  });
}
