import type { CompiledView } from './compiled-view.ts';

/**
 * What a feature aggregates, as it is shown between its aggregate's parentheses: `delay`, `delay, distance`, `* where (e) => e.late`; null for
 * `count()` alone.
 *
 * @param feature Index into the layout's features.
 */
export function shownInputs({ featureInputs }: CompiledView, feature: number): string | null {
  const { value, order, condition } = featureInputs?.[feature] ?? { value: null, order: null, condition: null };
  const inputs = order === null ? value : `${value}, ${order}`;
  return condition === null ? inputs : `${inputs ?? '*'} where ${condition}`;
}
