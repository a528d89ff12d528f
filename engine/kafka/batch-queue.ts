import type { LogBatch } from '../topic/log-reader.ts';

interface Queued {
  readonly batch: LogBatch;
  readonly bytes: number;
}

/** A bounded queue between the fetch loops and the one reader of a log: full, it holds the fetching back. */
export class BatchQueue {
  readonly #limitBytes: number;
  readonly #items: Queued[] = [];
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

  push(batch: LogBatch, bytes: number): void {
    if (this.#ended) return;
    this.#items.push({ batch, bytes });
    this.#bytes += bytes;
    this.#wake();
  }

  /** Resolves when less than the limit is queued, or the queue is closed. */
  async room(): Promise<void> {
    while (!this.#ended && this.#bytes >= this.#limitBytes)
      await new Promise<void>((resolve) => this.#pushers.push(resolve));
  }

  /** The next batch; null at the end. What was queued before the end is still given; after a failure or abort it is not. */
  async take(): Promise<LogBatch | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#bytes -= item.bytes;
        this.#wake();
        return item.batch;
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
    this.#items.length = 0;
    this.end();
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = error;
    this.end();
  }

  #wake(): void {
    const waiting = [...this.#takers, ...this.#pushers];
    this.#takers = [];
    this.#pushers = [];
    for (const resolve of waiting) resolve();
  }
}
