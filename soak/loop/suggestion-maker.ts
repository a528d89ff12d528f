import type { Random } from '../random.ts';
import type { SaidResponse, SaidSuggestion } from './said.ts';
import { anyShop } from '../payment-entities.ts';

const OFFERS = 24;
const SHADOW_SHARE = 0.1;
const MS_US = 1_000;
const SECOND_US = 1_000_000;

/** An outcome and when it is to be said. */
export type PlannedResponse = Omit<SaidResponse, 'says' | 'saidUs'> & { readonly dueUs: number };

/** What is decided at once, and what will come of it. */
export interface PlannedSuggestion {
  readonly decision: Omit<SaidSuggestion, 'says' | 'service'>;
  readonly shadow: Omit<SaidSuggestion, 'says' | 'service'> | null;
  readonly responses: readonly PlannedResponse[];
}

/**
 * Makes what the application decides, and what comes of it: nothing, one thing or two, resent (half of them with another value under the same id), late,
 * before the decision is said or was made, after the horizon, for a decision that nobody made.
 */
export class SuggestionMaker {
  readonly #random: Random;
  readonly #prefix: string;
  #number = 0;

  /** @param prefix of the ids: two makers must not share it */
  constructor(random: Random, prefix: string) {
    this.#random = random;
    this.#prefix = prefix;
  }

  /** @param nowUs whole ms */
  next(nowUs: number): PlannedSuggestion {
    const random = this.#random;
    const common = { atUs: nowUs, shop: anyShop(random), basket: random.int(1, 9) };
    const decision = { ...common, id: this.#id('d'), action: this.#offer(), shadowOf: null };
    const shadow = random.chance(SHADOW_SHARE)
      ? { ...common, id: this.#id('s'), action: this.#offer(), shadowOf: decision.id }
      : null;
    return { decision, shadow, responses: this.#responses(decision.id, nowUs) };
  }

  /** One that is within every bound: what is taken from it must be seen. */
  plain(nowUs: number): PlannedSuggestion {
    const { decision } = this.next(nowUs);
    const atUs = nowUs + MS_US;
    return { decision, shadow: null, responses: [this.#response(decision.id, atUs, { dueUs: nowUs })] };
  }

  #responses(decision: string, nowUs: number): PlannedResponse[] {
    const random = this.#random;
    const after = (fromMs: number, untilMs: number): number => nowUs + random.int(fromMs, untilMs) * MS_US;
    const dice = random.real();
    if (dice < 0.2) return [];
    if (dice < 0.5) return [this.#response(decision, after(0, 6_000))];
    if (dice < 0.6) return [this.#response(decision, after(0, 3_000)), this.#response(decision, after(0, 6_000))];
    if (dice < 0.7) {
      const one = this.#response(decision, after(0, 3_000));
      const again = { ...one, dueUs: one.dueUs + random.int(0, 4_000) * MS_US };
      return [one, random.chance(0.5) ? again : { ...again, value: (one.value % 9) + 1 }];
    }
    // Said before the decision is, in the same moment and of an earlier one.
    if (dice < 0.75) return [this.#response(decision, nowUs, { dueUs: 0 })];
    if (dice < 0.8) return [this.#response(decision, nowUs - random.int(1, 3_000) * MS_US)];
    // At the very end of the horizon, and beyond it.
    if (dice < 0.84) return [this.#response(decision, nowUs + 6 * SECOND_US + random.int(0, 2) * MS_US)];
    if (dice < 0.88) return [this.#response(decision, after(6_001, 8_000))];
    if (dice < 0.96) {
      // Told long after it happened: it counts for the pair, for the label only where it says that it was known.
      const atUs = after(0, 2_000);
      const knownUs = random.chance(0.5) ? atUs + MS_US : null;
      return [this.#response(decision, atUs, { dueUs: nowUs + random.int(4_000, 8_000) * MS_US, knownUs })];
    }
    return [this.#response(`nobody-${this.#id('n')}`, after(0, 4_000))];
  }

  #response(
    decision: string,
    atUs: number,
    more: { readonly dueUs?: number; readonly knownUs?: number | null } = {},
  ): PlannedResponse {
    const value = this.#random.int(1, 10);
    return { id: this.#id('o'), decision, value, atUs, knownUs: more.knownUs ?? null, dueUs: more.dueUs ?? atUs };
  }

  #offer(): string {
    return `offer-${Math.floor(OFFERS * this.#random.real() ** 2)}`;
  }

  /** Its order is not that of time. */
  #id(kind: string): string {
    return `${this.#prefix}${kind}${this.#random.int(0, 36 ** 4).toString(36)}-${(this.#number++).toString(36)}`;
  }
}

/** The offers there are. */
export function anyOffer(random: Random): string {
  return `offer-${random.int(0, OFFERS + 1)}`;
}
