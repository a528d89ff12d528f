import type { CompiledView } from './compiled-view.ts';

/**
 * What a feature aggregates, as it is shown between its aggregate's parentheses: `delay`, `delay, distance`; null for `count()`.
 *
 * @param feature Index into the layout's features.
 */
export function shownInputs({ featureInputs }: CompiledView, feature: number): string | null {
  const { value, order } = featureInputs?.[feature] ?? { value: null, order: null };
  return order === null ? value : `${value}, ${order}`;
}
