/**
 * The worker process: reads the configuration, puts the parts together and runs until it is told to stop. Says so when it is ready:
 * by IPC to a parent (`{"ready": true}`), else as a log line.
 */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { pino } from 'pino';
import type { ModelOutlet } from './activities/activity-deps.ts';
import { createActivities } from './activities/create-activities.ts';
import { BundleGauges } from './activities/bundle-gauges.ts';
import { MemoryGauges } from './activities/memory-gauges.ts';
import { workerLooks } from './activities/worker-looks.ts';
import { StoredServiceCode } from './engine/bundles/service-code.ts';
import { StoredVersionCode } from './engine/bundles/version-code.ts';
import { withArchive } from './engine/archive/archived-log-reader.ts';
import { loadDefinitions } from './engine/define/load-definitions.ts';
import { isMillraceError, MillraceError } from './engine/errors/millrace-error.ts';
import { DEFAULT_INSTALLATION, type InstallationNames } from './engine/installation/installation-names.ts';
import { systemClock } from './engine/values/clock.ts';
import { brokerClock } from './config/broker-clock.ts';
import { setSensitiveKey } from './engine/values/sensitive-hash.ts';
import { openDuckDb } from './engine/duckdb/duckdb.ts';
import { setProcessMemory } from './engine/memory/process-memory.ts';
import { createKafkaLogReader } from './engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from './engine/kafka/kafkajs-log-writer.ts';
import { renewSqlSurfaces } from './engine/online/publish-version.ts';
import { appendEvent } from './engine/postgres/audit-events.ts';
import { ensureMigrated } from './engine/postgres/migrate.ts';
import { createPool } from './engine/postgres/pool.ts';
import type { LogWriter } from './engine/topic/log-writer.ts';
import { type Environment, readEnvironment } from './config/environment.ts';
import { ensureModelTopic } from './config/model-topic.ts';
import { checkReachable } from './config/reachability.ts';
import { memoryFigures, streamSlots } from './config/worker-memory.ts';
import { registerSearchAttributes } from './config/search-attributes.ts';
import { openSpillFolder } from './config/spill-folder.ts';
import { temporalConnectionOptions } from './config/temporal-settings.ts';
import { cloneWorkflows } from './operate/clone-workflows.ts';
import { freeLoopbackPort } from './operate/free-loopback-port.ts';
import { ServiceChecks } from './operate/service-checks.ts';
import { WorkerHealth } from './operate/worker-health.ts';
import { WorkerListener } from './operate/worker-listener.ts';
import { bounded } from './workflows/bounded.ts';
import { batchQueueOf, streamQueueOf, taskQueueOf, trainQueueOf } from './workflows/task-queues.ts';

/** Backfills and exports at once in this process; they share its memory, or one waits for it. */
const BATCHES_AT_ONCE = 2;
/** Commands at once beside this process; each has what its own limits leave it. */
const TRAININGS_AT_ONCE = 2;
const SHOW_MEMORY_EVERY_MS = 5_000;

/** How old an answer to `/readyz` may be. */
const CHECKS_KEPT_MS = 5_000;
const CHECK_WITHIN_MS = 4_000;

const QUEUE_OF = {
  workflow: (queue: string) => queue,
  batch: batchQueueOf,
  stream: streamQueueOf,
  train: trainQueueOf,
} as const;
type Role = keyof typeof QUEUE_OF;

function rolesOf(variables: NodeJS.ProcessEnv): Role[] {
  const given = variables['MILLRACE_WORKER_ROLES']?.split(',').map((role) => role.trim()) ?? Object.keys(QUEUE_OF);
  const unknown = given.find((role) => !(role in QUEUE_OF));
  if (unknown === undefined) return given as Role[];
  throw new MillraceError(
    'bad-configuration',
    `MILLRACE_WORKER_ROLES has "${unknown}"; expected some of ${Object.keys(QUEUE_OF).join(', ')}`,
    {
      remedy: 'Correct it, or unset it: one process then does everything.',
      httpStatus: 500,
    },
  );
}

function needed<T>(value: T | null, variable: string, example: string): T {
  if (value !== null) return value;
  throw new MillraceError('not-configured', `${variable} is not set`, {
    remedy: `Set it, e.g. ${variable}=${example}, or use "millrace dev", which starts the services and a worker.`,
    httpStatus: 500,
  });
}

/** A line of the log, in characters. */
const LINE_MOST = 16_000;

/** An error with 2,000 faults is one line, and not the whole log. */
const serializers = {
  err: (error: Error) => {
    const { type, message, stack } = pino.stdSerializers.err(error);
    const known = isMillraceError(error) ? { code: error.code, remedy: error.remedy } : {};
    return boundedFields({ type, message, stack, ...known });
  },
};

function boundedFields(fields: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, text]) => [name, text === undefined ? undefined : bounded(text, LINE_MOST / 4)]),
  );
}

