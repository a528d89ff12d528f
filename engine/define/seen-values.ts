import type { SeenValue } from '../derived/observed-values.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { carriedJson, openedValue } from '../values/composite-text.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { type FeatureLayout, storedFeatures, type ViewLayout } from './view-layout.ts';

/** The default of a feature as the engine carries it; null where it has none. */
export function fillOf({ name, result, default: fill }: FeatureLayout): ScalarValue {
  if (fill === undefined) return null;
  const value = carriedJson(result)(fill);
  if (value === undefined || value === null) throw internalBug(`the default of feature "${name}" is no ${result.kind}`);
  return value;
}

/** What the derived features of a service see of a read of a view: its defaults are in it. */
export function seenOfAll({
  features,
}: {
  readonly features: readonly Pick<FeatureLayout, 'name' | 'result'>[];
}): SeenValue[] {
  return features.map(({ name, result }) => ({ name, open: openedValue(result) }));
}

/** What derived features see of a layout's stored ones: defaults in place of nulls, whether they were put in or not, lists and maps opened. */
export function seenValues(layout: Pick<ViewLayout, 'features'>): SeenValue[] {
  return storedFeatures(layout).map((feature): SeenValue => {
    const open = openedValue(feature.result);
    const fill = fillOf(feature);
    return { name: feature.name, open: fill === null ? open : (cell) => open(cell ?? fill) };
  });
}
