import { compileSource } from './compile-source.ts';
import { compileView, type ViewCompilation } from './compile-view.ts';
import { type DeclaredIdentity, declaredIdentity } from './declared-identity.ts';
import { type DefinitionFault, faultReporter, formatFault } from './definition-fault.ts';
import { schemaField } from './event-time.ts';
import type { FeatureView } from './feature-view.ts';
import type { KnownInputs } from './read-features.ts';

/** What a stored definition came to: the view, or what does not fit. */
export type StoredCompilation =
  | { readonly view: ViewCompilation; readonly misfit: null }
  | { readonly view: null; readonly misfit: string };

/**
 * Compiles a view by the contract and the types that were read of its schemas when it was stored: zod is not asked again. What comes out must be
 * what was stored.
 */
export function compileStored(
  definition: FeatureView,
  stored: DeclaredIdentity,
  baseFolder: string,
): StoredCompilation {
  const faults: DefinitionFault[] = [];
  const report = faultReporter(faults, 'feature view', definition.name);
  const { layout } = stored;
  const plans = stored.contract.map(schemaField);
  const source = compileSource(definition.source, baseFolder, report, plans);
  const { compiled } = compileView(definition, layout.keys, source, report, inputTypes(stored));
  if (compiled === null || faults.length > 0) return misfit(faults.map(formatFault).join('; '));
  // What is stored went through JSON.
  const made = JSON.stringify(declaredIdentity(definition, compiled, source.plans));
  if (made === JSON.stringify(stored)) return { view: compiled, misfit: null };
  return misfit(`its definition says something else than what was stored of it: ${firstDifference(made, stored)}`);
}

function misfit(text: string): StoredCompilation {
  return { view: null, misfit: text };
}

function inputTypes({ layout }: DeclaredIdentity): KnownInputs {
  return new Map(
    layout.features.map(({ name, slot, result }) => {
      const { input = null, order } = layout.slots[slot] ?? {};
      return [name, { input, order, result }] as const;
    }),
  );
}

function firstDifference(made: string, stored: DeclaredIdentity): string {
  const now = JSON.parse(made) as DeclaredIdentity;
  for (const part of ['contract', 'layout', 'source'] as const)
    if (JSON.stringify(now[part]) !== JSON.stringify(stored[part])) return part;
  return 'their order';
}
