import type { FeatureInputs } from '../../engine/define/compiled-view.ts';
import type { ObservedFields } from '../../engine/define/observed-fields.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';

/** How a feature takes a field: as it is; its code was seen to read it; or its code names it, where nobody looked. */
export type FieldUse = 'reads' | 'observed' | 'names';

/** A feature that goes with a field. */
export interface FieldReader {
  readonly view: string;
  readonly feature: string;
  readonly use: FieldUse;
}

/** A view that goes as a whole: its entities go by the field, or its `where` was seen to read it. */
export interface WholeReader {
  readonly view: string;
  readonly as: 'key' | 'where';
}

/** What is known of a view's reading. */
export interface ReadingView {
  readonly view: string;
  readonly layout: Pick<ViewLayout, 'keys' | 'features'>;
  /** Per feature of the layout; null: no definition at hand is this one. */
  readonly inputs: readonly FeatureInputs[] | null;
  /** What was seen when the version was begun; null: that was not noted. */
  readonly observed: ObservedFields | null;
}

/** What breaks if a field of these views' source goes, as far as it was seen, and else as far as their code names it. */
export function readersOf(
  views: readonly ReadingView[],
  field: string,
): { readonly features: readonly FieldReader[]; readonly wholes: readonly WholeReader[] } {
  return {
    features: views.flatMap((view) => featuresOf(view, field)),
    wholes: views.flatMap(({ view, layout, observed }): WholeReader[] => {
      const isKey = observed?.key.includes(field) ?? layout.keys.some(({ name }) => name === field);
      const isWhere = observed?.where.includes(field) === true;
      return [...(isKey ? [{ view, as: 'key' as const }] : []), ...(isWhere ? [{ view, as: 'where' as const }] : [])];
    }),
  };
}

function featuresOf({ view, layout, inputs, observed }: ReadingView, field: string): FieldReader[] {
  const word = wordOf(field);
  const reading = new Set<string>();
  return layout.features.flatMap(({ name: feature, aggregate }, index): FieldReader[] => {
    const texts = Object.values(inputs?.[index] ?? {}).filter((input): input is string => input !== null);
    const isPlain = aggregate !== 'derived' && texts.includes(field);
    const isSeen = observed === null ? null : (observed.features[feature] ?? []).includes(field);
    const isNamed =
      aggregate === 'derived'
        ? // A derived feature is made of features before it, which its code names.
          [...reading].some((other) => wordOf(other).test(texts[0] ?? ''))
        : texts.some((text) => word.test(text));
    if (!(isPlain || (isSeen ?? isNamed))) return [];
    reading.add(feature);
    return [{ view, feature, use: isPlain ? 'reads' : isSeen === null ? 'names' : 'observed' }];
  });
}

/** Where a name stands by itself, and not in a longer one. */
function wordOf(name: string): RegExp {
  const literal = name.replaceAll(/[^\w]/g, String.raw`\$&`);
  return new RegExp(String.raw`(?<![\w$])${literal}(?![\w$])`);
}
