import { stat } from 'node:fs/promises';
import { type Clock, systemClock } from '../values/clock.ts';
import { contentHash } from './content-hash.ts';

/** What a file held when it was looked at. */
export interface FileIdentity {
  readonly sizeBytes: number;
  /** Hex SHA-256 of its bytes. */
  readonly sha256: string;
  /** While the file has it, it holds those bytes; undefined where it was written too lately for that to be told. */
  readonly stamp: string | undefined;
}

/** A file system's clock may be that coarse: what was written within it may be written again under the same times. */
const SETTLED_NS = 2_000_000_000n;
const MOST_READS = 3;
const MOST_KNOWN = 100_000;

/**
 * The hashes of files. A file is read only where its size, times or inode are not those it had when it was read last.
 *
 * @example
 * const hashes = new FileHashes(systemClock);
 * const { sha256 } = await hashes.identify('/data/a.parquet');
 */
export class FileHashes {
  readonly #clock: Clock;
  readonly #known = new Map<string, Pick<FileIdentity, 'stamp' | 'sha256'>>();
  #bytesRead = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of all files that had to be read so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Takes over what another process has read. */
  trust(path: string, { stamp, sha256 }: { readonly stamp: string; readonly sha256: string }): void {
    if (!this.#known.has(path)) this.#keep(path, { stamp, sha256 });
  }

  /** Throws what the file system says of a file that cannot be read, and the signal's reason. */
  async identify(path: string, signal?: AbortSignal): Promise<FileIdentity> {
    for (let reads = 1; ; reads++) {
      const before = await stampOf(path);
      const known = this.#known.get(path);
      if (known?.stamp === before.stamp)
        return { sizeBytes: before.sizeBytes, sha256: known.sha256, stamp: before.stamp };
      const isSettled = BigInt(Math.floor(this.#clock.nowUs())) * 1000n - before.changedNs > SETTLED_NS;
      const { sha256, sizeBytes } = await contentHash(path, signal);
      this.#bytesRead += sizeBytes;
      const isSame = (await stampOf(path)).stamp === before.stamp;
      // What was written meanwhile is read again; who writes on and on is found out by what is read after this.
      if (!isSame && reads < MOST_READS) continue;
      if (!isSame) return { sizeBytes, sha256, stamp: undefined };
      if (isSettled) this.#keep(path, { stamp: before.stamp, sha256 });
      return { sizeBytes, sha256, stamp: isSettled ? before.stamp : undefined };
    }
  }

  #keep(path: string, known: Pick<FileIdentity, 'stamp' | 'sha256'>): void {
    this.#known.delete(path);
    this.#known.set(path, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_KNOWN) return;
      this.#known.delete(oldest);
    }
  }
}

/** Those of this process. */
export const processHashes = new FileHashes(systemClock);

/** The change time is nobody's to set. */
async function stampOf(path: string): Promise<{ stamp: string; sizeBytes: number; changedNs: bigint }> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return { stamp: `${size} ${mtimeNs} ${ctimeNs} ${ino}`, sizeBytes: Number(size), changedNs: ctimeNs };
}
