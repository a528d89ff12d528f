import { createDerive, type Derive } from '../derived/derive.ts';
import type { DerivedPlan } from '../derived/derive-step.ts';
import { seenValues } from '../define/seen-values.ts';
import { isDerived, type ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';

/**
 * What adds the derived features of a layout to the cells of its stored ones; null where it has none. They see defaults, whether those were put in
 * or not.
 *
 * @param plans their code; without it, reading one is a bug of the caller's
 * @param onRead as of `createDerive`
 * @example
 * deriveOf(view.layout, view.derived)?.(cells, atUs);
 */
export function deriveOf(
  layout: ViewLayout,
  plans: readonly DerivedPlan[] | undefined,
  onRead?: (feature: string, name: string) => void,
): Derive | null {
  const derived = layout.features.filter(isDerived);
  if (derived.length === 0) return null;
  if (plans === undefined)
    return () => {
      throw internalBug(`the code of the derived features of view "${layout.view}" is not at hand`);
    };
  const namesOf = (features: readonly { readonly name: string }[]): string =>
    features.map(({ name }) => name).join(', ');
  if (namesOf(plans) !== namesOf(derived))
    throw internalBug(`view "${layout.view}" derives ${namesOf(derived)}, and the code at hand ${namesOf(plans)}`);
  return createDerive(seenValues(layout), plans, onRead);
}
