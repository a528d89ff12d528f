import type { BatchMemory, LogBatch } from '../topic/log-reader.ts';
import { recordBytes } from '../topic/record-bytes.ts';

/** How much of a log there may be: both are bounds. */
export interface RecordAmount {
  readonly records: number;
  /** Of memory: `recordBytes`. */
  readonly bytes: number;
}

/** What is taken to be worked off. */
export interface TakenRecords {
  readonly batches: readonly LogBatch[];
  /** To be released once these records, and all that were taken before, are done with. */
  readonly memory: readonly BatchMemory[];
  readonly bytes: number;
  /** Whether it is all that was asked for. */
  readonly isFull: boolean;
}

interface Buffered {
  readonly batch: LogBatch;
  /** Of its records. */
  readonly bytes: number;
}

/** Runs ahead of the micro-batches: pulls from the reader in the background, up to a limit, and hands out by count and size. */
export class RecordIntake {
  readonly #iterator: AsyncIterator<LogBatch>;
  readonly #limit: RecordAmount;
  readonly #running: Promise<void>;
  #buffer: Buffered[] = [];
  #records = 0;
  #bytes = 0;
  #ended = false;
  #stopped = false;
  #nudged = false;
  #failure: unknown = null;
  #waiters: (() => void)[] = [];

  constructor(batches: AsyncIterable<LogBatch>, limit: RecordAmount) {
    this.#iterator = batches[Symbol.asyncIterator]();
    this.#limit = limit;
    this.#running = this.#pull();
  }

  /** What the records that wait take of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True when the reader is done and all it gave was taken. */
  get drained(): boolean {
    return this.#ended && this.#buffer.length === 0;
  }

  get empty(): boolean {
    return this.#buffer.length === 0;
  }

  /**
   * Waits until something is buffered, the reader ended, or `ms` have passed; throws what the reader threw once the buffer is empty.
   */
  async waitForAny(ms: number): Promise<void> {
    await this.#waitUntil(() => !this.empty, ms);
    if (this.empty && this.#failure !== null) throw this.#failure;
  }

  /** Whether so much is buffered, of the one or the other. */
  holds({ records, bytes }: RecordAmount): boolean {
    return this.#records >= records || this.#bytes >= bytes;
  }

  /** Waits until so much is buffered, the reader ended or failed, or `ms` have passed. */
  async waitForRecords(amount: RecordAmount, ms: number): Promise<void> {
    await this.#waitUntil(() => this.holds(amount), ms);
  }

  /** Takes up to so much (at least one batch, even an empty one, or one record), splitting the last batch. */
  take({ records, bytes }: RecordAmount): TakenRecords {
    const batches: LogBatch[] = [];
    const memory: BatchMemory[] = [];
    let left = records;
    let leftBytes = bytes;
    for (let next = this.#buffer[0]; next !== undefined; next = this.#buffer[0]) {
      const head = this.#cut(next, left, leftBytes, batches.length === 0);
      if (head === null) break;
      batches.push(head.batch);
      if (head.batch.memory !== undefined) memory.push(head.batch.memory);
      left -= head.batch.records.length;
      leftBytes -= head.bytes;
      if (head !== next) break;
    }
    this.#records -= records - left;
    this.#bytes -= bytes - leftBytes;
    this.#wake();
    return {
      batches,
      memory,
      bytes: bytes - leftBytes,
      isFull: left <= 0 || leftBytes <= 0 || this.#buffer.length > 0,
    };
  }

  /** Takes the first batch, or so much of it as may be taken; null where that is nothing. */
  #cut(first: Buffered, mostRecords: number, mostBytes: number, atLeastOne: boolean): Buffered | null {
    const { batch } = first;
    if (batch.records.length <= mostRecords && first.bytes <= mostBytes) {
      this.#buffer.shift();
      return first;
    }
    let count = 0;
    let bytes = 0;
    for (const record of batch.records) {
      const more = recordBytes(record);
      const fits = count < mostRecords && bytes + more <= mostBytes;
      if (!fits && !(atLeastOne && count === 0)) break;
      count++;
      bytes += more;
    }
    if (count === 0) return null;
    if (count === batch.records.length) {
      this.#buffer.shift();
      return first;
    }
    const head = batch.records.slice(0, count);
    this.#buffer[0] = { batch: { ...batch, records: batch.records.slice(count) }, bytes: first.bytes - bytes };
    // The memory goes with the rest.
    return { batch: { ...batch, records: head, nextOffset: head.at(-1)!.offset + 1, memory: undefined }, bytes };
  }

  /** Ends a wait before its time, e.g. on abort. */
  nudge(): void {
    this.#nudged = true;
    this.#wake();
  }

  /** Stops reading. The reader's own signal must have been aborted, or this waits for its next batch. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#drop();
    this.#wake();
    await this.#running;
    this.#drop();
  }

  #drop(): void {
    for (const { batch } of this.#buffer) batch.memory?.release();
    this.#buffer = [];
    this.#records = 0;
    this.#bytes = 0;
  }

  async #pull(): Promise<void> {
    try {
      while (!this.#stopped) {
        const { records, bytes } = this.#limit;
        while (!this.#stopped && (this.#records >= records || this.#bytes >= bytes))
          await new Promise<void>((resolve) => this.#waiters.push(resolve));
        if (this.#stopped) break;
        const next = await this.#iterator.next();
        if (next.done || this.#stopped) break;
        const batch = next.value;
        batch.memory?.keep();
        const size = batch.records.reduce((sum, record) => sum + recordBytes(record), 0);
        this.#buffer.push({ batch, bytes: size });
        this.#records += batch.records.length;
        this.#bytes += size;
        this.#wake();
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#ended = this.#failure === null;
    this.#wake();
    try {
      await this.#iterator.return?.();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  async #waitUntil(done: () => boolean, ms: number): Promise<void> {
    if (done() || this.#ended || this.#failure !== null || ms <= 0) return;
    const wait = { over: false };
    const timer = setTimeout(() => {
      wait.over = true;
      this.#wake();
    }, ms);
    try {
      while (!done() && !wait.over && !this.#nudged && !this.#ended && this.#failure === null && !this.#stopped) {
        await new Promise<void>((resolve) => this.#waiters.push(resolve));
      }
    } finally {
      clearTimeout(timer);
      this.#nudged = false;
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}
