import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import { nameOfType } from '../values/type-name.ts';

/** Which features of two layouts can be held against each other. */
export interface SharedFeatures {
  /** Of one name and one type; with its index in each. In the order of the newer one. */
  readonly features: readonly { readonly feature: FeatureLayout; readonly before: number; readonly after: number }[];
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  readonly retyped: readonly { readonly feature: string; readonly before: string; readonly after: string }[];
}

/** The features that both have, and the rest of them. */
export function sharedFeatures(
  before: Pick<ViewLayout, 'features'>,
  after: Pick<ViewLayout, 'features'>,
): SharedFeatures {
  const earlier = new Map(before.features.map((feature, index) => [feature.name, { feature, index }]));
  const both = after.features.flatMap((feature, index) => {
    const former = earlier.get(feature.name);
    return former === undefined ? [] : [{ feature, former: former.feature, before: former.index, after: index }];
  });
  const isSame = ({ feature, former }: (typeof both)[number]): boolean =>
    JSON.stringify(feature.result) === JSON.stringify(former.result);
  const names = new Set(after.features.map(({ name }) => name));
  return {
    features: both.filter(isSame),
    onlyBefore: before.features.flatMap(({ name }) => (names.has(name) ? [] : [name])),
    onlyAfter: after.features.flatMap(({ name }) => (earlier.has(name) ? [] : [name])),
    retyped: both
      .filter((one) => !isSame(one))
      .map(({ feature, former }) => ({
        feature: feature.name,
        before: nameOfType(former.result),
        after: nameOfType(feature.result),
      })),
  };
}

/** The join keys as messages name them; entities of equal texts have equal keys. */
export function keysText({ keys }: ViewLayout): string {
  return keys.map(({ name, type }) => `${name} ${typeText(type)}`).join(', ');
}

/** Enums are read as texts: their keys are the same whatever else they allow. */
function typeText(type: ViewLayout['keys'][number]['type']): string {
  return type.kind === 'enum' ? 'string' : nameOfType(type);
}
