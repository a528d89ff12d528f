import type pg from 'pg';
import type { Reading } from '../values/convert.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { FeatureTags } from '../define/feature-lock.ts';
import { keyColumns } from '../define/view-role.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import { versionWithTag } from '../postgres/live-version.ts';
import { namePostgresError } from '../postgres/postgres-error.ts';
import { poolAddress } from '../postgres/pool.ts';
import { placeOf } from './entity-key.ts';
import type { LiveReader } from './live-reader.ts';
import { ViewLoader, type ViewReading } from './view-loader.ts';
import type { ReadOptions, ViewRead } from './view-read.ts';

/** How long a name that is no view is not asked for again, and how many such names are remembered. */
const UNKNOWN_MS = 1_000;
const MOST_UNKNOWN = 1_000;

/** A view as readers see it now. */
export interface ServedView {
  readonly layout: ViewLayout;
  readonly layoutTag: number;
  readonly version: number;
  readonly fingerprint: string;
  /** Feature to tag; null where it was made before there were tags. */
  readonly tags: FeatureTags | null;
}

/** Reads features (design §9): any number of entities of a view are one round trip, and so are the reads that coincide. */
export interface OnlineStore {
  /**
   * The values of `keys` (join key values in layout order), in their order. All of one call come from one version of the view. What does not
   * fit its type, and a corrupt state, are `errors` of that entity's read alone.
   *
   * Throws MillraceError `unknown-view`, `view-not-published`, `unknown-feature`, `invalid-key`, `invalid-time`, `service-unreachable` (retryable).
   */
  get(view: string, keys: readonly (readonly ScalarValue[])[], options?: ReadOptions): Promise<ViewRead[]>;
  /** The newest version of a view, served or not, that has a feature with this tag; null where none has. */
  versionWithTag(view: string, feature: string, tag: string): Promise<number | null>;
  /** What the view is, as of its last read. Throws MillraceError `unknown-view`, `view-not-published`. */
  describe(view: string): Promise<ServedView>;
  /**
   * Join key values in layout order of entities given by name, each value read by `readingOf` its type; other names are
   * refused unless `ignoreOthers`. Throws MillraceError `invalid-key`, `unknown-view`, `view-not-published`.
   *
   * @param columns join key to the name it goes by, where that is another one
   */
  keysOf(
    view: string,
    entities: readonly Readonly<Record<string, unknown>>[],
    readingOf: (type: ScalarType) => Reading,
    ignoreOthers?: boolean,
    columns?: Readonly<Record<string, string>>,
  ): Promise<ScalarValue[][]>;
}

/**
 * The online store over a pool; 3 of its connections per view are used at most. `onCorrupt` is told of each corrupt state that a read met,
 * `onDerivedFailed` of each derived feature whose function failed. Derived features are read with the code that a call brings, else with that of
 * the version, by `derivedOf`.
 *
 * @example
 * const store = createOnlineStore({ pool, clock: systemClock });
 * const [read] = await store.get('route_delays', [['LAS', 'PHL']]);
 */
export function createOnlineStore(
  options: ViewReading & { readonly pool: pg.Pool; readonly clock: Clock },
): OnlineStore {
  const { pool, clock } = options;
  const loaders = new Map<string, ViewLoader>();
  // Any name may be asked for over HTTP: loaders are kept of views that exist, and the others cost one look-up a second.
  const unknown = new Map<string, { readonly error: MillraceError; readonly untilMs: number }>();
  const noteFailure = (view: string, error: unknown): void => {
    loaders.delete(view);
    if (!isMillraceError(error) || error.code !== 'unknown-view') return;
    unknown.delete(view);
    unknown.set(view, { error, untilMs: clock.monotonicMs() + UNKNOWN_MS });
    if (unknown.size > MOST_UNKNOWN) unknown.delete(unknown.keys().next().value ?? view);
  };
  const loaderOf = (view: string): ViewLoader => {
    let loader = loaders.get(view);
    if (loader === undefined) {
      const known = unknown.get(view);
      if (known !== undefined && clock.monotonicMs() < known.untilMs) throw known.error;
      loader = new ViewLoader(pool, clock, view, options);
      loaders.set(view, loader);
      loader.live().catch((error: unknown) => noteFailure(view, error));
    }
    return loader;
  };
  const named = (error: unknown): never => {
    throw namePostgresError(error, poolAddress(pool));
  };
  return {
    async get(view, keys, read = {}) {
      if (read.atUs !== undefined && !Number.isSafeInteger(read.atUs)) {
        throw new MillraceError(
          'invalid-time',
          `view "${view}": expected a time in whole epoch µs, received ${read.atUs}`,
          {
            remedy: 'Give UTC epoch microseconds as a safe integer.',
          },
        );
      }
      if (keys.length === 0) return [];
      return loaderOf(view).get(keys, read);
    },
    async describe(view) {
      const { version } = await loaderOf(view).live().catch(named);
      const { layout, layoutTag, fingerprint, tags } = version;
      return { layout, layoutTag, version: version.version, fingerprint, tags: tags?.features ?? null };
    },
    versionWithTag: (view, feature, tag) => versionWithTag(pool, view, feature, tag).catch(named),
    async keysOf(view, entities, readingOf, ignoreOthers = false, columns = {}) {
      const loader = loaderOf(view);
      const convert = ({ keys, version: { layout } }: LiveReader): ScalarValue[][] => {
        const names = keyColumns(layout.keys, columns);
        return entities.map((entity, index) =>
          keys.ofObject(entity, readingOf, ignoreOthers, placeOf(index, entities.length), names),
        );
      };
      const reader = await loader.live().catch(named);
      try {
        return convert(reader);
      } catch (error) {
        // The keys may be right for a version that went live since: a refusal is only true of the present one.
        const present = await loader.refreshed().catch(named);
        if (present.version.version === reader.version.version) throw error;
        return convert(present);
      }
    },
  };
}
