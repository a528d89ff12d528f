import { setTimeout as delay } from 'node:timers/promises';

export interface RepeatedOptions {
  /** The signal is aborted as soon as it is to stop. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Between the end of one and the begin of the next, in milliseconds. */
  readonly everyMs: number;
  /** Told of what it threw, unless it was being stopped; the next comes all the same: what stood in its way may be gone then. */
  readonly onError: (error: unknown) => void;
}

/** Something done again and again while a process runs, one at a time. */
export class Repeated {
  readonly #options: RepeatedOptions;
  readonly #stopped = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: RepeatedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { run, everyMs, onError } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await run(signal);
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
      // Only `stop` ends the wait early.
      await delay(everyMs, undefined, { signal }).catch(() => {});
    }
  }
}
