import { setTimeout as delay } from 'node:timers/promises';
import { type Bounded, boundCatalog, type BoundCatalogOptions } from '../engine/archive/bound-catalog.ts';

export interface TendingOptions extends Omit<BoundCatalogOptions, 'signal'> {
  readonly everyMs: number;
  readonly onBounded: (bounded: readonly Bounded[]) => void;
  readonly onError: (error: unknown) => void;
}

/** Holds what grows with the log to its bounds, again and again, while a worker runs. What stands in its way once may be gone the next time. */
export class CatalogTender {
  readonly #options: TendingOptions;
  readonly #stopped = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: TendingOptions) {
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
    const { everyMs, onBounded, onError, ...options } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        const bounded = await boundCatalog({ ...options, signal });
        if (bounded.length > 0) onBounded(bounded);
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
      // Only `stop` ends the wait early.
      await delay(everyMs, undefined, { signal }).catch(() => {});
    }
  }
}
