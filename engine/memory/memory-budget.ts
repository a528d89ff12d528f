import { invariant, MillraceError } from '../errors/millrace-error.ts';
import type { MemoryAmount, MemoryPlace, MemoryShares } from './memory-shares.ts';

/** Who holds memory, and how much of it, in bytes. */
export interface MemoryHolder extends MemoryAmount {
  readonly what: string;
}

/** What a reservation may be told beside its size. */
export interface ReserveOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once where it has to wait, with what for: "waiting for 96 MB of memory: …". */
  readonly onWait?: ((text: string) => void) | undefined;
}

interface Waiter extends MemoryHolder {
  readonly grant: (reservation: MemoryReservation) => void;
}

const PLACES = ['heap', 'buffers'] as const;
const NAMED_HOLDERS = 5;

/**
 * The memory of one process, shared out by reservation before it is allocated. Who needs memory reserves its least (`reserve`, which
 * waits its turn) and grows from there (`grow`, which never waits): so whoever waits holds nothing, and nobody waits for one who waits.
 * While somebody waits for memory of a place, nobody's part of it grows.
 *
 * @example
 * const memory = new MemoryBudget(memoryShares(2048));
 * const held = await memory.reserve({ heap: 32 << 20, buffers: 64 << 20 }, 'backfill of route_delays', { signal });
 * try { if (!held.grow('heap', 8 << 20)) await spill(); } finally { held.release(); }
 */
export class MemoryBudget {
  readonly shares: MemoryShares;
  readonly #held = new Set<MemoryReservation>();
  readonly #waiting: Waiter[] = [];
  readonly #used = { heap: 0, buffers: 0 };

  constructor(shares: MemoryShares) {
    this.shares = shares;
  }

