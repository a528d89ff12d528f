import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { bundleSignKey } from '../config/bundle-sign-key.ts';
import { ensureModelTopic } from '../config/model-topic.ts';
import { applyDefinitions } from '../engine/bundles/apply-definitions.ts';
import type { Definitions } from '../engine/define/compiled-view.ts';
import { loadDefinitions } from '../engine/define/load-definitions.ts';
import { isMillraceError, type MillraceError } from '../engine/errors/millrace-error.ts';
import { type InstallationNames, installationOfQueue } from '../engine/installation/installation-names.ts';
import { ensureMigrated } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { SERVED_SOURCE } from '../engine/served/served-source.ts';
import { startApi } from '../serving/start-api.ts';
import type { Environment, KafkaSettings } from '../config/environment.ts';
import { startStack } from '../stack/local-stack.ts';
import { passwordFile } from '../stack/postgres-password.ts';
import type { TemporalSettings } from '../config/temporal-settings.ts';
import { taskQueueOf } from '../workflows/task-queues.ts';
import { actorName } from './actor.ts';
import { startArchive } from './archive-client.ts';
import { startPairs } from './pairs-client.ts';
import { removeConnection, writeConnection } from './connection-file.ts';
import { topicsByBroker } from './arrival-topics.ts';
import { createTopics, existingTopics } from './create-topics.ts';
import { SAMPLE_ROWS, withHistoryInspector } from './inspect-histories.ts';
import { tellLifecycles } from './tell-lifecycles.ts';
import { withTemporal } from './with-temporal.ts';
import { WorkerProcess } from './worker-process.ts';

const PARTITIONS = 4;

