import { type CompiledView, NO_INPUTS } from './compiled-view.ts';

/**
 * What a feature aggregates, as it is shown between its aggregate's parentheses: `delay`, `delay, distance`, `* where (e) => e.late`; null for
 * `count()` alone.
 *
 * @param feature Index into the layout's features.
 */
export function shownInputs({ featureInputs }: CompiledView, feature: number): string | null {
  const { value, order, category, condition } = featureInputs?.[feature] ?? NO_INPUTS;
  const inputs = order === null ? value : `${value}, ${order}`;
  const beside = [
    ...(category === null ? [] : [`by ${category}`]),
    ...(condition === null ? [] : [`where ${condition}`]),
  ];
  return beside.length === 0 ? inputs : [inputs ?? '*', ...beside].join(' ');
}
