import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import type pg from 'pg';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { type Clock, systemClock } from '../engine/values/clock.ts';
import type { InstallationNames } from '../engine/installation/installation-names.ts';
import { StoredServiceCode } from '../engine/bundles/service-code.ts';
import { StoredVersionCode } from '../engine/bundles/version-code.ts';
import type { BundleKeys } from '../engine/bundles/bundle-signature.ts';
import { createDecisionLog, type DecisionLogSettings } from '../engine/decisions/create-decision-log.ts';
import { DecisionLog } from '../engine/decisions/decision-log.ts';
import type { CompiledSource, CompiledView } from '../engine/define/compiled-view.ts';
import { createOnlineStore } from '../engine/online/online-store.ts';
import type { CorruptRead, DerivedCodeOf } from '../engine/online/view-read.ts';
import { type ModelsSettings, openModelPlaces } from '../engine/models/model-settings.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { createServingLog, type ServingLogSettings } from '../engine/served/create-serving-log.ts';
import { ServingLog } from '../engine/served/serving-log.ts';
import type { ConsoleLog } from '../console/read/entity-requests.ts';
import type { KafkaAddress } from '../engine/kafka/kafka-link.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import type { ConsoleDefinitions, WorkflowPages } from '../console/console-deps.ts';
import type { Abouts } from '../engine/define/about.ts';
import type { CompiledLabelSet } from '../engine/define/compiled-label-set.ts';
import { consoleAccess } from './access/console-access.ts';
import { type AccessSettings, checkExposure, openAccess } from './access/open-access.ts';
import { apiLog, type LogLevel } from './api-log.ts';
import { corruptLog } from './corrupt-log.ts';
import { derivedLog } from './derived-log.ts';
import { type ApiDeps, createApi } from './create-api.ts';
import { LiveServices } from './live-services.ts';
import type { ServedService } from './served-service.ts';

/** Requests under way get this long once a stop was asked for. */
const DRAIN_MS = 10_000;

export type StartApiOptions = (
  | {
      readonly databaseUrl: string;
      /** Whether a pooler in transaction mode (PgBouncer) lies between. Default false. */
      readonly pooled?: boolean | undefined;
      /** Whose features are read. Default: those of the installation `default`. */
      readonly installation?: InstallationNames | undefined;
    }
  | { readonly pool: pg.Pool }
) & {
  /** Where the feature services that requests may name come from; and, where it is the very code of a version, the code of derived features. */
  readonly definitions?:
    | {
        readonly services: ReadonlyMap<string, ServedService>;
        readonly views?: ReadonlyMap<string, CompiledView> | undefined;
        /** Those of decisions and outcomes may be said. */
        readonly sources?: ReadonlyMap<string, CompiledSource> | undefined;
        /** Told of in the console. */
        readonly labelSets?: ReadonlyMap<string, CompiledLabelSet> | undefined;
        readonly abouts?: Abouts | undefined;
      }
    | undefined;
  /** What bundles have to be signed with, whose code is run for derived features. Default: they need not be. */
  readonly bundleKeys?: BundleKeys | undefined;
  /** Default 0: a free one. */
  readonly port?: number | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Who may ask. Default: everybody on a loopback address; on others this must be said. */
  readonly access?: AccessSettings | undefined;
  /** PEM of a certificate (with its chain) and its key: HTTPS alone is spoken. Default: HTTP. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly clock?: Clock | undefined;
  /** How much is logged on standard error. Default `info`. */
  readonly logLevel?: LogLevel | undefined;
  readonly onBug?: ((error: unknown) => void) | undefined;
  /** Told of each corrupt state that a read met. Default: they are logged, each once. */
  readonly onCorrupt?: ((found: CorruptRead) => void) | undefined;
  /** Logs what is served, sampled by entity; a log made elsewhere stays its owner's to close. Default: nothing is logged. */
  readonly servingLog?: ServingLogSettings | ServingLog | undefined;
  /** Where decisions and outcomes go that are given by HTTP; a log made elsewhere stays its owner's to close. Default: none are taken. */
  readonly decisions?: DecisionLogSettings | DecisionLog | undefined;
  /** Where the bytes of models are. Default: nowhere; the rest is told of them. */
  readonly models?: ModelsSettings | undefined;
  /** Where people look at workflows; the console links there. Default: it shows commands alone. */
  readonly workflows?: WorkflowPages | undefined;
  /** Where the console looks for who read what; its reader is its owner's to close. Default: nowhere. */
  readonly consoleLog?:
    | { readonly kafka: Omit<KafkaAddress, 'clientId'>; readonly servedTopic: string }
    | ConsoleLog
    | undefined;
  /** Makes request ids. Default: random UUIDs. */
  readonly newId?: (() => string) | undefined;
};

/** The running API. */
export interface RunningApi {
  readonly url: string;
  /** Stops listening, lets requests under way finish, sends what the logs hold, and closes what was opened. */
  close(): Promise<void>;
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new MillraceError('address-in-use', `the API cannot listen on ${host}:${port}: ${cause.message}`, {
          remedy: 'Give another port (MILLRACE_API_PORT, or --api-port of `millrace dev`), or 0 for a free one.',
          httpStatus: 500,
          cause,
        }),
      );
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * Starts the HTTP API. Throws MillraceError `exposed-api`, `invalid-certificate`, `address-in-use`, and `invalid-sample` or `invalid-topic` for settings of a serving log that cannot be. A database that is away is no reason not to start: `/readyz` tells.
 *
 * @example
 * const api = await startApi({ databaseUrl, definitions, port: 8080 });
 * await api.close();
 */
