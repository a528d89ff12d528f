/** Where counted bytes lie: on a heap of V8 (the main thread's or another's), or outside of it (buffers, typed arrays). */
export interface MemoryAmount {
  readonly heap: number;
  readonly buffers: number;
}

export type MemoryPlace = keyof MemoryAmount;

/** How the memory of a process is shared out, in bytes. */
export interface MemoryShares {
  /** What was set: M. */
  readonly totalBytes: number;
  /** The limit of the one DuckDB of the process. */
  readonly duckDbBytes: number;
  /** V8's old space, threads included: what a launcher passes on as `--max-old-space-size`. */
  readonly oldSpaceBytes: number;
  /** What may be reserved. */
  readonly limits: MemoryAmount;
  /** What may be reserved for records on their way in, beside that: `intakeMemory`. */
  readonly intake: MemoryAmount;
}

/** What a worker can do with less is not worth having. */
export const LEAST_MEMORY_MB = 768;
export const DEFAULT_MEMORY_MB = 2048;

const MB = 2 ** 20;
const DUCKDB_LEAST_MB = 128;
/** What DuckDB leaves to everything else, at least. */
const BESIDE_DUCKDB_MB = 640;
const OLD_SPACE_SHARE = 0.35;
/** Of the old space: what code and the libraries take, and what garbage may stand for before it is collected. */
const HEAP_BASE_MB = 48;
const HEAP_LIVE_SHARE = 0.75;
/** Of what may be reserved. */
const INTAKE_SHARE = 0.25;

/**
 * Shares out the memory of a process (MiB): DuckDB min(M/3, M − 640), at least 128; V8's old space 0.35 M; the rest is for buffers outside
 * of both. Of the old space only what leaves room for code and garbage can be reserved. A quarter of what can be is for records on their way in.
 *
 * @param heapLimitBytes V8's limit where the process runs already: what the heap cannot hold is not counted on.
 * @example
 * memoryShares(2048).duckDbBytes / 2 ** 20; // 682
 */
export function memoryShares(memoryMb: number, heapLimitBytes = Number.POSITIVE_INFINITY): MemoryShares {
  const duckDbMb = Math.max(DUCKDB_LEAST_MB, Math.floor(Math.min(memoryMb / 3, memoryMb - BESIDE_DUCKDB_MB)));
  const oldSpaceBytes = Math.floor(Math.min(memoryMb * OLD_SPACE_SHARE * MB, heapLimitBytes));
  const buffers = Math.max(0, memoryMb * MB - duckDbMb * MB - oldSpaceBytes);
  const heap = Math.max(0, Math.floor(oldSpaceBytes * HEAP_LIVE_SHARE) - HEAP_BASE_MB * MB);
  const intake = { heap: Math.floor(heap * INTAKE_SHARE), buffers: Math.floor(buffers * INTAKE_SHARE) };
  const limits = { heap: heap - intake.heap, buffers: buffers - intake.buffers };
  return { totalBytes: memoryMb * MB, duckDbBytes: duckDbMb * MB, oldSpaceBytes, limits, intake };
}

/** The old space for `--max-old-space-size` of a process with so much memory, MiB. */
export function oldSpaceMb(memoryMb: number): number {
  return Math.floor(memoryMb * OLD_SPACE_SHARE);
}
