import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { FeatureErrors } from '../values/feature-errors.ts';
import type { Micros, ScalarValue } from '../values/field-type.ts';
import { rowValueReading } from '../values/row-value-conversions.ts';
import type { FeatureService, ServiceKeyOf, ServiceValuesOf } from '../define/feature-service.ts';
import { installationNamed } from '../installation/installation-named.ts';
import type { FeatureView, KeyOf, ValuesOf } from '../define/feature-view.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { type Clock, systemClock } from '../values/clock.ts';
import { createPool } from '../postgres/pool.ts';
import { settledPool } from '../postgres/settled-queries.ts';
import { createServingLog, type ServingLogSettings } from '../served/create-serving-log.ts';
import { checkRequestId } from '../served/request-id.ts';
import { ServingLog } from '../served/serving-log.ts';
import { definitionLayout, type DefinitionLayout, isLaidOutAs } from './definition-layout.ts';
import { EntityKeys } from './entity-key.ts';
import { createOnlineStore } from './online-store.ts';
import type { CorruptRead, ViewRead } from './view-read.ts';

/** What a model needs to know about an entity's features beside them. */
interface ReadFacts extends Pick<ViewRead, 'found' | 'ahead' | 'seq' | 'freshnessUs' | 'version'> {
  readonly asOfUs: Micros;
  /** What decisions and outcomes name this read by; all reads of one call have the same. */
  readonly requestId: string;
}

/** Values none of which is an error, or values some of which are null for the errors named beside them: `errors === null` tells which. */
type CheckedValues<Values> =
  | { readonly values: Values; readonly errors: null }
  | {
      readonly values: { readonly [Feature in keyof Values]: Values[Feature] | null };
      readonly errors: FeatureErrors<keyof Values & string>;
    };

/**
 * An entity's features. A feature whose result does not fit its type is null, and `errors` has its code; of an entity whose stored state is
 * corrupt all are null, and `errors` is `{ '*': 'state-corrupt' }`. Where nothing is wrong `errors` is null, and only then have `values` the types
 * of the definition.
 *
 * @example
 * const { values, errors } = await client.get(routeDelays, { origin: 'LAS', destination: 'PHL' });
 * if (errors === null) values.flights_1d; // number
 */
export type FeatureRead<Values> = ReadFacts & CheckedValues<Values>;

/** What a service's read gives: per view name. */
export type ServiceRead<Service> = {
  readonly [View in keyof ServiceValuesOf<Service>]: FeatureRead<ServiceValuesOf<Service>[View]>;
};

export interface GetOptions {
  /** Request time: a Date or UTC epoch µs. Default: now. */
  readonly at?: Date | Micros | number | undefined;
  /** 1 to 128 visible ASCII characters. Several calls for one decision may share one. Default: a new one. */
  readonly requestId?: string | undefined;
}

/** Reads features typed by their definitions. All methods throw what `OnlineStore.get` throws, and MillraceError `definition-changed`, `invalid-request-id`. */
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
  /** Sends what the serving log still holds, and closes the connections, where the client opened them itself. */
  close(): Promise<void>;
}