/** What a session of `millrace dev` is started with. */
export interface DevOptions {
  readonly env: Environment;
  /** The folder of definitions. */
  readonly features: string;
  readonly reset?: boolean | undefined;
  /** Port of the API; 0 for any. Default: MILLRACE_API_PORT, else any. */
  readonly apiPort?: number | undefined;
  /** Make the definitions' topics. Default: on a Kafka that is started here, yes; on one the environment names, no. */
  readonly createTopics?: boolean | undefined;
  /** Of topics that are made. Default 4. */
  readonly partitions?: number | undefined;
  /** Archive every source that has a topic, and the serving log. Default true. */
  readonly archive?: boolean | undefined;
  readonly onProgress: (line: string) => void;
  /** A service that was started here has ended though nobody asked it to. */
  readonly onServiceLost?: ((error: MillraceError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A running session: where everything is. */
export interface DevSession {
  readonly databaseUrl: string;
  /** Of the local Postgres, in the form of `PGPASSFILE`; null where the environment names another. */
  readonly passwordFile: string | null;
  readonly kafka: KafkaSettings;
  readonly temporal: TemporalSettings;
  readonly apiUrl: string;
  readonly installation: InstallationNames;
  /** Where its worker takes workflows from. */
  readonly taskQueue: string;
  /** Absolute. */
  readonly features: string;
  readonly views: readonly string[];
  /** The worker's process id, while it runs. */
  workerPid(): number | undefined;
  /** Stops what was started, in order. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Checks the definitions, starts (or connects to) the services, brings the database up to date, makes topics where allowed, and runs
 * a worker and the API. What was started is stopped again when any of it fails.
 *
 * @example
 * const session = await startDevSession({ env: readEnvironment(), features: 'features', onProgress: console.error });
 */
export async function startDevSession(options: DevOptions): Promise<DevSession> {
  const { env, onProgress } = options;
  const features = resolve(options.features);
  const definitions = await loadDefinitions(features);
  await noteHistoryFaults(features, env.spillDir, onProgress);
  const stops: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      for (const step of stops.toReversed()) await step();
    })();
    return stopping;
  };
  try {
    const stack = await startStack({
      env,
      reset: options.reset ?? false,
      onProgress,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onServiceLost === undefined ? {} : { onServiceLost: options.onServiceLost }),
    });
    stops.push(() => stack.stop());
    const { databaseUrl, kafka, temporal } = stack;
    const migrations = await ensureMigrated(databaseUrl, env.installation);
    if (migrations.length > 0) onProgress(`database: ran ${migrations.join(', ')}`);
    await applyAtStart({ databaseUrl, temporal }, env, definitions, onProgress);
    const sources = [...definitions.sources.values()].filter(({ topic }) => topic !== null);
    const logsServed = env.servedSample > 0;
    if (options.createTopics ?? env.kafka === null) {
      const topics = sources.map(({ topic }) => topic ?? '');
      if (logsServed) topics.push(env.servedTopic);
      // Who replays, with a clock of its own, writes the times of records itself.
      const byBroker = env.brokerClockFile === null ? topicsByBroker(definitions) : new Set<string>();
      const created = await createTopics(kafka, topics, options.partitions ?? PARTITIONS, byBroker);
      if (created.length > 0) onProgress(`kafka: made ${created.join(', ')}`);
      await ensureModelTopic(kafka, env.installation.modelsTopic);
    }
    const present = await existingTopics(kafka);
    const hasServedTopic = logsServed && present.has(env.servedTopic);
    if (logsServed && !hasServedTopic)
      onProgress(`serving log: off, for there is no topic ${env.servedTopic}; make it, or use --create-topics`);
    // A data directory exists exactly when something runs in it; without one there is nothing to find again.
    const isLocal = env.databaseUrl === null || env.kafka === null || env.temporal === null;
    const logDir = join(env.dataDir, 'logs');
    if (isLocal) await mkdir(logDir, { recursive: true });
    onProgress('worker: starting');
    const worker = await WorkerProcess.start({
      variables: workerVariables(env, { databaseUrl, kafka, temporal, features }),
      logFile: isLocal ? join(logDir, 'worker.log') : null,
      onLine: onProgress,
    });
    stops.push(() => worker.stop());
    const api = await startApi({
      databaseUrl,
      installation: env.installation,
      definitions,
      bundleKeys: env.bundleKeys,
      port: options.apiPort ?? env.apiPort ?? 0,
      ...(hasServedTopic ? { servingLog: { kafka, topic: env.servedTopic, sample: env.servedSample } } : {}),
      decisions: { kafka, installation: env.installation.name },
      models: { kafka, archiveDir: env.archiveDir },
      workflows: temporal,
      consoleLog: { kafka, servedTopic: env.servedTopic },
    });
    stops.push(() => api.close());
    const taskQueue = taskQueueOf(env.variables);
    if (options.archive ?? true) {
      const archived = sources.filter(({ topic }) => present.has(topic ?? '')).map(({ name }) => name);
      if (hasServedTopic) archived.push(SERVED_SOURCE);
      await startArchives(temporal, archived, taskQueue, onProgress);
    }
    const joined = [...definitions.labelSets.keys()].filter((name) => {
      const topic = env.installation.pairsTopic(name);
      return present.has(topic) && sources.some((source) => source.topic === topic);
    });
    await startJoiners(temporal, joined, taskQueue, onProgress);
    if (isLocal) {
      const { address, namespace, uiUrl } = temporal;
      writeConnection(env.dataDir, {
        databaseUrl,
        kafkaBrokers: [...kafka.brokers],
        temporal: { address, namespace, uiUrl },
        apiUrl: api.url,
        features,
      });
      stops.push(async () => removeConnection(env.dataDir));
    }
    const views = [...definitions.views.keys()];
    return {
      installation: env.installation,
      taskQueue,
      databaseUrl,
      passwordFile: env.databaseUrl === null ? passwordFile(env.dataDir) : null,
      kafka,
      temporal,
      apiUrl: api.url,
      features,
      views,
      workerPid: () => worker.pid,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What the folder has is what is to be built. Views that cannot be stored are run from the folder, as they are. */
async function applyAtStart(
  { databaseUrl, temporal }: { readonly databaseUrl: string; readonly temporal: TemporalSettings },
  env: Environment,
  definitions: Definitions,
  onProgress: (line: string) => void,
): Promise<void> {
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-apply', installation: env.installation });
  try {
    const { views } = await applyDefinitions({
      pool,
      definitions,
      actor: actorName(),
      message: 'millrace dev',
      keys: env.bundleKeys,
      signKey: bundleSignKey(env) ?? undefined,
      onUnstorable: (name, { code, message }) =>
        onProgress(`warning: ${name} is run from the folder: ${code}: ${message}`),
    });
    // Whoever works on definitions approves what he wrote.
    await withTemporal(temporal, env.installation, (client) => tellLifecycles(client, views, 'auto'));
    const changed = views.flatMap(({ view, change }) => (change === 'changed' ? [view] : []));
    if (changed.length > 0) onProgress(`applied: other definitions than before of ${changed.join(', ')}`);
  } finally {
    await pool.end();
  }
}

/** Starts the archives that do not run yet. */
async function startArchives(
  temporal: TemporalSettings,
  sources: readonly string[],
  taskQueue: string,
  onProgress: (line: string) => void,
): Promise<void> {
  if (sources.length === 0) return;
  await withTemporal(temporal, installationOfQueue(taskQueue), async (client) => {
    const started: string[] = [];
    for (const source of sources) if (await startArchive(client, source, taskQueue)) started.push(source);
    if (started.length > 0) onProgress(`archive: started for ${started.join(', ')}`);
  });
}

/** Starts the joiners, of label sets whose pairs views are over, that do not run yet. */
async function startJoiners(
  temporal: TemporalSettings,
  labelSets: readonly string[],
  taskQueue: string,
  onProgress: (line: string) => void,
): Promise<void> {
  if (labelSets.length === 0) return;
  await withTemporal(temporal, installationOfQueue(taskQueue), async (client) => {
    const started: string[] = [];
    for (const labelSet of labelSets) if (await startPairs(client, labelSet, taskQueue)) started.push(labelSet);
    if (started.length > 0) onProgress(`pairs: started for ${started.join(', ')}`);
  });
}

/** History may still be on its way: a view without it fails clearly when it is started, and the others need not wait. */
async function noteHistoryFaults(
  features: string,
  spillDir: string,
  onProgress: (line: string) => void,
): Promise<void> {
  try {
    await withHistoryInspector(SAMPLE_ROWS, spillDir, (inspectHistory) =>
      loadDefinitions(features, { inspectHistory }),
    );
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'invalid-definitions') throw error;
    onProgress(`warning: ${error.message}`);
  }
}

/** The environment of the worker: ours, with the addresses as they came to be. */
function workerVariables(
  env: Environment,
  {
    databaseUrl,
    kafka,
    temporal,
    features,
  }: { databaseUrl: string; kafka: KafkaSettings; temporal: TemporalSettings; features: string },
): NodeJS.ProcessEnv {
  return {
    ...env.variables,
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: kafka.brokers.join(','),
    // Where the environment names a Temporal, by variable or by profile, the worker reads the same.
    ...(env.temporal === null ? { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace } : {}),
    MILLRACE_TEMPORAL_UI: temporal.uiUrl,
    MILLRACE_FEATURES: features,
  };
}
