import { MillraceError } from '../errors/millrace-error.ts';
import type { MemoryBudget, MemoryReservation, ReserveOptions } from '../memory/memory-budget.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import type { SharedIds } from './shared-ids.ts';

const MB = 2 ** 20;

/** What a stream begins with, beside its ids: room for the states and events of the micro-batches at hand. */
export const STREAM_LEAST: MemoryAmount = { heap: 8 * MB, buffers: 4 * MB };

/** Caches take of the first part of a place only: what is beyond it is for those who cannot do without. */
const CACHE_SHARE = 0.5;
const STEP_BYTES = MB;
/** What is not in use is kept up to this much: what comes and goes is not asked for each time. */
const SLACK_BYTES = 4 * MB;

/** What a cache of states asks for memory. None of it waits. */
export interface CacheMemory {
  /** How much of the heap may be held where `bytes` are wished for. */
  heapFor(bytes: number): number;
  /** So much of the heap is held now. */
  settleHeap(bytes: number): void;
  /** Takes buffers, if there are any to be had. */
  growBuffers(bytes: number): boolean;
  /** Gives buffers back. */
  shrinkBuffers(bytes: number): void;
  /** Buffers that somebody waits for. */
  wantedBuffers(): number;
}

/** The part of a stream in the budget: its ids, and its states decoded and encoded. Records on their way in are counted by their reader. */
export class StreamMemory implements CacheMemory {
  readonly #budget: MemoryBudget;
  readonly #reservation: MemoryReservation;
  /** Of the reservation, what is for ids. */
  #idBytes: number;

  /**
   * Reserves what a stream needs to begin, waiting for its turn.
   *
   * @param idBytes what the ids that it begins with take
   * @throws MillraceError `memory-limit-too-small`; the signal's reason.
   */
  static async reserve(
    budget: MemoryBudget,
    what: string,
    idBytes: number,
    options: ReserveOptions,
  ): Promise<StreamMemory> {
    // So that one that began anew for want of it gets further than before.
    const ids = steps(idBytes * 1.125 + STEP_BYTES);
    const { heap, buffers } = STREAM_LEAST;
    return new StreamMemory(budget, await budget.reserve({ heap, buffers: buffers + ids }, what, options), ids);
  }

  private constructor(budget: MemoryBudget, reservation: MemoryReservation, idBytes: number) {
    this.#budget = budget;
    this.#reservation = reservation;
    this.#idBytes = idBytes;
  }

  /** Of the heap, what is held. */
  get heapBytes(): number {
    return this.#reservation.heap;
  }

  heapFor(bytes: number): number {
    const { heap } = this.#reservation;
    const wanted = this.#reservation.wanted('heap');
    if (wanted > 0) return heap - wanted;
    const more = steps(bytes - heap);
    if (more > 0 && this.#isLeftToCaches('heap', more)) this.#reservation.grow('heap', more);
    return this.#reservation.heap;
  }

  settleHeap(bytes: number): void {
    const { heap } = this.#reservation;
    const slack = this.#reservation.wanted('heap') > 0 ? 0 : SLACK_BYTES;
    const unused = heap - Math.max(STREAM_LEAST.heap, steps(bytes));
    if (unused > slack) this.#reservation.shrink('heap', unused);
  }

  growBuffers(bytes: number): boolean {
    return this.#isLeftToCaches('buffers', bytes) && this.#reservation.grow('buffers', bytes);
  }

  shrinkBuffers(bytes: number): void {
    this.#reservation.shrink('buffers', bytes);
  }

  wantedBuffers(): number {
    return this.#reservation.wanted('buffers');
  }

  /**
   * The ids that it shares with others take what they do now: whoever notices reserves it for all, first of what is here for ids and not in use.
   *
   * @param ownBytes what its own ids take
   * @param forget makes a cache give up buffers, where there are no others
   * @throws MillraceError `memory-in-use` where they take more than is to be had
   */
  countShared(shared: SharedIds, ownBytes: number, forget: (bytes: number) => void): void {
    const { reservation } = shared;
    const lacking = steps(shared.bytes) - reservation.buffers;
    if (lacking < -SLACK_BYTES) reservation.shrink('buffers', -lacking);
    if (lacking <= 0) return;
    const given = Math.min(lacking, Math.max(0, this.#idBytes - steps(ownBytes)));
    this.#reservation.giveTo(reservation, 'buffers', given);
    this.#idBytes -= given;
    const more = lacking - given;
    if (more === 0 || reservation.grow('buffers', more)) return;
    forget(more);
    if (!reservation.grow('buffers', more)) throw memoryInUse(this.#reservation.what, more);
  }

  /** Ids have been loaded, and take so many bytes of its own. What it reserved beyond that others may have. */
  loaded(ownBytes: number): void {
    const unused = this.#idBytes - steps(ownBytes);
    if (unused > 0) this.#reservation.shrink('buffers', unused);
    this.#idBytes -= Math.max(0, unused);
    this.#reservation.settle();
  }

  /**
   * Its own ids take so many bytes now.
   *
   * @param forget makes a cache give up buffers, where there are no others
   * @throws MillraceError `memory-in-use` where they take more than is to be had
   */
  countIds(bytes: number, forget: (bytes: number) => void): void {
    const exact = steps(bytes) - this.#idBytes;
    const more = exact < 0 ? Math.min(0, exact + SLACK_BYTES) : exact;
    if (more < 0) this.#reservation.shrink('buffers', -more);
    else if (more > 0 && !this.#reservation.grow('buffers', more)) {
      forget(more);
      if (!this.#reservation.grow('buffers', more)) throw memoryInUse(this.#reservation.what, more);
    }
    this.#idBytes += more;
  }

  release(): void {
    this.#reservation.release();
  }

  #isLeftToCaches(place: 'heap' | 'buffers', bytes: number): boolean {
    return this.#budget.used[place] + bytes <= this.#budget.limits[place] * CACHE_SHARE;
  }
}

function steps(bytes: number): number {
  return Math.ceil(Math.max(0, bytes) / STEP_BYTES) * STEP_BYTES;
}

function memoryInUse(what: string, bytes: number): MillraceError {
  return new MillraceError(
    'memory-in-use',
    `${what} needs ${Math.ceil(bytes / MB)} MB more for the ids it must remember, and others hold what there is`,
    {
      remedy:
        'It waits for its turn and goes on. Where it does so often, raise MILLRACE_MEMORY_MB or run more workers.',
      waits: true,
      httpStatus: 503,
    },
  );
}

/** What a stream waits for while another one of its source loads. */
export function waitsForLoading(what: string, source: string): MillraceError {
  return new MillraceError(
    'memory-in-use',
    `${what} is waiting for another stream to have loaded the ids of ${source}`,
    {
      remedy: 'It goes on as soon as they are loaded; what both know is then there for both.',
      waits: true,
      httpStatus: 503,
    },
  );
}

/** What a stream waits for before it begins. `text`: as the budget says it. */
export function waitsForMemory(what: string, text: string): MillraceError {
  return new MillraceError('memory-in-use', `${what} is ${text}`, {
    remedy:
      'It goes on as soon as that is given back. Where it waits often, raise MILLRACE_MEMORY_MB or run more workers.',
    waits: true,
    httpStatus: 503,
  });
}
