import { createHash } from 'node:crypto';
import type { FieldPlan } from '../contract/field-plan.ts';
import { functionText } from '../code/function-text.ts';
import { slotFunctions } from './build-layout.ts';
import type { ViewCompilation } from './compile-view.ts';
import { codeIdentity } from './code-identity.ts';
import { declaredIdentity } from './declared-identity.ts';
import type { DefinitionCode } from './definition-code.ts';
import type { FeatureView } from './feature-view.ts';
import { ENGINE_SEMANTICS } from './view-layout.ts';

export interface FingerprintInput {
  readonly definition: FeatureView;
  readonly view: ViewCompilation;
  readonly plans: readonly FieldPlan[];
  /** Null for a view made in memory. */
  readonly code: DefinitionCode | null;
}

/**
 * Hex sha-256 over what decides a view's values: its code with what it imports, its contract, its layout and the engine's semantics.
 * Comments, formatting, types, file paths, other views, `refresh`, limits and what else changes no value do not count.
 *
 * A view made in memory stands for its code with the text of its row functions: what these take from around them (a constant, another
 * function) is not in that text, and two views that differ only there have the same fingerprint.
 */
export function fingerprintView({ definition, view, plans, code }: FingerprintInput): string {
  const texts = code === null ? functionTexts(definition, view) : [code.text, code.packages.text];
  const identity = {
    semantics: ENGINE_SEMANTICS,
    ...codeIdentity(texts, code?.packages.packages ?? []),
    declared: declaredIdentity(definition, view, plans),
  };
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}

function functionTexts(definition: FeatureView, view: ViewCompilation): string[] {
  const functions = [definition.where, definition.key, ...view.slots.flatMap(slotFunctions)];
  const derived = (view.derived ?? []).map(({ compute }) => functionText(compute));
  return [...functions.map((each) => (typeof each === 'function' ? functionText(each) : (each ?? ''))), ...derived];
}
