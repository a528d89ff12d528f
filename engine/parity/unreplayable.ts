import type { MillraceErrorCode } from '../errors/error-codes.ts';

/** What may keep an older version from being replayed; of the live one it is an error. */
export const UNREPLAYABLE: ReadonlySet<string> = new Set<MillraceErrorCode>([
  'commits-missing',
  'history-changed',
  'offsets-gone',
  'log-hole',
  'unknown-commit',
]);
