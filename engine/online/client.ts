import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { FeatureErrors } from '../values/feature-errors.ts';
import type { Micros } from '../values/field-type.ts';
import { rowValueReading } from '../values/row-value-conversions.ts';
import type { FeatureLock } from '../define/feature-lock.ts';
import type { DecisionLogSettings } from '../decisions/create-decision-log.ts';
import type { DecisionLog } from '../decisions/decision-log.ts';
import type { DerivedFailure } from '../derived/derive-step.ts';
import type {
  DerivedValuesOf,
  FeatureService,
  RequestOf,
  ServiceKeyOf,
  ServiceValuesOf,
} from '../define/feature-service.ts';
import { installationNamed } from '../installation/installation-named.ts';
import type { FeatureView, KeyOf, ValuesOf } from '../define/feature-view.ts';
import { type Clock, systemClock } from '../values/clock.ts';
import { ClientModels } from '../models/client-models.ts';
import type { ModelsSettings } from '../models/model-settings.ts';
import { ClientRollouts, type HoldsModels } from '../rollouts/client-rollouts.ts';
import { createPool } from '../postgres/pool.ts';
import { settledPool } from '../postgres/settled-queries.ts';
import { createServingLog, type ServingLogSettings } from '../served/create-serving-log.ts';
import { checkRequestId } from '../served/request-id.ts';
import { ServingLog } from '../served/serving-log.ts';
import { CheckedReads } from './checked-reads.ts';
import { ClientDecisions, type SaysDecisions } from './client-decisions.ts';
import { distinctKeys } from './distinct-keys.ts';
import { type NamedValues, namedValues } from './named-values.ts';
import { createOnlineStore } from './online-store.ts';
import { serviceBlocks } from './service-blocks.ts';
import { serviceDerived } from './service-derived.ts';
import type { CorruptRead, DerivedFailed, ServiceDerivedFailed, ViewRead } from './view-read.ts';

