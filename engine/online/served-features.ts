import type { FeatureTags } from '../define/feature-lock.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { canonicalJson } from '../values/canonical-json.ts';

/** A feature as a reader knows it. What is not given is not checked. */
export interface ExpectedFeature {
  readonly name: string;
  readonly tag: string | null;
  /** As its definition lays it out. */
  readonly layout: FeatureLayout | null;
  /** Its view's, of a feature whose layout is given. */
  readonly expireUs?: number | undefined;
}

/** A version as it is served to a reader. */
export interface ServedFeatures {
  readonly view: string;
  readonly version: number;
  readonly keys: ViewLayout['keys'];
  readonly features: readonly FeatureLayout[];
  readonly expireUs?: number | undefined;
  /** Null of versions from before there were tags. */
  readonly tags: FeatureTags | null;
}

/** One feature that is not what the reader knows. */
export interface ChangedFeature {
  readonly feature: string;
  readonly expected: string;
  readonly served: string;
  /** Its present tag; null where it is gone, or has none. */
  readonly tag: string | null;
  /** Whether its values can be given to the reader all the same: it is there, and of the same type. */
  readonly isReadable: boolean;
}

/** Which of the features that a reader uses are served as something else than it knows. More features beside them are of no matter. */
export function changedFeatures(expected: readonly ExpectedFeature[], served: ServedFeatures): ChangedFeature[] {
  const known = new Map(served.features.map((feature) => [feature.name, feature]));
  return expected.flatMap(({ name, tag, layout, expireUs }): ChangedFeature[] => {
    const now = known.get(name);
    const servedTag = served.tags?.[name] ?? null;
    if (now === undefined) {
      return [
        { feature: name, expected: tag ?? shapeOf(layout, expireUs), served: 'none', tag: null, isReadable: false },
      ];
    }
    const isReadable = layout === null || typeOf(now) === typeOf(layout);
    const change = { feature: name, tag: servedTag, isReadable };
    // Where it is of another type, that says more than a tag does.
    if (!isReadable) return [{ ...change, expected: shapeOf(layout, expireUs), served: shapeOf(now, served.expireUs) }];
    if (tag !== null && servedTag !== null && tag !== servedTag)
      return [{ ...change, expected: tag, served: servedTag }];
    if (layout !== null && shapeOf(now, served.expireUs) !== shapeOf(layout, expireUs))
      return [{ ...change, expected: shapeOf(layout, expireUs), served: shapeOf(now, served.expireUs) }];
    return [];
  });
}

function typeOf({ result, nullable }: FeatureLayout): string {
  return canonicalJson({ result, nullable });
}

/** What is known of a feature without its code. */
function shapeOf(layout: FeatureLayout | null, expireUs: number | undefined): string {
  if (layout === null) return 'one';
  const { name: _, slot: __, ...shape } = layout;
  return canonicalJson(expireUs === undefined ? shape : { ...shape, expireUs });
}

/**
 * The refusal of a read whose features are others than the reader knows.
 *
 * @param knownAs the newest version here that has the first of them with the expected tag; null: none has, or nobody knows
 */
export function featuresChanged(
  { view, version }: Pick<ServedFeatures, 'view' | 'version'>,
  changes: readonly ChangedFeature[],
  knownAs: number | null,
): MillraceError {
  const [first] = changes;
  const others =
    changes.length > 1
      ? `; so are ${changes
          .slice(1, 4)
          .map(({ feature }) => feature)
          .join(', ')}`
      : '';
  const more = changes.length > 4 ? ` and ${changes.length - 4} more` : '';
  const of = knownAs === null ? '' : ` (that of version ${knownAs})`;
  const canAccept = changes.every(({ isReadable }) => isReadable);
  return new MillraceError(
    'definition-changed',
    `view "${view}", feature "${first?.feature}": this program expects ${first?.expected}${of}, version ${version} serves ${first?.served}${others}${more}`,
    {
      remedy: `Deploy the program with the definitions and the lock that are live, or make its own live${canAccept ? '; accept: "live" takes what is served, and says so in the answer' : ''}.`,
      httpStatus: 409,
      details: {
        view,
        version,
        expectedVersion: knownAs,
        features: changes.map(({ feature, expected, served }) => ({ feature, expected, served })),
      },
    },
  );
}

/** The refusal of a read whose join keys are others than the reader knows. */
export function keysChanged(
  served: Pick<ServedFeatures, 'view' | 'version' | 'keys'>,
  expected: ViewLayout['keys'],
): MillraceError {
  const shown = (keys: ViewLayout['keys']): string => keys.map(({ name, type }) => `${name} ${type.kind}`).join(', ');
  return new MillraceError(
    'definition-changed',
    `view "${served.view}": this program's definition has the join keys ${shown(expected)}, version ${served.version} has ${shown(served.keys)}`,
    {
      remedy: 'Deploy the program with the definition that is live, or make its own live.',
      httpStatus: 409,
      details: { view: served.view, version: served.version },
    },
  );
}
