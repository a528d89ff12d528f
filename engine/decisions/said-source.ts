import { canonicalJson } from '../values/canonical-json.ts';
import { jsonGiven } from '../contract/json-given.ts';
import { compileSource } from '../define/compile-source.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { Decisions } from '../define/decisions.ts';
import { type DefinitionFault, faultReporter, invalidDefinitions } from '../define/definition-fault.ts';
import type { Outcomes } from '../define/outcomes.ts';
import type { InstallationNames } from '../installation/installation-names.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** A source of decisions or outcomes, ready to write records of it. */
export interface SaidSource {
  readonly name: string;
  readonly says: 'decisions' | 'outcomes';
  readonly topic: string;
  /** The JSON of a record of these fields, as a program has them; held to the contract by whoever reads it, and by `check`. */
  readonly json: (values: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** Why the contract refuses the JSON of a record; null where it does not. */
  readonly check: (json: unknown) => readonly string[] | null;
}

/**
 * Compiles a source of decisions or outcomes for whoever writes records of it.
 *
 * @param installation whose topic it is where the definition names none
 * @throws MillraceError `invalid-definitions`; `not-said` for what is no `decisions()` or `outcomes()`
 */
export function saidSource(definition: Decisions | Outcomes, installation: InstallationNames): SaidSource {
  const { name, says, options } = definition;
  if (says !== 'decisions' && says !== 'outcomes') throw notSaid(name);
  const faults: DefinitionFault[] = [];
  const { source, plans } = compileSource(definition, '/', faultReporter(faults, 'source', name));
  if (faults.length > 0) throw invalidDefinitions(faults);
  const { decisionsTopic, outcomesTopic } = installation;
  return {
    name,
    says,
    topic: options.topic ?? (says === 'decisions' ? decisionsTopic : outcomesTopic),
    json: jsonGiven(plans) as SaidSource['json'],
    check: checkOf(source.contract),
  };
}

/**
 * The same of a source that was compiled before: records of it come as JSON.
 *
 * @throws MillraceError `not-said`
 */
export function saidOfCompiled({ name, says, topic, contract }: CompiledSource): SaidSource {
  if (says === undefined || topic === null) throw notSaid(name);
  return { name, says, topic, json: (values) => values, check: checkOf(contract) };
}

function checkOf({ decodeValue }: Pick<CompiledSource['contract'], 'decodeValue'>): SaidSource['check'] {
  return (json) => {
    const decoded = decodeValue(json);
    return decoded.ok ? null : decoded.reasons;
  };
}

function notSaid(name: string): MillraceError {
  return new MillraceError('not-said', `source "${name}" is none of decisions or outcomes`, {
    remedy: 'Declare it by decisions(…) or outcomes(…); write records of other sources with a producer of your own.',
  });
}

/** The key of a record: the decision's id, of an outcome without one its entity. */
export function saidKey(json: Readonly<Record<string, unknown>>): string {
  const { decision_id: id = null, entity } = json;
  return id === null ? canonicalJson(entity) : (id as string);
}