/** What a model needs to know about an entity's features beside them. */
interface ReadFacts extends Pick<ViewRead, 'found' | 'ahead' | 'seq' | 'freshnessUs' | 'version'> {
  readonly asOfUs: Micros;
  /** What decisions and outcomes name this read by; all reads of one call have the same. */
  readonly requestId: string;
  /**
   * The features that are served as something else than this program's definition says, with their present tags (null: of a version from before
   * there were tags). Null where all are what it says; never set unless `accept` is `'live'`.
   */
  readonly tags: Readonly<Record<string, string | null>> | null;
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

/** What a service's read gives: per view or role, by its name. */
export type ServiceRead<Service> = {
  readonly [View in keyof ServiceValuesOf<Service>]: FeatureRead<ServiceValuesOf<Service>[View]>;
} & OwnRead<Service>;

/** Under its own name what a service derives, where it does. */
type OwnRead<Service> = [keyof DerivedValuesOf<Service>] extends [never]
  ? unknown
  : Service extends FeatureService<infer Name>
    ? { readonly [Own in Name]: DerivedRead<DerivedValuesOf<Service>> }
    : never;

/** The derived features of a service. One that is in error is null, and `errors` has its code; where none is, `errors` is null. */
export type DerivedRead<Values> = Pick<ReadFacts, 'asOfUs' | 'requestId'> & CheckedValues<Values>;

/** What a read of a service takes beside the keys: with `request`, where the service asks for it. */
type ServiceGetArguments<Service> = [keyof RequestOf<Service>] extends [never]
  ? [options?: GetOptions]
  : Partial<RequestOf<Service>> extends RequestOf<Service>
    ? [options?: GetOptions & { readonly request?: RequestOf<Service> | undefined }]
    : [options: GetOptions & { readonly request: RequestOf<Service> }];

export interface GetOptions {
  /** Request time: a Date or UTC epoch µs. Default: now. */
  readonly at?: Date | Micros | number | undefined;
  /** 1 to 128 visible ASCII characters. Several calls for one decision may share one. Default: a new one. */
  readonly requestId?: string | undefined;
  /** As that of the client, for this call. */
  readonly accept?: 'live' | undefined;
}

/** Of one view: which of its features are read, and checked. Default: all of the program's definition. */
export interface ViewGetOptions<Feature extends string = string> extends GetOptions {
  readonly features?: readonly Feature[] | undefined;
}

type FeatureOf<View> = keyof ValuesOf<View> & string;

/**
 * Reads features typed by their definitions. A read of features of which one is served as something else than this program's definition and
 * lock say is refused as `definition-changed`, naming them; features that are served beside those it reads are of no matter. All methods throw what `OnlineStore.get`
 * throws, and MillraceError `definition-changed`, `lock-outdated`, `invalid-request-id`.
 */
export interface FeatureClient extends SaysDecisions, HoldsModels {
  /** One entity. */
  get<View extends FeatureView, Feature extends FeatureOf<View> = FeatureOf<View>>(
    view: View,
    key: KeyOf<View>,
    options?: ViewGetOptions<Feature>,
  ): Promise<FeatureRead<Pick<ValuesOf<View>, Feature>>>;
  /** Many entities, in the order of `keys`, in one round trip. */
  getMany<View extends FeatureView, Feature extends FeatureOf<View> = FeatureOf<View>>(
    view: View,
    keys: readonly KeyOf<View>[],
    options?: ViewGetOptions<Feature>,
  ): Promise<FeatureRead<Pick<ValuesOf<View>, Feature>>[]>;
  /**
   * Every view and role of a service, by their names, for one request: the columns of `key` are the join keys of all of them. All are read at the same
   * request time, and all roles of a view by one query; where two name one entity it is read once. What the service derives of them, and of the request,
   * stands under its own name.
   *
   * @throws MillraceError `invalid-request` for a request that is not what the service asks for
   */
  getService<Service extends FeatureService>(
    service: Service,
    key: ServiceKeyOf<Service>,
    ...options: ServiceGetArguments<Service>
  ): Promise<ServiceRead<Service>>;
  /** Sends what the serving log and that of decisions still hold, and closes the connections, where the client opened them itself. */
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
  /**
   * `millrace.lock.json` of the definitions this program is written with: each feature it reads is held against its tag there. Without a lock only
   * their shape is checked: type, window, aggregate.
   */
  readonly lock?: FeatureLock | undefined;
  /** `'live'`: a feature that is another one now, of the same type, is served all the same, and named in `tags` of the answer. Default: refused. */
  readonly accept?: 'live' | undefined;
  /** Where models are, for `model`. Default: it holds none. */
  readonly models?: ModelsSettings | undefined;
  /** Where decisions and outcomes go; a log made elsewhere is shared, and stays its owner's to close. Default: nowhere, and `decide` is refused. */
  readonly decisions?: DecisionLogSettings | DecisionLog | undefined;
  /** Makes request ids. Default: random UUIDs. */
  readonly newId?: (() => string) | undefined;
  /** Told of each corrupt state that a read met, beside the `state-corrupt` of its answer. */
  readonly onCorrupt?: ((found: CorruptRead) => void) | undefined;
  /** Told of each derived feature whose function failed in a read, beside the `derived-failed` of its answer. */
  readonly onDerivedFailed?: ((failed: DerivedFailed | ServiceDerivedFailed) => void) | undefined;
};

function microsOf(at: GetOptions['at']): number | undefined {
  return at instanceof Date ? at.getTime() * 1000 : at;
}

type NamedRead = FeatureRead<NamedValues>;

function namedRead(read: ViewRead, requestId: string, tags: NamedRead['tags']): NamedRead {
  const { errors, found, ahead, seq, freshnessUs, version } = read;
  const values = namedValues(read.features)(read.values);
  const asOfUs = read.asOfUs as Micros;
  return { values, errors, found, asOfUs, ahead, seq, freshnessUs, version, requestId, tags };
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
  const { onCorrupt, onDerivedFailed } = options;
  const models = new ClientModels(options.models, { pool, clock, topic: names.modelsTopic });
  const said = new ClientDecisions(options.decisions, { clock, installation: names.name });
  const rollouts = new ClientRollouts(models, { pool, clock });
  const store = createOnlineStore({ pool, clock, onCorrupt, onDerivedFailed });
  const checked = new CheckedReads(store, options);

  const getMany = async (
    view: FeatureView,
    keys: readonly Readonly<Record<string, unknown>>[],
    asked: ViewGetOptions,
  ): Promise<NamedRead[]> => {
    const requestId = asked.requestId === undefined ? newId() : checkRequestId(asked.requestId);
    const uses = checked.usedOf(view, asked.features);
    const read = keys.map((key) => uses.keys.ofObject(key, rowValueReading));
    const { reads, tags } = await checked.answer(uses, read, microsOf(asked.at), asked.accept);
    log?.offer(requestId, null, reads, read);
    const named = reads.map((each) => namedRead(each, requestId, tags));
    said.noteReads(named, requestId, reads, read);
    return named;
  };

  return {
    async get<View extends FeatureView, Feature extends FeatureOf<View> = FeatureOf<View>>(
      view: View,
      key: KeyOf<View>,
      options: ViewGetOptions<Feature> = {},
    ) {
      const [read] = await getMany(view, [key], options);
      return read as FeatureRead<Pick<ValuesOf<View>, Feature>>;
    },
    async getMany<View extends FeatureView, Feature extends FeatureOf<View> = FeatureOf<View>>(
      view: View,
      keys: readonly KeyOf<View>[],
      options: ViewGetOptions<Feature> = {},
    ) {
      return (await getMany(view, keys, options)) as FeatureRead<Pick<ValuesOf<View>, Feature>>[];
    },
    async getService<Service extends FeatureService>(
      service: Service,
      key: ServiceKeyOf<Service>,
      ...[options]: ServiceGetArguments<Service>
    ) {
      const asked: GetOptions & { readonly request?: unknown } = options ?? {};
      const { at, requestId: given, accept } = asked;
      const { request: requestOf, derive, toLog } = serviceDerived(service);
      const request = requestOf(asked.request);
      const requestId = given === undefined ? newId() : checkRequestId(given);
      // One time for all views: without it each would be read as of its own arrival.
      const atUs = microsOf(at) ?? clock.nowUs();
      const columns = key as Readonly<Record<string, unknown>>;
      const { order, views } = serviceBlocks(service);
      const answers = await Promise.all(
        views.map(async ({ view, blocks }) => {
          const uses = checked.usedOf(view, undefined);
          const named = blocks.map((block) => [uses.keys.ofObject(columns, rowValueReading, true, '', block.columns)]);
          const { keys, places } = distinctKeys(named);
          const { reads, tags } = await checked.answer(uses, keys, atUs, accept);
          return blocks.map((block, at) => ({ block, tags, key: named[at]![0]!, read: reads[places[at]![0]!]! }));
        }),
      );
      const read = new Map(answers.flat().map((one) => [one.block.name, one]));
      const inOrder = order.map((name) => read.get(name)!);
      const tell =
        onDerivedFailed &&
        ((failure: DerivedFailure) => onDerivedFailed({ service: service.name, requestId, ...failure }));
      const reads = inOrder.map(({ read: one }) => one);
      const derived = derive === null ? null : derive(reads, request, atUs, tell);
      // Only now: where one view fails the caller is served nothing.
      const served = {
        keys: inOrder.map(({ key: own }) => own),
        request,
        derived: derived && { values: derived.carried, errors: derived.errors },
        atUs,
      };
      log?.offerService(requestId, toLog, [{ reads, ...served }]);
      const named: Record<string, object> = {};
      for (const { block, read: one, tags } of inOrder) named[block.name] = namedRead(one, requestId, tags);
      if (derived !== null) {
        const { values, errors } = derived;
        named[service.name] = { values, errors, asOfUs: atUs as Micros, requestId };
      }
      said.noteService(named, requestId, toLog, order, reads, served);
      return named as unknown as ServiceRead<Service>;
    },
    decide: (source, decision) => said.decide(source, decision),
    outcome: (source, outcome) => said.outcome(source, outcome),
    decided: () => said.decided(),
    model: rollouts.model.bind(rollouts) as HoldsModels['model'],
    variant: (model, unit) => rollouts.variant(model, unit),
    async close() {
      await rollouts.close();
      await models.close();
      await said.close();
      if (log !== given) await log?.close();
      if (own) await pool.end();
    },
  };
}
