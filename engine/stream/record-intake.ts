import type { LogBatch } from '../topic/log-reader.ts';

/** Runs ahead of the micro-batches: pulls from the reader in the background, up to a limit, and hands out by count. */
export class RecordIntake {
  readonly #iterator: AsyncIterator<LogBatch>;
  readonly #limitRecords: number;
  readonly #running: Promise<void>;
  #buffer: LogBatch[] = [];
  #records = 0;
  #ended = false;
  #stopped = false;
  #nudged = false;
  #failure: unknown = null;
  #waiters: (() => void)[] = [];

  constructor(batches: AsyncIterable<LogBatch>, limitRecords: number) {
    this.#iterator = batches[Symbol.asyncIterator]();
    this.#limitRecords = limitRecords;
    this.#running = this.#pull();
  }

  /** Records waiting. */
  get records(): number {
    return this.#records;
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

  /** Waits until `count` records are buffered, the reader ended or failed, or `ms` have passed. */
  async waitForRecords(count: number, ms: number): Promise<void> {
    await this.#waitUntil(() => this.#records >= count, ms);
  }

  /** Takes up to `count` records (at least one batch, even an empty one), splitting the last batch. */
  take(count: number): LogBatch[] {
    const taken: LogBatch[] = [];
    let left = count;
    while (this.#buffer.length > 0 && (left > 0 || this.#buffer[0]!.records.length === 0)) {
      const batch = this.#buffer[0]!;
      if (batch.records.length <= left) {
        taken.push(batch);
        this.#buffer.shift();
        left -= batch.records.length;
        continue;
      }
      const head = batch.records.slice(0, left);
      taken.push({ ...batch, records: head, nextOffset: head.at(-1)!.offset + 1 });
      this.#buffer[0] = { ...batch, records: batch.records.slice(left) };
      left = 0;
    }
    for (const batch of taken) this.#records -= batch.records.length;
    this.#wake();
    return taken;
  }

  /** Ends a wait before its time, e.g. on abort. */
  nudge(): void {
    this.#nudged = true;
    this.#wake();
  }

  /** Stops reading. The reader's own signal must have been aborted, or this waits for its next batch. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#buffer = [];
    this.#records = 0;
    this.#wake();
    await this.#running;
  }

  async #pull(): Promise<void> {
    try {
      while (!this.#stopped) {
        while (!this.#stopped && this.#records >= this.#limitRecords)
          await new Promise<void>((resolve) => this.#waiters.push(resolve));
        if (this.#stopped) break;
        const next = await this.#iterator.next();
        if (next.done || this.#stopped) break;
        this.#buffer.push(next.value);
        this.#records += next.value.records.length;
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
