import type { Clock } from '../engine/values/clock.ts';

const HOUR_US = 3_600_000_000;
/** Of the time, monitors of the store have a tenth at most: after each look they rest so many times as long as it took. */
const REST = 9;

export interface StoreWatchOptions {
  /** Looks at the hour that was passed last, if it was not looked at. */
  readonly look: () => Promise<unknown>;
  readonly clock: Clock;
  /** Told of a look that failed: the next hour is looked at all the same. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * Looks at what is stored whenever a stream's watermark has passed an hour, beside the stream: one look at a time. While a stream catches up, hours are
 * passed faster than they can be looked at: then some are not.
 */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  #hour: number | null = null;
  #running: Promise<void> | null = null;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  /** To be told of the watermark, µs, as often as one likes. */
  passed(watermarkUs: number | null): void {
    if (watermarkUs === null || this.#running !== null) return;
    const hour = Math.floor(watermarkUs / HOUR_US);
    if (hour === this.#hour || this.#options.clock.monotonicMs() < this.#restUntilMs) return;
    this.#hour = hour;
    this.#running = this.#look().finally(() => {
      this.#running = null;
    });
  }

  /** Once the look under way is over. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async #look(): Promise<void> {
    const { clock, look, onFailed } = this.#options;
    const beganMs = clock.monotonicMs();
    try {
      await look();
    } catch (error) {
      onFailed(error);
    }
    const endedMs = clock.monotonicMs();
    this.#restUntilMs = endedMs + REST * (endedMs - beganMs);
  }
}