/** Messages of the Temporal SDK and of its core go where ours go. */
function bridgeLogs(log: pino.Logger, metricsAddress: string | null, { name }: InstallationNames): void {
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      // Two of our three workers have none, as intended.
      if (message.startsWith('No workflows registered')) return;
      // pino prints an error's message and stack under `err` only.
      const { error, ...about } = { ...meta };
      log[level.toLowerCase() as 'trace' | 'debug' | 'info' | 'warn' | 'error'](
        error === undefined ? about : { ...about, err: error },
        message,
      );
    }),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'WARN' }) },
      ...(metricsAddress === null
        ? {}
        : {
            metrics: {
              prometheus: { bindAddress: metricsAddress },
              globalTags: name === DEFAULT_INSTALLATION ? {} : { installation: name },
            },
          }),
    },
  });
}

/** Null where there is no Kafka to publish over. */
function modelOutlet({ kafka, installation }: Environment, writer: LogWriter | null): ModelOutlet | null {
  if (kafka === null || writer === null) return null;
  const { modelsTopic: topic } = installation;
  return { writer, topic, ensureTopic: () => ensureModelTopic(kafka, topic) };
}

/** The package brings the workflows as one file; the clone bundles them when they are new. */
async function workflowCode(): Promise<Pick<WorkerOptions, 'workflowBundle'>> {
  const codePath = fileURLToPath(new URL('./workflow-bundle.js', import.meta.url));
  if (existsSync(codePath)) return { workflowBundle: { codePath } };
  return { workflowBundle: { code: await cloneWorkflows(Runtime.instance().logger) } };
}

async function run(env: Environment, log: pino.Logger, health: WorkerHealth): Promise<void> {
  const roles = rolesOf(env.variables);
  const taskQueue = taskQueueOf(env.variables);
  // Offsets and states are committed under locks that a session holds.
  const variable = env.isPooled ? 'DATABASE_DIRECT_URL' : 'DATABASE_URL';
  const databaseUrl = needed(env.databaseDirectUrl, variable, 'postgres://postgres@127.0.0.1:5432/millrace');
  const temporal = needed(env.temporal, 'TEMPORAL_ADDRESS', '127.0.0.1:7233');
  const definitions = await loadDefinitions(env.features ?? 'features');
  await checkReachable({ databaseUrl, kafka: env.kafka, temporal });
  const migrations = await ensureMigrated(databaseUrl, env.installation);
  await registerSearchAttributes(temporal);

  const memory = setProcessMemory(env.memoryMb);
  const identity = `${hostname()}:${process.pid}`;
  const spill = openSpillFolder(env.spillDir);
  const spillDir = spill.path;
  const pool = createPool(databaseUrl, {
    max: 20,
    applicationName: 'millrace-worker',
    installation: env.installation,
    onIdleError: (error) => log.warn({ error: error.message }, 'an idle database connection broke'),
  });
  if (migrations.length > 0) {
    const event = { actor: `worker ${identity}`, action: 'migrate', subject: null, input: {} };
    await appendEvent(pool, { ...event, result: { ran: migrations } });
  }
  const surfaces = await renewSqlSurfaces(pool);
  if (surfaces.renewed.length > 0) log.info({ views: surfaces.renewed }, 'SQL views were made anew');
  for (const { view, error } of surfaces.kept)
    log.error({ view, err: error }, 'the SQL view stays of an older form until the next start of a worker');
  const topicReader =
    env.kafka === null
      ? null
      : createKafkaLogReader({ ...env.kafka, clientId: 'millrace-worker', clock: brokerClock(env.brokerClockFile) });
  const reader =
    topicReader === null
      ? null
      : withArchive(topicReader, { pool, archiveDir: env.archiveDir, duckdbTempDir: spillDir });
  const writer = env.kafka === null ? null : createKafkaLogWriter({ ...env.kafka, clientId: 'millrace-worker' });
  const full = new AbortController();
  const code = new StoredVersionCode({ definitions, pool, keys: env.bundleKeys, onFull: () => full.abort() });
  const deps = {
    definitions,
    code,
    serviceCode: new StoredServiceCode({ pool, services: definitions.services, keys: env.bundleKeys }),
    pool,
    reader,
    topicReader,
    writer,
    archiveDir: env.archiveDir,
    servedTopic: env.servedTopic,
    clock: systemClock,
    spillDir,
    roots: env.roots,
    memory,
    models: modelOutlet(env, writer),
    webhooks: env.alertWebhooks,
    commands: { roots: env.trainingDirs, passed: env.trainingVariables },
    identity,
  };
  const activities = createActivities(deps);
  const streams = streamSlots(memory, roles.includes('batch'));
  // Held as long as the process lives: whoever comes shares it, and it spills here.
  const duckdb = await openDuckDb({ memory, tempDir: spillDir });
  const connection = await NativeConnection.connect(temporalConnectionOptions(temporal));
  const options: Readonly<Record<Role, Partial<WorkerOptions>>> = {
    workflow: {
      ...(await workflowCode()),
      maxConcurrentActivityTaskExecutions: 20,
      // How long a lifecycle waits for a worker that is gone before another takes it: 10 s would be long for a person.
      stickyQueueScheduleToStartTimeout: '3s',
    },
    batch: { maxConcurrentActivityTaskExecutions: BATCHES_AT_ONCE },
    stream: { maxConcurrentActivityTaskExecutions: streams },
    train: { maxConcurrentActivityTaskExecutions: TRAININGS_AT_ONCE },
  };
  const workers = await Promise.all(
    roles.map((role) =>
      Worker.create({
        connection,
        namespace: temporal.namespace,
        taskQueue: QUEUE_OF[role](taskQueue),
        identity,
        activities,
        // A cancellation comes with the answer to a heartbeat: this bounds how long a pause takes.
        maxHeartbeatThrottleInterval: '2s',
        defaultHeartbeatThrottleInterval: '2s',
        shutdownForceTime: '25s',
        ...options[role],
      }),
    ),
  );
  const shutdown = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const drain = (): void => {
    log.warn(code.imported, 'this process has imported as many bundles as it may; it ends, and is to be started again');
    shutdown();
  };
  full.signal.addEventListener('abort', drain);
  // A parent that is gone takes us with it, or a killed `millrace dev` would leave its worker behind.
  process.on('disconnect', shutdown);
  const gauges = new MemoryGauges(Runtime.instance().metricMeter, memory);
  const bundles = new BundleGauges(Runtime.instance().metricMeter, code);
  const showing = setInterval(() => [gauges, bundles].forEach((each) => each.show()), SHOW_MEMORY_EVERY_MS);
  const checkPool = createPool(databaseUrl, {
    max: 1,
    applicationName: 'millrace-worker-check',
    installation: env.installation,
  });
  const checks = new ServiceChecks({
    addresses: { databaseUrl, kafka: env.kafka, temporal },
    pool: checkPool,
    clock: systemClock,
    keepMs: CHECKS_KEPT_MS,
    timeoutMs: CHECK_WITHIN_MS,
  });
  const looks = workerLooks({
    roles,
    client: new Client({ connection, namespace: temporal.namespace, identity }),
    installation: env.installation,
    pool,
    reader: topicReader,
    models: writer === null ? null : { writer, archiveDir: env.archiveDir, actor: `worker ${identity}` },
    views: definitions.views,
    keys: env.bundleKeys,
    bounds: env.catalogBounds,
    clock: systemClock,
    log,
    shown: env.workerMetrics === null ? null : { meter: Runtime.instance().metricMeter, checks },
  });
  health.running(Object.fromEntries(roles.map((role, index) => [role, workers[index]!])), checks);
  log.info(
    {
      taskQueue,
      roles,
      views: [...definitions.views.keys()],
      folder: definitions.folder,
      temporal: temporal.address,
      memory: memoryFigures(memory, streams),
    },
    'READY',
  );
  process.send?.({ ready: true });
  for (const look of looks) look.start();
  try {
    await Promise.all(workers.map((worker) => runOrStopAll(worker, shutdown)));
  } finally {
    clearInterval(showing);
    await Promise.all(looks.map((look) => look.stop()));
    await writer?.close();
    await checkPool.end();
    await reader?.close();
    await duckdb.close();
    await connection.close();
    await pool.end();
    spill.remove();
  }
}