export type ClientOptions = (
  | {
      readonly databaseUrl: string;
      /** Whether a pooler in transaction mode (PgBouncer) lies between. Default false. */
      readonly pooled?: boolean | undefined;
    }
  | { readonly pool: pg.Pool }
) & {
  /** Whose features are read. Default: MILLRACE_INSTALLATION, else `default`. */
  readonly installation?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Connections at most, where the client opens them. Default 4. */
  readonly maxConnections?: number | undefined;
  /** Logs what is served, sampled by entity; a log made elsewhere is shared, and stays its owner's to close. Default: nothing is logged. */
  readonly servingLog?: ServingLogSettings | ServingLog | undefined;
  /** Makes request ids. Default: random UUIDs. */
  readonly newId?: (() => string) | undefined;
  /** Told of each corrupt state that a read met, beside the `state-corrupt` of its answer. */
  readonly onCorrupt?: ((found: CorruptRead) => void) | undefined;
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

/** What a view answered to a call, before it is handed out and logged. */
interface Answer {
  readonly keys: readonly (readonly ScalarValue[])[];
  readonly reads: readonly ViewRead[];
}

type NamedRead = FeatureRead<Readonly<Record<string, ScalarValue>>>;

function namedRead(read: ViewRead, requestId: string): NamedRead {
  const { errors, found, ahead, seq, freshnessUs, version } = read;
  const named: Record<string, ScalarValue> = {};
  for (let index = 0; index < read.features.length; index++) named[read.features[index]!.name] = read.values[index]!;
  return { values: named, errors, found, asOfUs: read.asOfUs as Micros, ahead, seq, freshnessUs, version, requestId };
}

/**
 * A client of the online store.
 *
 * @throws MillraceError `bad-configuration` for a wrong name of the installation; `invalid-sample`, `invalid-topic` for settings of a serving log that cannot be.
 * @example
 * const client = createClient({ databaseUrl });
 * const { values, errors } = await client.get(routeDelays, { origin: 'LAS', destination: 'PHL' });
 * if (errors === null) values.delay_avg_7d; // number | null
 */
export function createClient(options: ClientOptions): FeatureClient {
  const clock = options.clock ?? systemClock;
  const newId = options.newId ?? randomUUID;
  const { servingLog: given } = options;
  const names = installationNamed(options.installation);
  const log =
    given === undefined || given instanceof ServingLog
      ? given
      : createServingLog({ clock, newId, installation: names.name, ...given });
  const own = 'databaseUrl' in options;
  const pool = own
    ? createPool(options.databaseUrl, {
        max: options.maxConnections ?? 4,
        applicationName: 'millrace-client',
        pooled: options.pooled,
        installation: names,
      })
    : settledPool(options.pool, names);
  const store = createOnlineStore({ pool, clock, onCorrupt: options.onCorrupt });
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

  const answer = async (
    view: FeatureView,
    given: readonly Readonly<Record<string, unknown>>[],
    atUs: number | undefined,
    ignoreOthers: boolean,
  ): Promise<Answer> => {
    const { laidOut, keys: entityKeys } = readableOf(view);
    const keys = given.map((key) => entityKeys.ofObject(key, rowValueReading, ignoreOthers));
    const reads = await store.get(view.name, keys, { atUs }).catch(async (error: unknown) => {
      // The keys are right for this definition: where the store refuses them, it serves another one.
      if (isMillraceError(error) && error.code === 'invalid-key') {
        const served = await store.describe(view.name);
        if (!isLaidOutAs(laidOut, served.layoutTag)) throw definitionChanged(view.name, served, laidOut);
      }
      throw error;
    });
    for (const read of reads) {
      if (!isLaidOutAs(laidOut, read.layoutTag)) throw definitionChanged(view.name, read, laidOut);
    }
    return { keys, reads };
  };

  const getMany = async (
    view: FeatureView,
    keys: readonly Readonly<Record<string, unknown>>[],
    { at, requestId: given }: GetOptions,
  ): Promise<NamedRead[]> => {
    const requestId = given === undefined ? newId() : checkRequestId(given);
    const answered = await answer(view, keys, microsOf(at), false);
    log?.offer(requestId, null, answered.reads, answered.keys);
    return answered.reads.map((read) => namedRead(read, requestId));
  };

  return {
    async get<View extends FeatureView>(view: View, key: KeyOf<View>, options: GetOptions = {}) {
      const [read] = await getMany(view, [key], options);
      return read as FeatureRead<ValuesOf<View>>;
    },
    async getMany<View extends FeatureView>(view: View, keys: readonly KeyOf<View>[], options: GetOptions = {}) {
      return (await getMany(view, keys, options)) as FeatureRead<ValuesOf<View>>[];
    },
    async getService<Service extends FeatureService>(
      service: Service,
      key: ServiceKeyOf<Service>,
      { at, requestId: given }: GetOptions = {},
    ) {
      const requestId = given === undefined ? newId() : checkRequestId(given);
      // One time for all views: without it each would be read as of its own arrival.
      const atUs = microsOf(at) ?? clock.nowUs();
      const keys = [key as Readonly<Record<string, unknown>>];
      const answers = await Promise.all(service.views.map((view) => answer(view, keys, atUs, true)));
      // Only now: where one view fails the caller is served nothing.
      for (const one of answers) log?.offer(requestId, service.name, one.reads, one.keys, service.options.servingLog);
      return Object.fromEntries(
        answers.map(({ reads }, index) => [service.views[index]!.name, namedRead(reads[0]!, requestId)]),
      ) as ServiceRead<Service>;
    },
    async close() {
      if (log !== given) await log?.close();
      if (own) await pool.end();
    },
  };
}
