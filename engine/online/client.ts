import type pg from 'pg';
import type { Micros, ScalarValue } from '../contract/field-type.ts';
import { rowValueConversion } from '../contract/row-value-conversions.ts';
import type { FeatureService, ServiceKeyOf, ServiceValuesOf } from '../define/feature-service.ts';
import type { FeatureView, KeyOf, ValuesOf } from '../define/feature-view.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { type Clock, systemClock } from '../log/clock.ts';
import { createPool } from '../postgres/pool.ts';
import { definitionLayout, type DefinitionLayout } from './definition-layout.ts';
import { EntityKeys } from './entity-key.ts';
import { createOnlineStore } from './online-store.ts';
import type { ViewRead } from './view-read.ts';

/** An entity's features with what a model needs to know about them. */
export interface FeatureRead<Values> extends Pick<ViewRead, 'found' | 'ahead' | 'seq' | 'freshnessUs' | 'version'> {
  readonly values: Values;
  readonly asOfUs: Micros;
}

/** What a service's read gives: per view name. */
export type ServiceRead<Service> = {
  readonly [View in keyof ServiceValuesOf<Service>]: FeatureRead<ServiceValuesOf<Service>[View]>;
};

export interface GetOptions {
  /** Request time: a Date or UTC epoch µs. Default: now. */
  readonly at?: Date | Micros | number | undefined;
}

/** Reads features typed by their definitions. All methods throw what `OnlineStore.get` throws, and MillraceError `definition-changed`. */
export interface FeatureClient {
  /** One entity. */
  get<View extends FeatureView>(
    view: View,
    key: KeyOf<View>,
    options?: GetOptions,
  ): Promise<FeatureRead<ValuesOf<View>>>;
  /** Many entities, in the order of `keys`, in one round trip. */
  getMany<View extends FeatureView>(
    view: View,
    keys: readonly KeyOf<View>[],
    options?: GetOptions,
  ): Promise<FeatureRead<ValuesOf<View>>[]>;
  /** Every view of a service for one entity; all at the same request time. */
  getService<Service extends FeatureService>(
    service: Service,
    key: ServiceKeyOf<Service>,
    options?: GetOptions,
  ): Promise<ServiceRead<Service>>;
  /** Closes the connections, where the client opened them itself. */
  close(): Promise<void>;
}

export type ClientOptions = ({ readonly databaseUrl: string } | { readonly pool: pg.Pool }) & {
  readonly clock?: Clock | undefined;
  /** Connections at most, where the client opens them. Default 4. */
  readonly maxConnections?: number | undefined;
};

function microsOf(at: GetOptions['at']): number | undefined {
  return at instanceof Date ? at.getTime() * 1000 : at;
}

function definitionChanged(
  view: string,
  read: Pick<ViewRead, 'version' | 'layoutTag'>,
  expected: DefinitionLayout,
): MillraceError {
  const shown = (tag: number): string => tag.toString(16).padStart(8, '0');
  return new MillraceError(
    'definition-changed',
    `view "${view}" is served by version ${read.version} with layout ${shown(read.layoutTag)}; this program's definition has layout ${shown(expected.layoutTag)}`,
    {
      remedy:
        'Deploy the program with the definition that is live, or publish this one as a new version (millrace start).',
      httpStatus: 409,
      details: { view, version: read.version, served: read.layoutTag, expected: expected.layoutTag },
    },
  );
}

interface ReadableView {
  readonly laidOut: DefinitionLayout;
  readonly keys: EntityKeys;
}

/**
 * A client of the online store.
 *
 * @example
 * const client = createClient({ databaseUrl });
 * const { values } = await client.get(routeDelays, { origin: 'LAS', destination: 'PHL' });
 * values.delay_avg_7d; // number | null
 */
export function createClient(options: ClientOptions): FeatureClient {
  const own = 'databaseUrl' in options;
  const pool = own
    ? createPool(options.databaseUrl, { max: options.maxConnections ?? 4, applicationName: 'millrace-client' })
    : options.pool;
  const clock = options.clock ?? systemClock;
  const store = createOnlineStore({ pool, clock });
  const readable = new Map<FeatureView, ReadableView>();

  const readableOf = (view: FeatureView): ReadableView => {
    let known = readable.get(view);
    if (known === undefined) {
      const laidOut = definitionLayout(view);
      known = { laidOut, keys: new EntityKeys(laidOut.layout) };
      readable.set(view, known);
    }
    return known;
  };

  const readMany = async (
    view: FeatureView,
    keys: readonly Readonly<Record<string, unknown>>[],
    atUs: number | undefined,
    ignoreOthers: boolean,
  ): Promise<FeatureRead<Readonly<Record<string, ScalarValue>>>[]> => {
    const { laidOut, keys: entityKeys } = readableOf(view);
    const values = keys.map((key) => entityKeys.ofObject(key, rowValueConversion, ignoreOthers));
    const reads = await store.get(view.name, values, { atUs }).catch(async (error: unknown) => {
      // The keys are right for this definition: where the store refuses them, it serves another one.
      if (isMillraceError(error) && error.code === 'invalid-key') {
        const served = await store.describe(view.name);
        if (served.layoutTag !== laidOut.layoutTag) throw definitionChanged(view.name, served, laidOut);
      }
      throw error;
    });
    return reads.map((read) => {
      if (read.layoutTag !== laidOut.layoutTag) throw definitionChanged(view.name, read, laidOut);
      const { found, ahead, seq, freshnessUs, version } = read;
      const named: Record<string, ScalarValue> = {};
      for (let index = 0; index < read.features.length; index++)
        named[read.features[index]!.name] = read.values[index]!;
      return { values: named, found, asOfUs: read.asOfUs as Micros, ahead, seq, freshnessUs, version };
    });
  };

  return {
    async get<View extends FeatureView>(view: View, key: KeyOf<View>, { at }: GetOptions = {}) {
      const [read] = await readMany(view, [key], microsOf(at), false);
      return read as FeatureRead<ValuesOf<View>>;
    },
    async getMany<View extends FeatureView>(view: View, keys: readonly KeyOf<View>[], { at }: GetOptions = {}) {
      return (await readMany(view, keys, microsOf(at), false)) as FeatureRead<ValuesOf<View>>[];
    },
    async getService<Service extends FeatureService>(
      service: Service,
      key: ServiceKeyOf<Service>,
      { at }: GetOptions = {},
    ) {
      // One time for all views: without it each would be read as of its own arrival.
      const atUs = microsOf(at) ?? clock.nowUs();
      const reads = await Promise.all(
        service.views.map(async (view) => {
          const [read] = await readMany(view, [key as Readonly<Record<string, unknown>>], atUs, true);
          return [view.name, read] as const;
        }),
      );
      return Object.fromEntries(reads) as ServiceRead<Service>;
    },
    async close() {
      if (own) await pool.end();
    },
  };
}
