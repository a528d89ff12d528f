import { MemoryBudget, type MemoryReservation, type ReserveOptions } from './memory-budget.ts';
import type { MemoryAmount } from './memory-shares.ts';

/** What a backfill, export or audit may need of DuckDB's memory: two sorts that share less run out of it, where one would spill. */
const BATCH_DUCKDB_BYTES = 300 << 20;

const ofBudgets = new WeakMap<MemoryBudget, MemoryBudget>();

/**
 * Whose turn it is at DuckDB's memory: a budget of its own, in `buffers`, for its limit is DuckDB's and not ours to count. Batches wait for their part of
 * it; whoever else stages there takes what is free (`tryReserve`, `grow`), and gives it back where a batch waits.
 *
 * @example
 * const staged = duckDbMemory(memory).tryReserve({}, 'archive of flights');
 */
export function duckDbMemory(memory: MemoryBudget): MemoryBudget {
  let duckDb = ofBudgets.get(memory);
  if (duckDb === undefined) {
    duckDb = new MemoryBudget({ ...memory.shares, limits: { heap: 0, buffers: memory.shares.duckDbBytes } });
    ofBudgets.set(memory, duckDb);
  }
  return duckDb;
}

/** What a batch is told beside what it needs. */
export interface BatchWait {
  readonly signal?: AbortSignal | undefined;
  /** Told what it waits for, and null once it begins. */
  readonly onWait?: ((text: string | null) => void) | undefined;
}

/** The least memory of a batch, and its turn at DuckDB. */
export interface HeldBatch {
  readonly held: MemoryReservation;
  /** Safe to call twice. */
  release(): void;
}

/**
 * Reserves the least memory of a batch, and a turn at DuckDB: as many batches at once as its memory goes round, one at least. The turn is waited for
 * first, by all alike, so that none waits for another that waits for it. Not from within one.
 *
 * @throws MillraceError `memory-limit-too-small`; the signal's reason
 * @example
 * const batch = await holdBatchMemory(memory, LEAST_LABEL_MEMORY, 'labels of late', { signal, onWait });
 * try { await run(batch.held); } finally { batch.release(); }
 */
export async function holdBatchMemory(
  memory: MemoryBudget,
  least: MemoryAmount,
  what: string,
  { signal, onWait }: BatchWait,
): Promise<HeldBatch> {
  let isTold = false;
  const options: ReserveOptions = {
    signal,
    onWait: (text) => {
      isTold = true;
      onWait?.(text);
    },
  };
  const turn = await duckDbMemory(memory).reserve(batchTurn(memory), what, options);
  try {
    const held = await memory.reserve(least, what, options);
    if (isTold) onWait?.(null);
    return {
      held,
      release: () => {
        held.release();
        turn.release();
      },
    };
  } catch (error) {
    turn.release();
    throw error;
  }
}

/**
 * Runs `work` with what `holdBatchMemory` reserves. Not from within one.
 *
 * @throws MillraceError as `holdBatchMemory`, and what `work` throws
 * @example
 * await withBatchMemory(memory, LEAST_BACKFILL_MEMORY, 'backfill of route_delays', { signal, onWait }, (held) => run(held));
 */
export async function withBatchMemory<T>(
  memory: MemoryBudget,
  least: MemoryAmount,
  what: string,
  wait: BatchWait,
  work: (held: MemoryReservation) => Promise<T>,
): Promise<T> {
  const batch = await holdBatchMemory(memory, least, what, wait);
  try {
    return await work(batch.held);
  } finally {
    batch.release();
  }
}

/** A batch's part of DuckDB's memory. */
export function batchTurn(memory: MemoryBudget): MemoryAmount {
  return { heap: 0, buffers: Math.min(BATCH_DUCKDB_BYTES, memory.shares.duckDbBytes) };
}
