/** How long the end of a batch is waited for. */
const BATCH_MS = 5_000;

/**
 * An abort that a scan hears of between two batches only, so that what was done until then can be saved: what it reads goes on meanwhile. Where no batch
 * ends soon, it hears of it at once.
 */
export class BatchEnd {
  readonly #asked: AbortSignal;
  readonly #stop = new AbortController();
  readonly #abort: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param batchMs how long the end of a batch is waited for */
  constructor(asked: AbortSignal, batchMs = BATCH_MS) {
    this.#asked = asked;
    this.#abort = () => {
      this.#timer = setTimeout(() => this.#stop.abort(asked.reason), batchMs);
    };
    if (asked.aborted) this.#abort();
    else asked.addEventListener('abort', this.#abort, { once: true });
  }

  /** What the scan itself is told. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Whether it is to end with this batch. */
  get isAsked(): boolean {
    return this.#asked.aborted;
  }

  /** To be told once the scan is over. */
  close(): void {
    clearTimeout(this.#timer);
    this.#asked.removeEventListener('abort', this.#abort);
  }
}
