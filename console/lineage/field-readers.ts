import type { CompiledView } from '../../engine/define/compiled-view.ts';

/** How a feature takes a field: as it is, or by code that names it. */
export type FieldUse = 'reads' | 'names';

/** A feature that goes with a field. */
export interface FieldReader {
  readonly view: string;
  readonly feature: string;
  readonly use: FieldUse;
}

/** A view whose entities go by a field. */
export interface KeyReader {
  readonly view: string;
  readonly key: string;
}

/** What breaks if a field of a source goes, as far as definitions tell: a view's own `where` and `key` functions are not looked into. */
export function readersOf(
  views: readonly CompiledView[],
  source: string,
  field: string,
): { readonly features: readonly FieldReader[]; readonly keys: readonly KeyReader[] } {
  const own = views.filter((view) => view.source.name === source);
  const word = new RegExp(String.raw`(?<![\w$])${field.replaceAll(/[^\w]/g, String.raw`\$&`)}(?![\w$])`);
  const features = own.flatMap(({ name: view, layout, featureInputs = [] }) => {
    const reading = new Set<string>();
    return layout.features.flatMap(({ name: feature, aggregate }, index): FieldReader[] => {
      const inputs = Object.values(featureInputs[index] ?? {}).filter((input): input is string => input !== null);
      // A derived feature is made of features before it, which its code names.
      const ofOthers = aggregate === 'derived' && [...reading].some((other) => wordOf(other).test(inputs[0] ?? ''));
      const isRead = aggregate !== 'derived' && inputs.includes(field);
      if (!isRead && !ofOthers && (aggregate === 'derived' || !inputs.some((input) => word.test(input)))) return [];
      reading.add(feature);
      return [{ view, feature, use: isRead ? 'reads' : 'names' }];
    });
  });
  const keys = own.flatMap(({ name: view, layout }) =>
    layout.keys.filter(({ name }) => name === field).map(({ name: key }) => ({ view, key })),
  );
  return { features, keys };
}

function wordOf(name: string): RegExp {
  return new RegExp(String.raw`(?<![\w$])${name}(?![\w$])`);
}
