import { type JsonSchema, jsonSchema } from '../contract/json-schema.ts';
import type { CompiledSource } from './compiled-view.ts';

const RULES: Readonly<Record<'decisions' | 'outcomes', string>> = {
  decisions:
    'A decision. Besides: propensities are above 0 for the action taken and, where an alternative has one, all have, and with that of the action taken they are 1 within 1e-9 ' +
    '(at most 1 where more_alternatives is above 0); at most 100 alternatives, each action once and none the one taken; assignment_propensity above 0 and at most 1; shadow_of exactly where acted is false. ' +
    'The key of its record is decision_id.',
  outcomes:
    'An outcome. Besides: it has decision_id, or entity. The key of its record is decision_id, without one the entity as JSON text, keys ascending.',
};

/**
 * The JSON Schema of a source's records, for producers in other languages.
 *
 * @example
 * recordSchema(definitions.sources.get('offers')!);
 */
export function recordSchema({ name, says, contract }: CompiledSource): JsonSchema {
  return jsonSchema(contract, { title: name, ...(says === undefined ? {} : { description: RULES[says] }) });
}
