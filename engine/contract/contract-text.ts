import type { FieldPlan } from './field-plan.ts';
import { storedField } from './stored-field.ts';

/** What a contract says, as text by field: contracts of equal texts give equal rows. */
export function contractTexts(plans: readonly FieldPlan[]): ReadonlyMap<string, string> {
  return new Map(plans.map((plan) => [plan.spec.name, JSON.stringify(storedField(plan))]));
}
