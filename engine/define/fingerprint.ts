import { createHash } from 'node:crypto';
import type { FieldPlan } from '../contract/field-plan.ts';
import { bundleView } from './bundle-view.ts';
import type { ViewCompilation } from './compile-view.ts';
import type { FeatureView } from './feature-view.ts';
import type { LoadedDefinition } from './loaded-definitions.ts';
import { ENGINE_SEMANTICS } from './view-layout.ts';

export interface FingerprintInput {
  readonly definition: FeatureView;
  readonly view: ViewCompilation;
  readonly plans: readonly FieldPlan[];
  readonly loaded: LoadedDefinition;
  readonly folder: string;
}

/**
 * Hex sha-256 over what decides a view's values: its code with what it imports, its contract, its layout and the engine's semantics.
 * Comments, formatting, types, file paths and other views do not count. Definitions made in memory stand for their code with the
 * source text of their row functions.
 */
export async function fingerprintView(input: FingerprintInput): Promise<string> {
  const { view, definition, plans, loaded, folder } = input;
  const code =
    loaded.file === null ? functionTexts(definition, view) : await bundleView(loaded.file, loaded.exportName, folder);
  const { source } = view;
  const identity = {
    semantics: ENGINE_SEMANTICS,
    code,
    contract: plans.map(contractText),
    layout: view.layout,
    source: {
      name: source.name,
      eventTime: source.eventTimeField,
      eventId: source.eventIdField,
      untilUs: source.history?.untilUs ?? null,
      dedupeHorizonUs: source.dedupeHorizonUs,
      // JSON has no Infinity.
      maxAheadUs: Number.isFinite(source.maxAheadUs) ? source.maxAheadUs : 'any',
      brokerTime: source.brokerTime,
    },
  };
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}

function functionTexts(definition: FeatureView, view: ViewCompilation): string[] {
  const functions = [definition.where, definition.key, ...view.slots.map((slot) => slot.from)];
  return functions.map((each) => (each === null ? '' : String(each)));
}

function contractText(plan: FieldPlan): unknown {
  const { name, type, nullable, optional } = plan.spec;
  return {
    name,
    type,
    nullable,
    optional,
    rules: plan.rules,
    offset: plan.offset,
    item: plan.item && contractText(plan.item),
    members: plan.members.map(contractText),
  };
}
