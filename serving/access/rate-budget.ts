import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { Clock } from '../../engine/values/clock.ts';

/** What a second's worth of something may be saved up to. */
const BURST_S = 2;

/**
 * So much of something a second (a token bucket that holds two seconds' worth). A request is paid for before or after it was answered; who owes pays
 * first. Ours, since what is counted is entities and bytes, and the clock is given.
 */
export class RateBudget {
  readonly #perS: number;
  readonly #clock: Clock;
  #left: number;
  #atMs: number;

  /** @param perS how much a second; Infinity: no limit */
  constructor(perS: number, clock: Clock) {
    this.#perS = perS;
    this.#clock = clock;
    this.#left = perS * BURST_S;
    this.#atMs = clock.monotonicMs();
  }

  /** Seconds until there is something left; 0: now. */
  waitS(): number {
    if (this.#perS === Number.POSITIVE_INFINITY) return 0;
    this.#refill();
    return this.#left > 0 ? 0 : Math.max(1e-3, -this.#left / this.#perS);
  }

  spend(amount: number): void {
    if (this.#perS === Number.POSITIVE_INFINITY) return;
    this.#refill();
    this.#left -= amount;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#left = Math.min(this.#perS * BURST_S, this.#left + ((nowMs - this.#atMs) / 1000) * this.#perS);
    this.#atMs = nowMs;
  }
}

/** The limits of one token, or of the process. */
export interface RateLimits {
  readonly entitiesPerS: number;
  /** Of the bodies of requests. */
  readonly bytesPerS: number;
}

/** Both budgets of one who asks. */
export class CallerBudget {
  readonly #who: string;
  readonly #limits: RateLimits;
  readonly #entities: RateBudget;
  readonly #bytes: RateBudget;

  /** @param who as the refusal names it */
  constructor(who: string, limits: RateLimits, clock: Clock) {
    this.#who = who;
    this.#limits = limits;
    this.#entities = new RateBudget(limits.entitiesPerS, clock);
    this.#bytes = new RateBudget(limits.bytesPerS, clock);
  }

  /** Throws MillraceError `too-many-requests` (retryable, `details.retryAfterS`) while it owes. */
  check(): void {
    const entitiesS = this.#entities.waitS();
    const bytesS = this.#bytes.waitS();
    if (entitiesS === 0 && bytesS === 0) return;
    const { entitiesPerS, bytesPerS } = this.#limits;
    const what = entitiesS >= bytesS ? `${entitiesPerS} entities` : `${bytesPerS} bytes`;
    const retryAfterS = Math.max(1, Math.ceil(Math.max(entitiesS, bytesS)));
    throw new MillraceError('too-many-requests', `${this.#who} has used up its ${what} a second`, {
      remedy: `Ask again in ${retryAfterS} s, or have the limit raised (millrace token create --entities-per-second, MILLRACE_API_ENTITIES_PER_S, MILLRACE_API_BYTES_PER_S).`,
      retryable: true,
      httpStatus: 429,
      details: { retryAfterS },
    });
  }

  /** What a request cost: entities times the views they are looked up in, and bytes. */
  spend(entities: number, bytes: number): void {
    this.#entities.spend(entities);
    this.#bytes.spend(bytes);
  }
}