/** A worker that fails takes the others along: half a worker would look alive. */
async function runOrStopAll(worker: Worker, shutdown: () => void): Promise<void> {
  try {
    await worker.run();
  } finally {
    shutdown();
  }
}

async function main(): Promise<void> {
  let log = pino({ name: 'millrace-worker', serializers });
  let listener: WorkerListener | null = null;
  try {
    const env = readEnvironment();
    if (env.sensitiveKey !== null) setSensitiveKey(env.sensitiveKey);
    log = pino({ name: 'millrace-worker', level: env.logLevel, serializers });
    const health = new WorkerHealth();
    if (env.workerMetrics === null) bridgeLogs(log, null, env.installation);
    else {
      // The SDK's own listener has metrics alone, and takes no other routes: it listens for ours.
      const metricsAddress = `127.0.0.1:${await freeLoopbackPort()}`;
      bridgeLogs(log, metricsAddress, env.installation);
      const metricsUrl = `http://${metricsAddress}/metrics`;
      listener = await WorkerListener.open({ address: env.workerMetrics, metricsUrl, health });
    }
    await run(env, log, health);
    log.info('stopped');
  } catch (error) {
    const known = isMillraceError(error)
      ? { code: error.code, remedy: error.remedy }
      : { stack: error instanceof Error ? error.stack : undefined };
    const message = error instanceof Error ? error.message : String(error);
    log.fatal(boundedFields(known), bounded(message, LINE_MOST));
    await told({ failed: { message, ...known } });
    // Temporal's runtime, installed but never used by a worker, keeps the process alive and takes SIGTERM for itself.
    process.exit(1);
  } finally {
    await listener?.close();
    // The channel to a parent would keep us alive.
    if (process.connected) process.disconnect();
  }
}

/** Resolves when a parent, if there is one, has been sent the message. */
function told(message: object): Promise<void> {
  return new Promise((resolve) => {
    // A parent that is gone cannot be told; the log has it.
    if (process.connected && process.send !== undefined) process.send(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

await main();
