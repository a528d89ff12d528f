import type { FeatureInputs } from '../../engine/define/compiled-view.ts';
import type { ConsoleLook } from '../console-look.ts';
import type { CatalogView } from './live-catalog.ts';

/** What a feature is made of, where the definition at hand is the one that is shown; else nobody tells. */
export function inputsOf({ deps }: ConsoleLook, view: CatalogView, feature: string): FeatureInputs | null {
  const compiled = deps.definitions.views.get(view.view);
  if (compiled === undefined || compiled.fingerprint !== view.fingerprint) return null;
  const index = compiled.layout.features.findIndex(({ name }) => name === feature);
  return compiled.featureInputs?.[index] ?? null;
}
