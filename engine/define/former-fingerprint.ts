import { createHash } from 'node:crypto';
import type { FieldPlan } from '../contract/field-plan.ts';
import { slotFunctions } from './build-layout.ts';
import type { ViewCompilation } from './compile-view.ts';
import type { FeatureView } from './feature-view.ts';
import { bundleViewBefore } from './former-bundle.ts';
import { formerLayout } from './former-layout.ts';
import type { LoadedDefinition } from './loaded-definitions.ts';

export interface FormerFingerprintInput {
  readonly definition: FeatureView;
  readonly view: ViewCompilation;
  readonly plans: readonly FieldPlan[];
  readonly loaded: LoadedDefinition;
  readonly folder: string;
}

/**
 * The fingerprint that the release of semantics 1 gave a definition: a version of then and the code of now that agree in it differ in the
 * engine's semantics alone. Frozen, and held to what such a release stored; it goes with that release's states.
 *
 * @throws MillraceError `definition-unreadable`
 */
export async function formerFingerprint(input: FormerFingerprintInput): Promise<string> {
  const { view, definition, plans, loaded, folder } = input;
  const { source } = view;
  const code =
    loaded.file === null
      ? functionTexts(definition, view)
      : await bundleViewBefore(loaded.file, loaded.exportName, folder);
  const layout = formerLayout(view.layout);
  const identity = {
    semantics: layout.semantics,
    code,
    contract: plans.map(contractText),
    layout,
    source: {
      name: source.name,
      eventTime: source.eventTimeField,
      eventId: source.eventIdField,
      untilUs: source.history?.untilUs ?? null,
      dedupeHorizonUs: source.dedupeHorizonUs,
      maxAheadUs: source.maxAheadUs,
    },
  };
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}

function functionTexts(definition: FeatureView, view: ViewCompilation): string[] {
  const functions = [definition.where, definition.key, ...view.slots.flatMap(slotFunctions)];
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
    offset: plan.spelling.offset,
    item: plan.item && contractText(plan.item),
    members: plan.members.map(contractText),
  };
}
