import { invariant, MillraceError } from '../errors/millrace-error.ts';
import { duckDbMemory } from '../memory/duckdb-memory.ts';
import type { MemoryBudget, MemoryReservation, ReserveOptions } from '../memory/memory-budget.ts';
import type { RawRecord } from '../topic/log-reader.ts';

const MB = 1 << 20;

/** A chunk is handed to DuckDB at so many bytes of keys and values, and written to its table, which spills, at so many. */
export const CHUNK_BYTES = MB;
export const APPENDED_BYTES = 4 * MB;
/** Keys and values stand in a chunk as they came, and once more in the contract's columns. */
export const COPIES = 2;
const LEAST_BUFFERS = (CHUNK_BYTES + APPENDED_BYTES) * COPIES;
const LEAST_HEAP = 4 * MB;
/** A record decoded is on the heap meanwhile: its text, and the row. */
const HEAP_COPIES = 2;
/** What a file has at least, where there is enough to read: DuckDB can spill so much whoever else is at it. */
const LEAST_FILE_BYTES = 8 * MB;
/** Of DuckDB's memory. */
const FILE_SHARE = 1 / 8;

/** What an archiver takes of memory: the records on their way into DuckDB's table, and the tables themselves. */
export class ArchiveMemory {
  readonly #budget: MemoryBudget;
  readonly #held: MemoryReservation;

  /**
   * Reserves what an archiver begins with, waiting for its turn.
   *
   * @param recordBytes of the largest record that it had no room for before
   * @throws MillraceError `memory-limit-too-small`; the signal's reason
   */
  static async reserve(
    budget: MemoryBudget,
    what: string,
    recordBytes: number,
    options: ReserveOptions,
  ): Promise<ArchiveMemory> {
    const least = { heap: heapFor(recordBytes), buffers: buffersFor(recordBytes) };
    return new ArchiveMemory(budget, await budget.reserve(least, what, options));
  }

  private constructor(budget: MemoryBudget, held: MemoryReservation) {
    this.#budget = budget;
    this.#held = held;
  }

  /** Makes room for records, of which one is decoded at a time. False where there is none. */
  makeRoom(records: readonly RawRecord[]): boolean {
    const largest = largestOf(records);
    const heap = heapFor(largest) - this.#held.heap;
    const buffers = buffersFor(largest) - this.#held.buffers;
    return (heap <= 0 || this.#held.grow('heap', heap)) && (buffers <= 0 || this.#held.grow('buffers', buffers));
  }

  /** What a file may have of keys and values: one is written while the next one's records come in, and DuckDB sorts it. */
  get mostFileBytes(): number {
    return Math.floor(this.#budget.shares.duckDbBytes * FILE_SHARE);
  }

  /** The part of one table in DuckDB's memory. */
  stage(): StagedBytes {
    const turn = duckDbMemory(this.#budget).tryReserve({}, this.#held.what);
    invariant(turn !== null, 'nothing at all is not to be had');
    return new StagedBytes(turn);
  }

  release(): void {
    this.#held.release();
  }
}

/** What is staged for one file, counted where batches take their turns. */
export class StagedBytes {
  readonly #turn: MemoryReservation;
  #bytes = 0;
  #isRefused = false;

  constructor(turn: MemoryReservation) {
    this.#turn = turn;
  }

  /** So many bytes more are staged. */
  add(bytes: number): void {
    this.#bytes += bytes;
    const lacks = (this.#bytes - LEAST_FILE_BYTES) * COPIES - this.#turn.buffers;
    if (lacks > 0 && !this.#turn.grow('buffers', lacks)) this.#isRefused = true;
  }

  /** Whether a file is to be made of it early: DuckDB has no room for more, or a batch waits for what this takes. */
  get isEnough(): boolean {
    return this.#bytes >= LEAST_FILE_BYTES && (this.#isRefused || this.#turn.wanted('buffers') > 0);
  }

  release(): void {
    this.#turn.release();
  }
}

/** What an archiver waits for. `text`: as the budget says it, or what there is no room for. */
export function archiveWaits(source: string, text: string): MillraceError {
  return new MillraceError('memory-in-use', `the archive of ${source} is ${text}`, {
    remedy:
      'It goes on as soon as others give memory back. Where it waits often, raise MILLRACE_MEMORY_MB or run more workers.',
    waits: true,
    httpStatus: 503,
  });
}

/** Of the largest record, bytes of its key and value. */
export function largestOf(records: readonly RawRecord[]): number {
  return records.reduce((most, { key, value }) => Math.max(most, (key?.length ?? 0) + (value?.length ?? 0)), 0);
}

/** A record beyond a chunk is in the chunk, and once more in what is appended. */
function buffersFor(recordBytes: number): number {
  return LEAST_BUFFERS + Math.max(0, recordBytes - CHUNK_BYTES) * COPIES * 2;
}

function heapFor(recordBytes: number): number {
  return LEAST_HEAP + Math.max(0, recordBytes - MB) * HEAP_COPIES;
}
