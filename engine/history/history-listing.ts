import { createHash } from 'node:crypto';
import type { Clock } from '../values/clock.ts';

/** Which files a history consists of. Where they lie is no part of it. */
export interface HistoryListing {
  readonly source: string;
  /** Hex SHA-256 of the files' names below the glob's fixed part, sizes and hashes. */
  readonly digest: string;
  /** The same without the hashes: under which files were listed before those were known. */
  readonly formerDigest: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * When a listing was first read by anybody: G of design §5, epoch µs. Stored once per (source, listing) and the same ever after, so that builds,
 * proofs, audits, explanations and exports over it hold its event times against one bound. Where its names and sizes were noted before hashes were, that
 * counts as its first reading.
 */
export interface HistoryListings {
  firstReadAtUs(listing: HistoryListing): Promise<number>;
}

/** A file as a listing has it; without its hash where it is named by something older than hashes. */
export interface ListedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256?: string | undefined;
}

/** The listing of a history's files. Where one of them is named without its hash, it is the one of before. */
export function listingOf(source: string, listed: readonly ListedFile[]): HistoryListing {
  const formerDigest = digestOf(listed.map(({ name, sizeBytes }) => ({ name, sizeBytes })));
  const isFormer = listed.some(({ sha256 }) => sha256 === undefined);
  const digest = isFormer
    ? formerDigest
    : digestOf(listed.map(({ name, sizeBytes, sha256 }) => ({ name, sizeBytes, sha256 })));
  const bytes = listed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { source, digest, formerDigest, files: listed.length, bytes };
}

function digestOf(files: readonly ListedFile[]): string {
  return createHash('sha256').update(JSON.stringify(files)).digest('hex');
}

/** Listings as one process sees them, where there is no store: G is when it first read them. */
export function listingsOfProcess(clock: Clock): HistoryListings {
  const known = new Map<string, number>();
  return {
    async firstReadAtUs({ source, digest, formerDigest }) {
      const key = `${source} ${digest}`;
      const firstReadAtUs = known.get(key) ?? known.get(`${source} ${formerDigest}`) ?? clock.nowUs();
      known.set(key, firstReadAtUs);
      return firstReadAtUs;
    },
  };
}
