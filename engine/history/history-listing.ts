import { createHash } from 'node:crypto';
import { relative, sep } from 'node:path';
import type { Clock } from '../values/clock.ts';
import type { HistoryFiles } from './history-files.ts';

/** The identity of a history: which files it consists of. Where they lie is no part of it. */
export interface HistoryListing {
  readonly source: string;
  /** Hex SHA-256 of names below the glob's fixed part, and sizes. */
  readonly digest: string;
  readonly files: readonly { readonly name: string; readonly sizeBytes: number }[];
}

/**
 * When a listing was first read by anybody: G of design §5, epoch µs. Stored once per (source, listing) and the same ever after, so that builds,
 * proofs, audits, explanations and exports over it hold its event times against one bound.
 */
export interface HistoryListings {
  firstReadAtUs(listing: HistoryListing): Promise<number>;
}

/**
 * The listing of a history's files.
 *
 * @param pattern The absolute glob they were found by.
 */
export function listingOf(source: string, pattern: string, found: HistoryFiles): HistoryListing {
  const base = fixedPart(pattern);
  const files = found.files.map(({ path, sizeBytes }) => ({
    name: relative(base, path).split(sep).join('/'),
    sizeBytes,
  }));
  const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  return { source, digest, files };
}

/** Listings as one process sees them, where there is no store: G is when it first read them. */
export function listingsOfProcess(clock: Clock): HistoryListings {
  const known = new Map<string, number>();
  return {
    async firstReadAtUs({ source, digest }) {
      const key = `${source} ${digest}`;
      const firstReadAtUs = known.get(key) ?? clock.nowUs();
      known.set(key, firstReadAtUs);
      return firstReadAtUs;
    },
  };
}

/** The folder above the first part of a glob that is a pattern, or the file itself's. */
export function fixedPart(pattern: string): string {
  const parts = pattern.split(/[\\/]/);
  const first = parts.findIndex((part) => /[*?[\]{}()!]/.test(part));
  return parts.slice(0, first < 0 ? -1 : first).join('/') || '/';
}