export async function startApi(options: StartApiOptions): Promise<RunningApi> {
  const host = options.host ?? '127.0.0.1';
  checkExposure(host, options.access?.auth ?? 'open', options.access !== undefined);
  const clock = options.clock ?? systemClock;
  const newId = options.newId ?? randomUUID;
  const { servingLog: given } = options;
  const log = apiLog(options.logLevel);
  const servingLog =
    given === undefined || given instanceof ServingLog
      ? given
      : createServingLog({ clock, newId, onDrop: dropLog(log), ...given });
  const { decisions: toLog } = options;
  const decisionLog =
    toLog === undefined || toLog instanceof DecisionLog
      ? toLog
      : createDecisionLog({ clock, onDrop: lossLog(log), ...toLog });
  const own = 'databaseUrl' in options;
  const pool = own
    ? createPool(options.databaseUrl, {
        max: 10,
        applicationName: 'millrace-api',
        pooled: options.pooled,
        installation: options.installation,
      })
    : options.pool;
  const onBug = options.onBug ?? bugLog(log);
  const access = openAccess(options.access ?? { auth: 'open' }, { pool, clock, onError: onBug });
  const places = openModelPlaces(options.models, clock);
  const { consoleLog: looked } = options;
  const consoleLog = openConsoleLog(looked);
  const closeAll = async (): Promise<void> => {
    if (consoleLog !== looked) await consoleLog?.reader.close();
    await places.close();
    await access.close();
    if (servingLog !== given) await servingLog?.close();
    if (decisionLog !== toLog) await decisionLog?.close();
    if (own) await pool.end();
  };
  const onDerivedFailed = derivedLog(log);
  const app = createApi({
    store: createOnlineStore({
      pool,
      clock,
      onCorrupt: options.onCorrupt ?? corruptLog(log),
      onDerivedFailed,
      derivedOf: derivedOf(options, pool),
    }),
    pool,
    clock,
    services: options.definitions?.services ?? new Map<string, ServedService>(),
    serviceOf: serviceOf(options, pool),
    servingLog,
    onDerivedFailed,
    newId,
    models: places,
    decisions: { sources: options.definitions?.sources ?? new Map<string, CompiledSource>(), log: decisionLog },
    gate: access.gate,
    console: {
      definitions: consoleDefinitions(options),
      workflows: options.workflows ?? null,
      log: consoleLog,
      access: consoleAccess(access.gate, access.sessions, options.definitions?.services ?? new Map()),
    },
    onBug,
  });
  try {
    const server = serverOf(getRequestListener(app.fetch), options.tls);
    const { port } = await listen(server, options.port ?? 0, host);
    const close = async (): Promise<void> => {
      await drain(server);
      await closeAll();
    };
    let closing: Promise<void> | null = null;
    return {
      url: `${options.tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
      close: () => (closing ??= close()),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function openConsoleLog(given: StartApiOptions['consoleLog']): ConsoleLog | null {
  if (given === undefined) return null;
  if ('reader' in given) return given;
  const { kafka, servedTopic } = given;
  // Somebody waits for the page.
  return { reader: createKafkaLogReader({ ...kafka, clientId: 'millrace-console', connectForMs: 3_000 }), servedTopic };
}

function consoleDefinitions({ definitions }: StartApiOptions): ConsoleDefinitions {
  const { views = new Map(), sources = new Map(), labelSets = new Map(), abouts = new Map() } = definitions ?? {};
  return { views, sources, labelSets, abouts };
}

/** A version's derived features are read with its own code. */
function derivedOf({ definitions, bundleKeys: keys }: StartApiOptions, pool: pg.Pool): DerivedCodeOf {
  const views = definitions?.views ?? new Map<string, CompiledView>();
  const code = new StoredVersionCode({ definitions: { views, folder: '', baseFolder: process.cwd() }, pool, keys });
  return async (version) => (await code.viewOf(version)).derived;
}

/** What a service derives is the version's that is served. */
function serviceOf({ definitions, bundleKeys: keys }: StartApiOptions, pool: pg.Pool): ApiDeps['serviceOf'] {
  const services = definitions?.services ?? new Map<string, ServedService>();
  const live = new LiveServices({ pool, services, code: new StoredServiceCode({ pool, keys }) });
  return (name) => live.of(name);
}

/** Throws MillraceError `invalid-certificate`. */
function serverOf(answer: ReturnType<typeof getRequestListener>, tls: StartApiOptions['tls']): Server {
  const listener = (request: IncomingMessage, response: ServerResponse): void => void answer(request, response);
  if (tls === undefined) return createServer(listener);
  try {
    return createTlsServer({ ...tls, minVersion: 'TLSv1.2' }, listener);
  } catch (cause) {
    throw new MillraceError(
      'invalid-certificate',
      `the API cannot speak TLS: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        remedy: 'Let MILLRACE_API_TLS_CERT and MILLRACE_API_TLS_KEY name PEM files that belong together.',
        httpStatus: 500,
        cause,
      },
    );
  }
}

type Log = ReturnType<typeof apiLog>;

function bugLog(log: Log): (error: unknown) => void {
  return (error) => log.error({ err: error }, 'a request failed for a reason of our own');
}

function dropLog(log: Log): ServingLogSettings['onDrop'] {
  return (reason, reads, cause) => log.warn({ reason, reads, err: cause }, 'reads are missing from the serving log');
}

/** Of what breaks its contract the caller was told. */
function lossLog(log: Log): DecisionLogSettings['onDrop'] {
  return ({ source, reason, records, cause }) => {
    if (reason !== 'invalid') log.warn({ source, reason, records, err: cause }, 'decisions or outcomes are lost');
  };
}
