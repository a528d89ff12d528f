import type pg from 'pg';
import { desiredViews } from '../engine/postgres/desired-views.ts';
import { liveIdentities } from '../engine/postgres/view-versions.ts';
import type { Clock } from '../engine/values/clock.ts';
import type { Applied } from '../workflows/feature-lifecycle/contract.ts';

/** Whoever applies tells the lifecycles itself, a moment after: only of what is older can it be that nobody told them. */
const TOLD_WITHIN_US = 120_000_000;

export interface ApplyTellingOptions {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  /** Nobody is told where there is none. */
  readonly tell: (view: string, applied: Applied) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/**
 * Tells lifecycles what was applied and is not served, in case that whoever applied it was ended between its commit and its word to them. A lifecycle
 * that has heard of it passes it over, and each is told once by a process.
 */
export class AppliedTeller {
  readonly #options: ApplyTellingOptions;
  readonly #told = new Map<string, number>();

  constructor(options: ApplyTellingOptions) {
    this.#options = options;
  }

  /** One look at the catalog, and what it gives cause to tell. */
  async look(signal?: AbortSignal): Promise<void> {
    const { pool, clock, tell, onError } = this.#options;
    const live = new Map((await liveIdentities(pool)).map(({ view, fingerprint }) => [view, fingerprint]));
    for (const { view, fingerprint, applyNumber, atUs } of await desiredViews(pool)) {
      if (signal?.aborted === true) return;
      if (live.get(view) === fingerprint || this.#told.get(view) === applyNumber) continue;
      if (clock.nowUs() - atUs < TOLD_WITHIN_US) continue;
      try {
        await tell(view, { applyNumber, fingerprint });
        this.#told.set(view, applyNumber);
      } catch (error) {
        // One view's trouble is not the others'.
        onError(error);
      }
    }
  }
}
