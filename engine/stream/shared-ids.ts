import { ClaimPool } from '../admission/claim-pool.ts';
import { invariant } from '../errors/millrace-error.ts';
import type { MemoryBudget, MemoryReservation } from '../memory/memory-budget.ts';

const byBudget = new WeakMap<MemoryBudget, Map<string, SharedIds>>();

/**
 * The ids that the streams of a process over one topic of a source remember together: a pool of claims per partition, one of the history's (-1), and what
 * they take of the memory budget, counted once under the name of the source. Who joins is to leave; with the last one everything goes.
 */
export class SharedIds {
  readonly reservation: MemoryReservation;
  readonly #pools = new Map<number, ClaimPool>();
  readonly #end: () => void;
  #streams = 0;
  #turns: Promise<void> = Promise.resolve();
  #inTurn = 0;

  /**
   * The ids of a topic, for one stream.
   *
   * @example
   * const shared = SharedIds.join(processMemory(), 'payments', 'payments-topic');
   * try { new PartitionDedupe(horizonUs, history, shared.pool(0)); } finally { shared.leave(); }
   */
  static join(budget: MemoryBudget, source: string, topic: string): SharedIds {
    let ofBudget = byBudget.get(budget);
    if (ofBudget === undefined) byBudget.set(budget, (ofBudget = new Map<string, SharedIds>()));
    const known = ofBudget;
    const key = JSON.stringify([source, topic]);
    let shared = known.get(key);
    if (shared === undefined) {
      const reservation = budget.tryReserve({}, `ids of ${source}`);
      invariant(reservation !== null, 'nothing can always be reserved');
      known.set(key, (shared = new SharedIds(reservation, () => void known.delete(key))));
    }
    shared.#streams++;
    return shared;
  }

  private constructor(reservation: MemoryReservation, end: () => void) {
    this.reservation = reservation;
    this.#end = end;
  }

  /** What they take of memory. */
  get bytes(): number {
    let bytes = 0;
    for (const pool of this.#pools.values()) bytes += pool.bytes;
    return bytes;
  }

  /** What those of some partitions take of memory. */
  bytesOf(partitions: Iterable<number>): number {
    let bytes = 0;
    for (const partition of partitions) bytes += this.#pools.get(partition)?.bytes ?? 0;
    return bytes;
  }

  /** The part of one of those who share them, in equal parts: the parts of all are the whole. */
  partOf(partitions: Iterable<number>): number {
    let bytes = 0;
    for (const partition of partitions) {
      const pool = this.#pools.get(partition);
      if (pool !== undefined && pool.holders > 0) bytes += pool.bytes / pool.holders;
    }
    return Math.ceil(bytes);
  }

  pool(partition: number): ClaimPool {
    let pool = this.#pools.get(partition);
    if (pool === undefined) this.#pools.set(partition, (pool = new ClaimPool()));
    return pool;
  }

  /** One loads at a time, so that the next one needs no memory for what it finds here. Gives what ends the turn; throws the signal's reason. */
  async takeTurn(signal: AbortSignal, onWait: () => void): Promise<() => void> {
    signal.throwIfAborted();
    const mine = Promise.withResolvers<void>();
    const before = this.#turns;
    this.#turns = before.then(() => mine.promise);
    const end = (): void => {
      this.#inTurn--;
      mine.resolve();
    };
    const gone = Promise.withResolvers<never>();
    const leave = (): void => gone.reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    try {
      if (this.#inTurn++ > 0) onWait();
      await Promise.race([before, gone.promise]);
      return end;
    } catch (error) {
      end();
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** For a stream that has released what it held of them. */
  leave(): void {
    for (const [partition, pool] of this.#pools) if (pool.holders === 0) this.#pools.delete(partition);
    const unused = this.reservation.buffers - this.bytes;
    if (unused > 0) this.reservation.shrink('buffers', unused);
    if (--this.#streams > 0) return;
    this.#end();
    this.reservation.release();
  }
}
