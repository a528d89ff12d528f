import type { FieldPlan } from './field-plan.ts';

/** What a contract says of one field, as plain JSON: it decides which values there are of it. */
export function declaredField(plan: FieldPlan): unknown {
  const { name, type, nullable, optional } = plan.spec;
  return {
    name,
    type,
    nullable,
    optional,
    rules: plan.rules,
    spelling: plan.spelling,
    item: plan.item && declaredField(plan.item),
    members: plan.members.map(declaredField),
  };
}

/** The same as text, by field: contracts of equal texts give equal rows. */
export function contractTexts(plans: readonly FieldPlan[]): ReadonlyMap<string, string> {
  return new Map(plans.map((plan) => [plan.spec.name, JSON.stringify(declaredField(plan))]));
}
