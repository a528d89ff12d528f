import { createDecisionLog, type DecisionLogSettings } from '../decisions/create-decision-log.ts';
import { DecisionLog, type DecisionLogFigures } from '../decisions/decision-log.ts';
import type { DecisionSaidOf, OutcomeSaidOf } from '../decisions/decision-said.ts';
import type { ReadFacts } from '../decisions/read-facts.ts';
import type { Decisions } from '../define/decisions.ts';
import type { Outcomes } from '../define/outcomes.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ServiceRead, ServiceToLog } from '../served/service-to-log.ts';
import type { Clock } from '../values/clock.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { ViewRead } from './view-read.ts';

/** What of a client says decisions and outcomes. */
export interface SaysDecisions {
  /**
   * Says a decision, with what it rests on, and gives its id at once: it is sent in the background. No decision waits or fails for its log: one that breaks
   * its contract, finds no room or cannot be sent is dropped, counted (`decided()`) and told to `onDrop`.
   *
   * @throws MillraceError `decisions-not-configured`; `invalid-definitions` and `not-said` for a source that cannot be
   * @example
   * const read = await client.get(routeDelays, { origin: 'LAS', destination: 'PHL' });
   * const id = client.decide(offers, { reads: [read], action: 'ten-percent', propensity: 0.9, context: { shop: 'north' } });
   */
  decide<Said extends Decisions>(source: Said, said: DecisionSaidOf<Said>): string;
  /**
   * Says what came of a decision, or what happened to an entity, and gives the outcome's id at once. As `decide`.
   *
   * @throws MillraceError `decisions-not-configured`; `invalid-definitions` and `not-said` for a source that cannot be
   * @example
   * client.outcome(clicks, { decision: id, name: 'click', value: true });
   */
  outcome<Said extends Outcomes>(source: Said, said: OutcomeSaidOf<Said>): string;
  /** What became of all that was said: by source, and of decisions by rollout, stage and variant. */
  decided(): DecisionLogFigures;
}

/** What a client says of its decisions, and what its reads gave, which they may name. */
export class ClientDecisions implements SaysDecisions {
  readonly #log: DecisionLog | null;
  readonly #isOwn: boolean;

  constructor(
    given: DecisionLogSettings | DecisionLog | undefined,
    on: { readonly clock: Clock; readonly installation: string },
  ) {
    this.#isOwn = !(given instanceof DecisionLog);
    this.#log =
      given === undefined ? null : given instanceof DecisionLog ? given : createDecisionLog({ ...on, ...given });
  }

  decide<Said extends Decisions>(source: Said, said: DecisionSaidOf<Said>): string {
    return this.#logOf(source).decide(source, said);
  }

  outcome<Said extends Outcomes>(source: Said, said: OutcomeSaidOf<Said>): string {
    return this.#logOf(source).outcome(source, said);
  }

  decided(): DecisionLogFigures {
    return this.#log?.figures ?? { sources: {}, variants: [] };
  }

  /** Remembers what the reads of a view gave, each by what was given of it; of a client that says no decisions nothing. */
  noteReads(
    given: readonly object[],
    requestId: string,
    reads: readonly ViewRead[],
    keys: readonly (readonly ScalarValue[])[],
  ): void {
    if (this.#log === null) return;
    for (const [index, read] of reads.entries())
      this.#log.note(given[index]!, [{ requestId, block: read.view, service: null, key: keys[index]!, read }]);
  }

  /**
   * Remembers what a read of a service gave: as a whole, and each part of it by its name.
   *
   * @param blocks names of its parts, in the order of `served.reads`
   */
  noteService(
    given: Readonly<Record<string, object>>,
    requestId: string,
    { name, own }: ServiceToLog,
    blocks: readonly string[],
    reads: readonly ViewRead[],
    { keys, request, derived, atUs }: Omit<ServiceRead, 'reads'>,
  ): void {
    if (this.#log === null) return;
    const facts: ReadFacts[] = blocks.map((block, index) => {
      return { requestId, block, service: name, key: keys[index]!, read: reads[index]! };
    });
    for (const [index, block] of blocks.entries()) this.#log.note(given[block]!, [facts[index]!]);
    if (own !== null) {
      const { values, errors } = derived ?? { values: [], errors: null };
      const read = { view: name, version: 0, seq: null, tags: null, values, errors, asOfUs: atUs };
      const key = own.places.map(([block, at]) => keys[block]![at]!);
      const { keys: columns, features } = own;
      facts.push({
        requestId,
        block: name,
        service: name,
        key,
        read: { ...read, keys: columns, features },
        asked: { request, of: own },
      });
      if (given[name] !== undefined) this.#log.note(given[name], [facts.at(-1)!]);
    }
    this.#log.note(given, facts);
  }

  async close(): Promise<void> {
    if (this.#isOwn) await this.#log?.close();
  }

  #logOf({ name }: { readonly name: string }): DecisionLog {
    if (this.#log !== null) return this.#log;
    throw new MillraceError(
      'decisions-not-configured',
      `source "${name}": this client was not told where decisions and outcomes go`,
      { remedy: "Give createClient decisions: { kafka: { brokers: ['127.0.0.1:9092'] } }.", httpStatus: 500 },
    );
  }
}
