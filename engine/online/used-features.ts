import type { FeatureTags } from '../define/feature-lock.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { EntityKeys } from './entity-key.ts';
import type { KnownDefinition } from './known-definition.ts';
import {
  type ChangedFeature,
  changedFeatures,
  type ExpectedFeature,
  keysChanged,
  type ServedFeatures,
} from './served-features.ts';

/** What a program uses of a view, by its own definition and lock. Each version that serves it is held against that once. */
export class UsedFeatures {
  readonly view: string;
  /** In the order of the definition. The same array for every read: readers know it again. */
  readonly names: readonly string[];
  readonly keys: EntityKeys;
  /** The code of the definition's derived features. */
  readonly derived: KnownDefinition['derived'];
  readonly #layout: ViewLayout;
  readonly #expected: readonly ExpectedFeature[];
  // A version's features are one array for as long as a reader of it lives.
  readonly #changes = new WeakMap<readonly FeatureLayout[], readonly ChangedFeature[]>();

  /**
   * @param locked the view's tags, null without a lock
   * @param names features to use; all without them
   * @throws MillraceError `unknown-feature` that the definition does not have, `lock-outdated` that the lock does not have
   */
  constructor({ layout, derived }: KnownDefinition, locked: FeatureTags | null, names?: readonly string[]) {
    this.derived = derived;
    this.view = layout.view;
    this.#layout = layout;
    this.keys = new EntityKeys(layout);
    this.names = names ?? layout.features.map(({ name }) => name);
    this.#expected = this.names.map((name) => {
      const feature = layout.features.find((each) => each.name === name);
      if (feature === undefined) throw unknownFeature(layout, name);
      const { expireUs } = layout;
      return { name, layout: feature, expireUs, tag: locked === null ? null : tagIn(locked, layout.view, name) };
    });
  }

  /**
   * Which of them are served as something else; none in almost all reads.
   *
   * @throws MillraceError `definition-changed` where the join keys are others
   */
  changesIn(served: ServedFeatures): readonly ChangedFeature[] {
    const known = this.#changes.get(served.features);
    if (known !== undefined) return known;
    if (canonicalJson(served.keys) !== canonicalJson(this.#layout.keys)) throw keysChanged(served, this.#layout.keys);
    const changes = changedFeatures(this.#expected, served);
    this.#changes.set(served.features, changes);
    return changes;
  }

  /** The tag the program expects of a feature; null where it has no lock. */
  tagOf(feature: string): string | null {
    return this.#expected.find(({ name }) => name === feature)?.tag ?? null;
  }
}

function tagIn(locked: FeatureTags, view: string, feature: string): string {
  const tag = locked[feature];
  if (tag !== undefined) return tag;
  throw new MillraceError('lock-outdated', `the lock has no tag for feature "${feature}" of view "${view}"`, {
    remedy: 'Write it anew ("millrace lock") and commit it with the definitions; "millrace lock --check" tells in CI.',
    details: { view, feature },
  });
}

function unknownFeature({ view, features }: ViewLayout, feature: string): MillraceError {
  return new MillraceError(
    'unknown-feature',
    `the definition of view "${view}" has no feature "${feature}"; it has ${features.map(({ name }) => name).join(', ')}`,
    { remedy: 'Correct the name.', details: { view, feature } },
  );
}