  /** What is reserved, in bytes. */
  get used(): MemoryAmount {
    return { ...this.#used };
  }

  /** What is reserved of both places, in bytes. */
  get usedBytes(): number {
    return this.#used.heap + this.#used.buffers;
  }

  /** What may be reserved, in bytes. */
  get limits(): MemoryAmount {
    return this.shares.limits;
  }

  /** What is reserved, by what for: reservations of one name are one holder. */
  holders(): MemoryHolder[] {
    return byName(this.#held);
  }

  /** Who waits, the first in turn first. */
  waiting(): MemoryHolder[] {
    return this.#waiting.map(({ what, heap, buffers }) => ({ what, heap, buffers }));
  }

  /** Bytes of a place that the first in turn lacks, and of what was taken beyond what there is; 0 where neither is. */
  lacking(place: MemoryPlace): number {
    return Math.max(0, (this.#waiting[0]?.[place] ?? 0) - this.#free(place));
  }

  /**
   * Reserves memory, waiting for its turn as long as it takes. Bytes by place; a place left out is 0.
   *
   * @throws MillraceError `memory-limit-too-small` where it is more than there will ever be; the signal's reason.
   */
  async reserve(bytes: Partial<MemoryAmount>, what: string, options: ReserveOptions = {}): Promise<MemoryReservation> {
    const { signal, onWait } = options;
    signal?.throwIfAborted();
    const amount = checked(bytes);
    const place = PLACES.find((one) => amount[one] > this.limits[one]);
    if (place !== undefined) throw this.#tooLittle(amount, place, what);
    const free = this.#waiting.length === 0 ? this.tryReserve(amount, what) : null;
    if (free !== null) return free;
    const { promise, resolve, reject } = Promise.withResolvers<MemoryReservation>();
    const waiter: Waiter = { what, ...amount, grant: resolve };
    this.#waiting.push(waiter);
    const leave = (): void => {
      const index = this.#waiting.indexOf(waiter);
      if (index < 0) return;
      this.#waiting.splice(index, 1);
      reject(signal?.reason);
      this.#grantNext();
    };
    signal?.addEventListener('abort', leave, { once: true });
    try {
      onWait?.(this.#waitText(waiter));
      return await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Reserves memory where it is free and nobody waits for it; else null. */
  tryReserve(bytes: Partial<MemoryAmount>, what: string): MemoryReservation | null {
    const amount = checked(bytes);
    if (!PLACES.every((place) => this.#isFree(place, amount[place]))) return null;
    return this.#take(amount, what);
  }

  /**
   * Counts what is there already and cannot be done without, whether so much is free or not: what it takes too much, others are asked for (`wanted`), and
   * nobody grows until it is free again.
   */
  overdraw(bytes: Partial<MemoryAmount>, what: string): MemoryReservation {
    return this.#take(checked(bytes), what);
  }

  #take(amount: MemoryAmount, what: string): MemoryReservation {
    for (const place of PLACES) this.#used[place] += amount[place];
    const reservation = new MemoryReservation(what, amount, {
      take: (place, bytes) => {
        if (!this.#isFree(place, bytes)) return false;
        this.#used[place] += bytes;
        return true;
      },
      overdraw: (place, bytes) => {
        this.#used[place] += bytes;
      },
      give: (place, bytes) => {
        this.#used[place] -= bytes;
        this.#grantNext();
      },
      lacking: (place) => this.lacking(place),
      end: () => this.#held.delete(reservation),
    });
    this.#held.add(reservation);
    return reservation;
  }

  #free(place: MemoryPlace): number {
    return this.limits[place] - this.#used[place];
  }

  #isFree(place: MemoryPlace, bytes: number): boolean {
    if (bytes === 0) return true;
    return bytes <= this.#free(place) && this.#waiting.every((waiter) => waiter[place] === 0);
  }

  /** Strictly in turn: a large one would else wait for as long as small ones come. */
  #grantNext(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { what, heap, buffers, grant } = first;
      if (heap > this.#free('heap') || buffers > this.#free('buffers')) return;
      this.#waiting.shift();
      grant(this.#take({ heap, buffers }, what));
    }
  }

  #waitText(waiter: Waiter): string {
    const before = this.#waiting.length - 1;
    const holders = this.holders().toSorted((a, b) => sizeOf(b) - sizeOf(a));
    const named = holders.slice(0, NAMED_HOLDERS).map((holder) => `${holder.what} (${inMb(sizeOf(holder))})`);
    const more = holders.length > named.length ? ` and ${holders.length - named.length} more` : '';
    const turn = before === 0 ? '' : `, ${before} before it`;
    return `waiting for ${inMb(sizeOf(waiter))} of memory${turn}: it is held by ${named.join(', ')}${more}`;
  }

  #tooLittle(amount: MemoryAmount, place: MemoryPlace, what: string): MillraceError {
    const name = place === 'heap' ? 'heap' : 'buffers outside the heap';
    return new MillraceError(
      'memory-limit-too-small',
      `${what} needs ${inMb(amount[place])} of ${name} at least; of the ${inMb(this.shares.totalBytes)} of this process ${inMb(this.limits[place])} are for that`,
      { remedy: 'Raise MILLRACE_MEMORY_MB.', httpStatus: 500 },
    );
  }
}

/** How a reservation takes from its budget and gives back. */
interface Ledger {
  take(place: MemoryPlace, bytes: number): boolean;
  overdraw(place: MemoryPlace, bytes: number): void;
  give(place: MemoryPlace, bytes: number): void;
  lacking(place: MemoryPlace): number;
  end(): void;
}

/** A part of a budget, held until it is released. */
export class MemoryReservation implements MemoryHolder {
  readonly what: string;
  #least: MemoryAmount;
  readonly #ledger: Ledger;
  readonly #bytes: { heap: number; buffers: number };
  #released = false;

  constructor(what: string, amount: MemoryAmount, ledger: Ledger) {
    this.what = what;
    this.#least = amount;
    this.#ledger = ledger;
    this.#bytes = { heap: amount.heap, buffers: amount.buffers };
  }

  get heap(): number {
    return this.#bytes.heap;
  }

  get buffers(): number {
    return this.#bytes.buffers;
  }

  /** Takes so many bytes more where they are free and nobody waits for them. False: spill, or wait for what you hold yourself. */
  grow(place: MemoryPlace, bytes: number): boolean {
    invariant(!this.#released, `${this.what} grows after its end`);
    if (!this.#ledger.take(place, whole(bytes))) return false;
    this.#bytes[place] += whole(bytes);
    return true;
  }

  /** Takes so many bytes more, free or not: see `MemoryBudget.overdraw`. */
  overdraw(place: MemoryPlace, bytes: number): void {
    invariant(!this.#released, `${this.what} grows after its end`);
    this.#ledger.overdraw(place, whole(bytes));
    this.#bytes[place] += whole(bytes);
  }

  /** Gives so many bytes back. */
  shrink(place: MemoryPlace, bytes: number): void {
    invariant(whole(bytes) <= this.#bytes[place], `${this.what} gives back more than it holds`);
    this.#bytes[place] -= whole(bytes);
    this.#ledger.give(place, whole(bytes));
  }

  /** Gives so many bytes to another of the same budget, without anybody else's turn between. */
  giveTo(other: MemoryReservation, place: MemoryPlace, bytes: number): void {
    invariant(!other.#released, `${other.what} is given memory after its end`);
    invariant(whole(bytes) <= this.#bytes[place], `${this.what} gives more than it holds`);
    this.#bytes[place] -= whole(bytes);
    other.#bytes[place] += whole(bytes);
  }

  /** From now on what it holds counts as what it began with: nobody can have that of it. */
  settle(): void {
    this.#least = { heap: this.heap, buffers: this.buffers };
  }

  /** What of this one is to be given back, since somebody waits for it, or more was taken than there is: bytes beyond what it began with. Who can spill or forget does so, and shrinks by that. */
  wanted(place: MemoryPlace): number {
    return Math.min(this.#ledger.lacking(place), Math.max(0, this.#bytes[place] - this.#least[place]));
  }

  /** Gives everything back. Safe to call twice. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    // The holder goes before its bytes: whoever is granted them may ask who holds what.
    this.#ledger.end();
    for (const place of PLACES) {
      const bytes = this.#bytes[place];
      this.#bytes[place] = 0;
      this.#ledger.give(place, bytes);
    }
  }
}

function byName(held: Iterable<MemoryHolder>): MemoryHolder[] {
  const sums = new Map<string, { what: string; heap: number; buffers: number }>();
  for (const { what, heap, buffers } of held) {
    const sum = sums.get(what);
    if (sum === undefined) sums.set(what, { what, heap, buffers });
    else {
      sum.heap += heap;
      sum.buffers += buffers;
    }
  }
  return [...sums.values()];
}

function checked(bytes: Partial<MemoryAmount>): MemoryAmount {
  return { heap: whole(bytes.heap ?? 0), buffers: whole(bytes.buffers ?? 0) };
}

function whole(bytes: number): number {
  invariant(bytes >= 0 && Number.isFinite(bytes), `${bytes} is no number of bytes`);
  return Math.ceil(bytes);
}

function sizeOf({ heap, buffers }: MemoryAmount): number {
  return heap + buffers;
}

function inMb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}
