import type { FeatureClient } from '../../engine/online/client.ts';
import type { Clock } from '../../engine/values/clock.ts';
import { responses, suggestions } from '../features/offers.ts';
import type { PlannedResponse, PlannedSuggestion } from './suggestion-maker.ts';
import type { SaidResponse, SaidSuggestion } from './said.ts';

/** A clock that stands while something is said: the record has the time that is noted. */
export class StandingClock implements Clock {
  readonly #nowMs: () => number;
  #us: number;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
    this.#us = nowMs() * 1_000;
  }

  /** Gives the time it stands at from now on, µs. */
  stand(): number {
    this.#us = this.#nowMs() * 1_000;
    return this.#us;
  }

  nowUs(): number {
    return this.#us;
  }

  monotonicMs(): number {
    return performance.now();
  }
}

/** Says what was planned through a client, and gives what it said. */
export class LoopTeller {
  readonly #client: Pick<FeatureClient, 'decide' | 'outcome'>;
  readonly #clock: StandingClock;

  constructor(client: Pick<FeatureClient, 'decide' | 'outcome'>, clock: StandingClock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** @param reads of the service it rests on; null: nothing was read, and why */
  decide(
    decision: PlannedSuggestion['decision'],
    reads: { readonly service: string; readonly given: readonly object[] } | { readonly error: string | null },
  ): SaidSuggestion {
    const { id, atUs, action, shop, basket, shadowOf } = decision;
    this.#clock.stand();
    const isRead = 'given' in reads;
    this.#client.decide(suggestions, {
      id,
      at: atUs,
      ...(isRead ? { reads: reads.given, service: reads.service } : { service: 'none', error: reads.error }),
      action,
      score: basket % 3 === 0 ? null : basket / 10,
      context: { shop, basket },
      latencyMs: 1,
      ...(shadowOf === null ? {} : { acted: false, shadowOf }),
    });
    return { says: 'decision', ...decision, service: isRead ? reads.service : null };
  }

  outcome({ id, decision, value, atUs, knownUs }: PlannedResponse): SaidResponse {
    const saidUs = this.#clock.stand();
    this.#client.outcome(responses, {
      id,
      decision,
      name: 'response',
      value,
      at: atUs,
      ...(knownUs === null ? {} : { knownAt: knownUs }),
    });
    return { says: 'outcome', id, decision, value, atUs, saidUs, knownUs };
  }
}
