import type { LogEvent } from '../define/compiled-view.ts';

class Cursor {
  readonly #batches: AsyncIterator<LogEvent[]>;
  #batch: readonly LogEvent[] = [];
  #at = 0;

  constructor(batches: AsyncIterable<LogEvent[]>) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  /** The next event of the batch at hand; undefined at its end. */
  get head(): LogEvent | undefined {
    return this.#batch[this.#at];
  }

  advance(): void {
    this.#at++;
  }

  /** Fetches the next batch that is not empty; the events of the one before are gone then. False at the end. */
  async fetch(): Promise<boolean> {
    for (;;) {
      const next = await this.#batches.next();
      if (next.done === true) return false;
      this.#batch = next.value;
      this.#at = 0;
      if (this.#batch.length > 0) return true;
    }
  }

  async close(): Promise<void> {
    await this.#batches.return?.();
  }
}

/**
 * Merges two runs of events, each in event time order, into one; at the same time those of `first` come first. Batches are used again:
 * what is yielded holds until the next one.
 */
export async function* mergeByTime(
  first: AsyncIterable<LogEvent[]>,
  second: AsyncIterable<LogEvent[]>,
): AsyncGenerator<LogEvent[]> {
  const a = new Cursor(first);
  const b = new Cursor(second);
  const merged: LogEvent[] = [];
  try {
    let hasA = await a.fetch();
    let hasB = await b.fetch();
    while (hasA || hasB) {
      merged.length = 0;
      for (;;) {
        const left = a.head;
        const right = b.head;
        if (
          (hasA && left === undefined) ||
          (hasB && right === undefined) ||
          (left === undefined && right === undefined)
        )
          break;
        if (right === undefined || (left !== undefined && left.eventTimeUs <= right.eventTimeUs)) {
          merged.push(left as LogEvent);
          a.advance();
        } else {
          merged.push(right);
          b.advance();
        }
      }
      yield merged;
      if (hasA && a.head === undefined) hasA = await a.fetch();
      if (hasB && b.head === undefined) hasB = await b.fetch();
    }
  } finally {
    await a.close();
    await b.close();
  }
}
