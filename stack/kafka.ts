import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { childEnvironment } from '../engine/installation/child-environment.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { awaitReady } from './await-ready.ts';
import { rememberedPort } from './data-dir.ts';
import { findJava } from './find-tool.ts';
import { type BrokerSettings, javaArguments, loggingProperties, propertiesOf, serverSettings } from './kafka-config.ts';
import { kafkaJars } from './kafka-install.ts';
import type { RunningService, StartServiceOptions } from './postgres.ts';
import { runStep } from './run-step.ts';
import { startSupervised } from './supervised-process.ts';

// kafkajs prints a long warning about its partitioner per producer otherwise.
process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';

export interface RunningKafka extends RunningService {
  /** `host:port` of the one broker. */
  readonly brokers: readonly string[];
}

/**
 * Starts one Kafka node (KRaft) on 127.0.0.1 with its data in `<dataDir>/kafka`. Topics are not made by themselves and
 * nothing in them expires.
 *
 * @throws MillraceError `missing-tools`, `service-did-not-start`, `stack-step-failed`
 * @example
 * const kafka = await startKafka({ dataDir: '/tmp/a', onProgress: console.error });
 */
export async function startKafka(
  options: StartServiceOptions & {
    readonly port?: number;
    /** Other settings than ours, made of ours. */
    readonly alter?: (settings: BrokerSettings) => BrokerSettings;
  },
): Promise<RunningKafka> {
  const { dataDir, onProgress, signal } = options;
  const variables = options.variables ?? process.env;
  const java = findJava(variables);
  if (java === null) {
    throw new MillraceError('missing-tools', 'java is neither in JAVA_HOME nor on PATH: it runs Kafka', {
      remedy: 'Install a Java runtime, 17 or newer, or set KAFKA_BROKERS to a Kafka that runs already.',
      httpStatus: 500,
    });
  }
  const jars = await kafkaJars(variables, onProgress, signal);
  const home = join(dataDir, 'kafka');
  const temporaryDir = join(home, 'tmp');
  rmSync(temporaryDir, { recursive: true, force: true });
  mkdirSync(temporaryDir, { recursive: true });
  const layout = {
    brokerPort: await rememberedPort(dataDir, 'kafka', options.port),
    controllerPort: await rememberedPort(dataDir, 'kafka-controller'),
    logDir: join(home, 'log'),
    warningFile: join(dataDir, 'logs', 'kafka-warnings.log'),
  };
  const properties = join(home, 'server.properties');
  const logging = join(home, 'log4j2.properties');
  writeFileSync(properties, propertiesOf(options.alter?.(serverSettings(layout)) ?? serverSettings(layout)));
  writeFileSync(logging, loggingProperties(layout));
  const jvm = javaArguments(jars, logging, temporaryDir);
  const common = { command: java, env: childEnvironment(variables), cwd: home };
  if (!existsSync(join(layout.logDir, 'meta.properties'))) {
    await runStep({
      ...common,
      name: 'kafka-format',
      args: [
        ...jvm,
        'kafka.tools.StorageTool',
        'format',
        '-t',
        clusterId(home),
        '-c',
        properties,
        '--ignore-formatted',
      ],
      logFile: join(dataDir, 'logs', 'kafka-format.log'),
      onProgress,
      line: (seconds) => `kafka: formatting its storage, ${seconds} s so far`,
      remedy: 'Java 17 or newer is needed; an unfinished data directory is replaced with --reset.',
      signal,
    });
  }
  const logFile = join(dataDir, 'logs', 'kafka.log');
  const broker = await startSupervised({
    ...common,
    name: 'kafka',
    args: [...jvm, 'kafka.Kafka', properties],
    logFile,
    graceSeconds: 15,
  });
  const brokers = [`127.0.0.1:${layout.brokerPort}`];
  await awaitReady({ service: 'kafka', process: broker, logFile, onProgress, signal, probe: () => probe(brokers) });
  return {
    brokers,
    identity: broker.identity,
    exited: broker.exited,
    stop: async () => {
      await broker.stop();
    },
  };
}

/** The cluster's id, kept so that a format that was cut short is taken up with the same one. */
function clusterId(home: string): string {
  const file = join(home, 'cluster-id');
  if (!existsSync(file)) {
    // 16 bytes in URL-safe base64, as `kafka-storage random-uuid` makes them; it refuses a leading dash.
    let id = randomBytes(16).toString('base64url');
    while (id.startsWith('-')) id = randomBytes(16).toString('base64url');
    writeFileSync(file, id);
  }
  return readFileSync(file, 'utf8').trim();
}

async function probe(brokers: readonly string[]): Promise<void> {
  const admin = new Kafka({
    clientId: 'millrace-readiness',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2000,
    requestTimeout: 5000,
    retry: { retries: 0 },
  }).admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    if (cluster.brokers.length === 0) throw new Error('the broker is not registered yet');
  } finally {
    await admin.disconnect();
  }
}
