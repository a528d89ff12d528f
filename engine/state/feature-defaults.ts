import type { ViewLayout } from '../define/view-layout.ts';
import { fillOf } from '../define/seen-values.ts';
import type { Cell } from '../values/cell.ts';
import type { ScalarValue } from '../values/field-type.ts';

/** A feature with a default: its place in the layout, and what stands in place of null. */
export interface FeatureDefault {
  readonly index: number;
  readonly value: NonNullable<ScalarValue>;
}

/** The defaults of a layout's features. */
export function defaultsOf({ features }: ViewLayout): FeatureDefault[] {
  return features.flatMap((feature, index) => {
    const value = fillOf(feature);
    return value === null ? [] : [{ index, value }];
  });
}

/** Hot path: puts defaults in place of nulls, never of errors. */
export function fillDefaults(cells: Cell[], defaults: readonly FeatureDefault[]): Cell[] {
  for (let at = 0; at < defaults.length; at++) {
    const { index, value } = defaults[at]!;
    if (cells[index] === null) cells[index] = value;
  }
  return cells;
}

/** A layout whose reads say null where there is nothing: for who counts that. Its states are its own. */
export function withoutDefaults(layout: ViewLayout): ViewLayout {
  return { ...layout, features: layout.features.map((feature) => ({ ...feature, default: undefined })) };
}
