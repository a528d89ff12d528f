import type { z } from 'zod';
import { MillraceError } from '../errors/millrace-error.ts';
import { columnDecoder, textDecoder } from './column-decoder.ts';
import type { CompiledContract } from './compiled-contract.ts';
import { contractTexts } from './contract-text.ts';
import type { FieldPlan } from './field-plan.ts';
import { jsonDecoders } from './json-decoder.ts';
import { readSchema, type SchemaOptions } from './read-schema.ts';

/**
 * Compiles a zod object into the decoders of a source.
 *
 * @throws MillraceError `invalid-contract`, whose `details.faults` lists everything that cannot be honoured, by path.
 * @example
 * const contract = compileContract(z.object({ id: z.string(), delay: z.int().nullable() }));
 * contract.decodeJson('{"id":"a","delay":null}'); // { ok: true, row: { id: 'a', delay: null } }
 */
export function compileContract(schema: z.ZodObject, options: SchemaOptions = {}): CompiledContract {
  const { plans, faults } = readSchema(schema, options);
  if (faults.length > 0) {
    const lines = faults.map((fault) => `${fault.path || 'schema'}: ${fault.message}. ${fault.remedy}`);
    throw new MillraceError('invalid-contract', lines.join('\n'), {
      remedy: 'Correct the schema; docs/values.md and engine/contract/README.md list what a contract can say.',
      details: { faults },
    });
  }
  return contractOf(plans);
}

/** The decoders of a contract that was read without faults. */
export function contractOf(plans: readonly FieldPlan[]): CompiledContract {
  return {
    fields: plans.map((plan) => plan.spec),
    texts: contractTexts(plans),
    ...jsonDecoders(plans),
    columnDecoder: (field, columnType) => columnDecoder(planOf(plans, field), columnType),
    textDecoder: (field) => textDecoder(planOf(plans, field)),
  };
}

function planOf(plans: readonly FieldPlan[], field: string): FieldPlan {
  const plan = plans.find((candidate) => candidate.spec.name === field);
  if (plan !== undefined) return plan;
  throw new MillraceError('unknown-field', `no field "${field}" in the contract`, {
    remedy: `Use one of: ${plans.map((candidate) => candidate.spec.name).join(', ')}.`,
  });
}
