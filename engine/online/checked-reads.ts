import { type FeatureLock, type FeatureTags, lockedViews } from '../define/feature-lock.ts';
import type { FeatureView } from '../define/feature-view.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { knownDefinition } from './known-definition.ts';
import type { OnlineStore } from './online-store.ts';
import { type ChangedFeature, featuresChanged, type ServedFeatures } from './served-features.ts';
import { UsedFeatures } from './used-features.ts';
import type { ViewRead } from './view-read.ts';

/** What a view answered to a call, before it is handed out and logged. */
interface Answer {
  readonly reads: readonly ViewRead[];
  /** Of features that are others now, and accepted; null where none is. */
  readonly tags: Readonly<Record<string, string | null>> | null;
}

/** Lists of features per view whose check is kept: a program has a few. */
const MOST_LISTS = 100;
/** A read that meets a flip finds the present version the next time. */
const MOST_TRIES = 3;

function isSome(changes: readonly ChangedFeature[]): changes is readonly [ChangedFeature, ...ChangedFeature[]] {
  return changes.length > 0;
}

/** Reads of a store, held against what a program knows by its definitions and its lock. */
export class CheckedReads {
  readonly #store: OnlineStore;
  readonly #accept: 'live' | undefined;
  readonly #locked: ReadonlyMap<string, FeatureTags> | null;
  readonly #used = new Map<FeatureView, { readonly all: UsedFeatures; readonly lists: Map<string, UsedFeatures> }>();

  constructor(
    store: OnlineStore,
    { lock, accept }: { readonly lock?: FeatureLock | undefined; readonly accept?: 'live' | undefined },
  ) {
    this.#store = store;
    this.#accept = accept;
    this.#locked = lock === undefined ? null : lockedViews(lock);
  }

  /** What a program uses of a view: some of its features, or all. Throws MillraceError `unknown-feature`, `lock-outdated`. */
  usedOf(view: FeatureView, features: readonly string[] | undefined): UsedFeatures {
    const tags = this.#locked === null ? null : (this.#locked.get(view.name) ?? {});
    let known = this.#used.get(view);
    if (known === undefined) {
      known = { all: new UsedFeatures(knownDefinition(view), tags), lists: new Map() };
      this.#used.set(view, known);
    }
    if (features === undefined) return known.all;
    const id = features.join(',');
    let list = known.lists.get(id);
    if (list === undefined) {
      list = new UsedFeatures(knownDefinition(view), tags, [...features]);
      if (known.lists.size >= MOST_LISTS) known.lists.clear();
      known.lists.set(id, list);
    }
    return list;
  }

  /**
   * What the store has of some entities, of a version whose features are what the program uses.
   *
   * @param accept as that of the client, for this call
   * @throws MillraceError `definition-changed`, and what `OnlineStore.get` throws
   */
  async answer(
    uses: UsedFeatures,
    keys: readonly (readonly ScalarValue[])[],
    atUs: number | undefined,
    accept: 'live' | undefined,
  ): Promise<Answer> {
    const { view } = uses;
    for (let tries = 1; ; tries++) {
      try {
        const reads = await this.#store.get(view, keys, { atUs, features: uses.names, derived: uses.derived });
        // All of one call are of one version.
        const [first] = reads;
        const changes = first && uses.changesIn(first);
        const tags = first && changes && isSome(changes) ? await this.#accepted(uses, first, changes, accept) : null;
        return { reads, tags };
      } catch (error) {
        // Keys and features are right for this definition: where the store refuses them, it serves another one.
        const isOther = isMillraceError(error) && (error.code === 'invalid-key' || error.code === 'unknown-feature');
        if (!isOther) throw error;
        const { layout, ...served } = await this.#store.describe(view);
        const present = { ...served, view, keys: layout.keys, features: layout.features };
        const changes = uses.changesIn(present);
        if (isSome(changes)) await this.#accepted(uses, present, changes, accept);
        if (tries === MOST_TRIES) throw error;
      }
    }
  }

  /** The tags of what is not as the program knows it, where that is accepted; else it is refused. */
  async #accepted(
    uses: UsedFeatures,
    served: Pick<ServedFeatures, 'view' | 'version'>,
    changes: readonly [ChangedFeature, ...ChangedFeature[]],
    accept: 'live' | undefined,
  ): Promise<Answer['tags']> {
    if ((accept ?? this.#accept) === 'live' && changes.every(({ isReadable }) => isReadable))
      return Object.fromEntries(changes.map(({ feature, tag }) => [feature, tag]));
    const [{ feature }] = changes;
    const tag = uses.tagOf(feature);
    const knownAs = tag === null ? null : await this.#store.versionWithTag(uses.view, feature, tag);
    throw featuresChanged(served, changes, knownAs);
  }
}
