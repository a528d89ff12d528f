import { createHash } from 'node:crypto';
import type { PackageCode } from '../code/package-code.ts';

/** What code is told by: its texts, the packages it uses, and what Node says where it asks Node's Unicode and time zone tables. */
export function codeIdentity(texts: readonly string[], packages: readonly string[]): object {
  return {
    code: texts,
    packages,
    tables: tablesUsed(texts),
  };
}

/** The versions of Node's Unicode and time zone tables where code asks them: what they say differs. Null where it asks none. */
export function tablesUsed(texts: readonly string[]): readonly (string | null)[] | null {
  if (!texts.some((text) => /\b(?:Intl|toLocale\w*|localeCompare)\b/.test(text))) return null;
  const { icu, unicode, tz, cldr } = process.versions;
  return [icu, unicode, tz, cldr].map((version) => version ?? null);
}

/** Hex sha-256 over code and the packages it uses. */
export function codeDigest(code: { readonly text: string; readonly packages: PackageCode }): string {
  const { text, packages } = code.packages;
  return createHash('sha256')
    .update(JSON.stringify(codeIdentity([code.text, text], packages)))
    .digest('hex');
}
