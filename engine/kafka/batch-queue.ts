import type { LogBatch } from '../topic/log-reader.ts';

/** A queue between the fetch loops and the one reader of a log, bounded by what its batches take of memory: full, it holds the fetching back. */
export class BatchQueue {
  readonly #limitBytes: number;
  readonly #items: LogBatch[] = [];
  #bytes = 0;
  #ended = false;
  #failure: unknown = null;
  #takers: (() => void)[] = [];
  #pushers: (() => void)[] = [];

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get closed(): boolean {
    return this.#ended;
  }

  /** Adds a batch, and counts its memory; false, and it is given back, where the queue is closed. */
  push(batch: LogBatch): boolean {
    if (this.#ended) {
      batch.memory?.release();
      return false;
    }
    this.#items.push(batch);
    this.#bytes += batch.memory?.bytes ?? 0;
    this.#wake();
    return true;
  }

  /** Resolves when less than the limit is queued, or the queue is closed. */
  async room(): Promise<void> {
    while (!this.#ended && this.#bytes >= this.#limitBytes)
      await new Promise<void>((resolve) => this.#pushers.push(resolve));
  }

  /** The next batch, whose memory is the taker's from here on; null at the end. What was queued before the end is still given; after a failure or abort it is not. */
  async take(): Promise<LogBatch | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const batch = this.#items.shift();
      if (batch !== undefined) {
        this.#bytes -= batch.memory?.bytes ?? 0;
        this.#wake();
        return batch;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#takers.push(resolve));
    }
  }

  /** No more batches will come; queued ones are still taken. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Ends at once, dropping what is queued. */
  abort(): void {
    this.#drop();
    this.end();
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#drop();
    this.end();
  }

  #drop(): void {
    for (const batch of this.#items) batch.memory?.release();
    this.#items.length = 0;
    this.#bytes = 0;
  }

  #wake(): void {
    const waiting = [...this.#takers, ...this.#pushers];
    this.#takers = [];
    this.#pushers = [];
    for (const resolve of waiting) resolve();
  }
}
