import type { ScalarValue } from '../engine/values/field-type.ts';
import type { FeatureTags } from '../engine/define/feature-lock.ts';
import { isMillraceError } from '../engine/errors/millrace-error.ts';
import type { OnlineStore } from '../engine/online/online-store.ts';
import {
  changedFeatures,
  type ExpectedFeature,
  featuresChanged,
  type ServedFeatures,
} from '../engine/online/served-features.ts';
import type { ReadOptions, ViewRead } from '../engine/online/view-read.ts';

/** What a request says of the features it asks for. */
export interface TaggedOptions extends ReadOptions {
  readonly tags: FeatureTags | undefined;
  readonly accept: 'live' | undefined;
}

/**
 * Reads a view, and holds what was asked for against the tags of the request.
 *
 * @returns with the reads the present tags of features that have others than the request says; null where none has
 * @throws MillraceError what `OnlineStore.get` throws, and `definition-changed`
 */
export async function readTagged(
  store: OnlineStore,
  view: string,
  keys: readonly (readonly ScalarValue[])[],
  { tags, accept, ...options }: TaggedOptions,
): Promise<{ readonly reads: readonly ViewRead[]; readonly tags: FeatureTags | null }> {
  if (tags === undefined) return { reads: await store.get(view, keys, options), tags: null };
  const asked = options.features ?? Object.keys(tags);
  const expected = asked.flatMap((name): ExpectedFeature[] => {
    const tag = tags[name];
    return tag === undefined ? [] : [{ name, tag, layout: null }];
  });
  const judge = async (served: ServedFeatures): Promise<FeatureTags | null> => {
    const changes = changedFeatures(expected, served);
    if (changes.length === 0) return null;
    if (accept !== 'live' || !changes.every(({ isReadable }) => isReadable)) {
      const { feature = '', expected: tag = '' } = changes[0] ?? {};
      throw featuresChanged(served, changes, await store.versionWithTag(view, feature, tag));
    }
    return Object.fromEntries(changes.map(({ feature, served: tag }) => [feature, tag]));
  };
  try {
    const reads = await store.get(view, keys, options);
    return { reads, tags: reads[0] === undefined ? null : await judge(reads[0]) };
  } catch (error) {
    // A feature whose tag is known was there once: that it is gone is news to whoever asks.
    if (!isMillraceError(error) || error.code !== 'unknown-feature') throw error;
    const { layout, ...served } = await store.describe(view);
    await judge({ ...served, view, keys: layout.keys, features: layout.features });
    throw error;
  }
}
