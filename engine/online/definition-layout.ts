import { compileSource } from '../define/compile-source.ts';
import { compileEntity, compileView } from '../define/compile-view.ts';
import { type DefinitionFault, faultReporter, invalidDefinitions } from '../define/definition-fault.ts';
import type { FeatureView } from '../define/feature-view.ts';
import { formerLayout } from '../define/former-layout.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { layoutTag } from '../state/layout-tag.ts';

/** The layout of a definition as an application holds it, and its tag. */
export interface DefinitionLayout {
  readonly layout: ViewLayout;
  readonly layoutTag: number;
  /** Its tag by the semantics before: what was built then is served on after an upgrade. */
  readonly tagBefore: number;
}

/** True of states with this tag: they have this layout, whichever of the two semantics built them. */
export function isLaidOutAs({ layoutTag: tag, tagBefore }: DefinitionLayout, served: number): boolean {
  return served === tag || served === tagBefore;
}

const known = new WeakMap<FeatureView, DefinitionLayout>();

/** Lays a definition out as a backfill would, without running or hashing its code. Throws MillraceError `invalid-definitions`. */
export function definitionLayout(view: FeatureView): DefinitionLayout {
  const found = known.get(view);
  if (found !== undefined) return found;
  const faults: DefinitionFault[] = [];
  const source = compileSource(view.source, '/', faultReporter(faults, 'source', view.source.name));
  const keys = compileEntity(view.entity, faultReporter(faults, 'entity', view.entity.name));
  const { compiled } = compileView(view, keys, source, faultReporter(faults, 'feature view', view.name));
  if (compiled === null || faults.length > 0) throw invalidDefinitions(faults);
  const { layout } = compiled;
  const laidOut = { layout, layoutTag: layoutTag(layout), tagBefore: layoutTag(formerLayout(layout)) };
  known.set(view, laidOut);
  return laidOut;
}
