import { join } from 'node:path';
import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import type pg from 'pg';
import { createTopics } from '../cli/create-topics.ts';
import { WorkerProcess } from '../cli/worker-process.ts';
import { withArchive } from '../engine/archive/archived-log-reader.ts';
import { applyDefinitions } from '../engine/bundles/apply-definitions.ts';
import type { Definitions } from '../engine/define/compiled-view.ts';
import { loadDefinitions } from '../engine/define/load-definitions.ts';
import type { MillraceError } from '../engine/errors/millrace-error.ts';
import { systemClock } from '../engine/values/clock.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import type { LogReader } from '../engine/topic/log-reader.ts';
import { migrateToLatest } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { installationNames } from '../engine/installation/installation-names.ts';
import { type TemporalSettings, temporalConnectionOptions } from '../config/temporal-settings.ts';
import { ApplicationProcess } from './loop/application-process.ts';
import { PAIRS_TOPIC } from './loop/check-pairs.ts';
import { ProducerProcess } from './producer-process.ts';
import type { Random } from './random.ts';
import { SoakServices } from './services.ts';
import { type ServingSide, startServing } from './serving-side.ts';
import type { SoakPlan } from './soak-plan.ts';
import { FLIGHTS_TOPIC, PAYMENTS_TOPIC, SERVED_TOPIC } from './topics.ts';
import { prepareWorkspace, type Workspace } from './workspace.ts';

const PARTITIONS = 4;
/** How long starting and promoting all views takes, about: the flights shall not run out before the end. */
const SETUP_SECONDS = 30;

export interface WorldOptions {
  readonly plan: SoakPlan;
  readonly seed: number;
  readonly random: Random;
  readonly folder: string;
  readonly onProgress: (line: string) => void;
  /** Something that must not end has ended. */
  readonly onLost: (error: MillraceError) => void;
  readonly signal: AbortSignal;
}

/** Everything that runs. */
export interface World {
  readonly workspace: Workspace;
  readonly archiveDir: string;
  readonly spillDir: string;
  readonly definitions: Definitions;
  /** The same but for one function. */
  readonly changed: Definitions;
  readonly services: SoakServices;
  readonly worker: WorkerProcess;
  readonly pool: pg.Pool;
  /** Of topics and archive. */
  readonly reader: LogReader;
  readonly temporal: Client;
  readonly producer: ProducerProcess;
  readonly application: ApplicationProcess;
  readonly serving: ServingSide;
}

/** Starts everything, in order; `stops` gains what undoes each step, also where a later one fails. */
export async function startWorld(options: WorldOptions, stops: (() => Promise<void>)[]): Promise<World> {
  const { plan, seed, random, folder, onProgress, signal } = options;
  const running = { ...plan, liveSeconds: plan.liveSeconds + SETUP_SECONDS };
  const [workspace, services] = await Promise.all([
    prepareWorkspace(folder, running, random, Date.now()),
    SoakServices.start(options).then((started) => {
      stops.push(() => started.stop());
      return started;
    }),
  ]);
  signal.throwIfAborted();
  const { databaseUrl, brokers } = services;
  const [definitions, changed] = await Promise.all([
    loadDefinitions(workspace.featuresDir),
    loadDefinitions(workspace.changedFeaturesDir),
  ]);
  await migrateToLatest(databaseUrl);
  const { decisionsTopic, outcomesTopic } = installationNames();
  const loopTopics = [decisionsTopic, outcomesTopic, PAIRS_TOPIC];
  await createTopics({ brokers }, [FLIGHTS_TOPIC, PAYMENTS_TOPIC, SERVED_TOPIC, ...loopTopics], PARTITIONS);

  const archiveDir = join(folder, 'archive');
  const spillDir = join(folder, 'spill');
  const worker = await WorkerProcess.start({
    variables: workerVariables(options, services, workspace, archiveDir),
    logFile: join(services.logDir, 'worker.log'),
    onLine: onProgress,
  });
  stops.push(() => worker.stop());

  const pool = createPool(databaseUrl, { max: 12, applicationName: 'millrace-soak' });
  stops.push(() => pool.end());
  // What services derive is derived once more by audits, which know of services by what was applied.
  await applyDefinitions({ pool, definitions, actor: 'soak' });
  const reader = withArchive(createKafkaLogReader({ brokers, clientId: 'millrace-soak', clock: systemClock }), {
    pool,
    archiveDir,
    duckdbTempDir: spillDir,
  });
  stops.push(() => reader.close());
  const connection = await connectTemporal(services.temporal, signal);
  stops.push(() => connection.close());
  const temporal = new Client({ connection, namespace: services.temporal.namespace });

  const producer = await ProducerProcess.start({
    brokers,
    flightsTopic: FLIGHTS_TOPIC,
    paymentsTopic: PAYMENTS_TOPIC,
    flightsPath: workspace.liveFlightsPath,
    liveSeconds: running.liveSeconds,
    paymentsPerSecond: plan.paymentsPerSecond,
    seed,
  });
  stops.push(() => producer.kill());
  const application = await ApplicationProcess.start({
    databaseUrl,
    brokers,
    decisionsPerSecond: plan.suggestionsPerSecond,
    seed,
    journalPath: join(folder, 'said.jsonl'),
  });
  stops.push(() => application.kill());
  const serving = await startServing({ pool, brokers, servedTopic: SERVED_TOPIC, definitions });
  stops.push(() => serving.close());
  const parts = { services, worker, pool, reader, temporal, producer, application, serving };
  return { workspace, archiveDir, spillDir, definitions, changed, ...parts };
}

/** A call that ends because we close is not to be tried again: the SDK would do so on the closed connection, out of anybody's reach. */
function connectTemporal(settings: TemporalSettings, signal: AbortSignal): Promise<Connection> {
  const retry = defaultGrpcRetryOptions();
  const retryableDecider: typeof retry.retryableDecider = (attempt, status) =>
    !signal.aborted && retry.retryableDecider(attempt, status);
  return Connection.connect({
    ...temporalConnectionOptions(settings),
    connectTimeout: '5s',
    interceptors: [makeGrpcRetryInterceptor({ ...retry, retryableDecider })],
  });
}

/** Ours without the services it may name: a soak must not write into somebody's database. */
function workerVariables(
  { folder }: WorldOptions,
  { databaseUrl, brokers, temporal }: SoakServices,
  { featuresDir }: Workspace,
  archiveDir: string,
): NodeJS.ProcessEnv {
  const given = Object.entries(process.env).filter(
    ([name]) => !/^(DATABASE_URL$|KAFKA_|TEMPORAL_|MILLRACE_)/.test(name),
  );
  return {
    ...Object.fromEntries(given),
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: brokers.join(','),
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    MILLRACE_TEMPORAL_UI: temporal.uiUrl,
    MILLRACE_FEATURES: featuresDir,
    MILLRACE_DATA_DIR: join(folder, 'data-dir'),
    MILLRACE_ARCHIVE_DIR: archiveDir,
    MILLRACE_SERVED_TOPIC: SERVED_TOPIC,
    MILLRACE_LOG_LEVEL: 'warn',
  };
}
