import type { FieldPlan } from '../contract/field-plan.ts';
import type { ViewCompilation } from './compile-view.ts';
import type { FeatureView } from './feature-view.ts';

/** What a view says as data and what decides its values: contract, layout, and which of its source's records count. */
export function declaredIdentity(definition: FeatureView, view: ViewCompilation, plans: readonly FieldPlan[]): unknown {
  const { source } = view;
  return {
    contract: plans.map(contractText),
    layout: view.layout,
    source: {
      name: source.name,
      topic: source.topic,
      // As it is written: where the project lies is of no matter.
      history: definition.source.options.history?.path ?? null,
      eventTime: source.eventTimeField,
      eventTimeAt: source.eventTimeAt ?? null,
      eventId: source.eventIdField,
      untilUs: source.history?.untilUs ?? null,
      dedupeHorizonUs: source.dedupeHorizonUs,
      // JSON has no Infinity.
      maxAheadUs: Number.isFinite(source.maxAheadUs) ? source.maxAheadUs : 'any',
      brokerTime: source.brokerTime,
    },
  };
}

function contractText(plan: FieldPlan): unknown {
  const { name, type, nullable, optional } = plan.spec;
  return {
    name,
    type,
    nullable,
    optional,
    rules: plan.rules,
    spelling: plan.spelling,
    item: plan.item && contractText(plan.item),
    members: plan.members.map(contractText),
  };
}
