import { compileSource } from '../define/compile-source.ts';
import { compileEntity, compileView } from '../define/compile-view.ts';
import { type DefinitionFault, faultReporter, invalidDefinitions } from '../define/definition-fault.ts';
import type { FeatureView } from '../define/feature-view.ts';
import type { CompiledView } from '../define/compiled-view.ts';

/** What a program knows of a view by its own definition. */
export type KnownDefinition = Pick<CompiledView, 'layout' | 'derived'>;

const known = new WeakMap<FeatureView, KnownDefinition>();

/** Lays a definition out as a backfill would, without running or hashing its code. Throws MillraceError `invalid-definitions`. */
export function knownDefinition(view: FeatureView): KnownDefinition {
  const found = known.get(view);
  if (found !== undefined) return found;
  const faults: DefinitionFault[] = [];
  const source = compileSource(view.source, '/', faultReporter(faults, 'source', view.source.name));
  const keys = compileEntity(view.entity, faultReporter(faults, 'entity', view.entity.name));
  const { compiled } = compileView(view, keys, source, faultReporter(faults, 'feature view', view.name));
  if (compiled === null || faults.length > 0) throw invalidDefinitions(faults);
  const { layout, derived } = compiled;
  const definition = { layout, derived };
  known.set(view, definition);
  return definition;
}
