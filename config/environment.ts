import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { DEFAULT_MEMORY_MB, LEAST_MEMORY_MB } from '../engine/memory/memory-shares.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import {
  DEFAULT_INSTALLATION,
  INSTALLATION_NAME,
  type InstallationNames,
  installationNames,
  installationOfQueue,
  isInstallationName,
} from '../engine/installation/installation-names.ts';
import { type AlertWebhook, readAlertWebhooks, WEBHOOKS_EXPECTED } from '../engine/alerts/webhook.ts';
import { type BundleKeys, readBundleKeys } from '../engine/bundles/bundle-signature.ts';
import { databaseUrlFault } from '../engine/postgres/database-url.ts';
import { shown } from './masked.ts';
import type { TemporalSettings } from './temporal-settings.ts';

/** A user and password for Kafka; one type per mechanism, as kafkajs has it. */
export type KafkaSasl = Sasl<'plain'> | Sasl<'scram-sha-256'> | Sasl<'scram-sha-512'>;

interface Sasl<Mechanism extends string> {
  readonly mechanism: Mechanism;
  readonly username: string;
  readonly password: string;
}

/** How to connect to Kafka; the fields of kafkajs' configuration that depend on the place. */
export interface KafkaSettings {
  /** `host:port` each */
  readonly brokers: readonly string[];
  readonly ssl?: boolean;
  readonly sasl?: KafkaSasl;
}

/** The checked environment. What is null is not set, and a local stack starts it. */
export interface Environment {
  readonly databaseUrl: string | null;
  /** The database without a pooler in transaction mode before it: for all that needs sessions of its own. */
  readonly databaseDirectUrl: string | null;
  /** Whether such a pooler is what `databaseUrl` leads to. */
  readonly isPooled: boolean;
  readonly kafka: KafkaSettings | null;
  readonly temporal: TemporalSettings | null;
  /** The namespace for a Temporal that is started locally. */
  readonly temporalNamespace: string;
  /** Absolute. */
  readonly dataDir: string;
  /** The names of the installation: MILLRACE_INSTALLATION. */
  readonly installation: InstallationNames;
  /** What sensitive values are hashed with, so that all processes show equal ones alike; null: each process has a key of its own. */
  readonly sensitiveKey: string | null;
  /** The folder of archived topics that all workers share. Absolute. */
  readonly archiveDir: string;
  /** A file with the time of the brokers, where that is not this machine's: in a replay. Absolute. */
  readonly brokerClockFile: string | null;
  /** The folder for what does not fit in memory; never one that is memory itself. Absolute. */
  readonly spillDir: string;
  /** The folders that workflows may be told to read and write in, absolute; null: all. */
  readonly roots: readonly string[] | null;
  /** The folders that trainings may run commands in, absolute; none: they may run none. */
  readonly trainingDirs: readonly string[];
  /** Names of variables that those commands get beside PATH and the like. */
  readonly trainingVariables: readonly string[];
  /** The keys that bundles must be signed with, by id; null: no signature is asked for. */
  readonly bundleKeys: BundleKeys;
  /** The file of the private key that bundles are signed with here; null: they are not. */
  readonly bundleSignKey: string | null;
  /** Where changes of alerts are told, beside their topic. */
  readonly alertWebhooks: readonly AlertWebhook[];
  /** The topic of the serving log. */
  readonly servedTopic: string;
  /** The share of entities whose reads are logged, 0 (none) to 1 (all). */
  readonly servedSample: number;
  /** The folder of definitions, as given. */
  readonly features: string | null;
  readonly apiPort: number | null;
  /** `host:port` at which a worker tells its metrics; null: nowhere. */
  readonly workerMetrics: string | null;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  readonly memoryMb: number;
  /** What of commits (where no archive keeps them) and dead letters stays in the database, per view. */
  readonly catalogBounds: {
    readonly commitBytes: number;
    readonly deadLetterBytes: number;
    readonly deadLetterDays: number;
  };
  /** All variables as they were, for tools that are started. */
  readonly variables: NodeJS.ProcessEnv;
}

const BROKERS = 'a comma-separated list of host:port';
const PORT = 'a port, 1 to 65535 (0 for any free one)';
const SHARE = 'a number from 0 (none) to 1 (all)';
const SERVED_SAMPLE = 0.01;

function endpoint(value: string): boolean {
  const match = /^(?:\[[0-9a-f:]+\]|[^\s:/,]+):(\d{1,5})$/i.exec(value);
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65535;
}

/** Whether a text is a URL of one of the protocols, each with its colon. */
export function urlOf(protocols: readonly string[]): (value: string) => boolean {
  return (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

const flag = z
  .enum(['true', 'false', '1', '0'], { error: 'true or false' })
  .transform((value) => value === 'true' || value === '1');

const databaseUrl = z.string().refine((url) => databaseUrlFault(url) === null, {
  error: ({ input }) => databaseUrlFault(String(input))?.expected ?? '',
});

function wholeOf(unit: string) {
  return z
    .string()
    .regex(/^[1-9]\d{0,6}$/, { error: `a whole number of ${unit}, at least 1` })
    .transform(Number);
}

const MB = 2 ** 20;

const MEMORY = `a whole number of MB, at least ${LEAST_MEMORY_MB}`;
const folders = z
  .string()
  .transform((value) => value.split(delimiter).map((root) => root.trim()))
  .refine((roots) => roots.every((root) => isAbsolute(root)), {
    error: `absolute folders, with "${delimiter}" between`,
  });

const variablesSchema = z.object({
  MILLRACE_INSTALLATION: z
    .string()
    .refine(isInstallationName, { error: INSTALLATION_NAME })
    .default(DEFAULT_INSTALLATION),
  MILLRACE_TASK_QUEUE: z
    .string()
    .refine((queue) => installationOfQueue(queue).name === DEFAULT_INSTALLATION, {
      error: 'a name that does not begin like that of an installation (MILLRACE_INSTALLATION), "NAME/"',
    })
    .optional(),
  DATABASE_URL: databaseUrl.optional(),
  DATABASE_DIRECT_URL: databaseUrl.optional(),
  MILLRACE_PG_POOLED: flag.default(false),
  KAFKA_BROKERS: z
    .string()
    .transform((value) => value.split(',').map((broker) => broker.trim()))
    .refine((brokers) => brokers.every(endpoint), { error: BROKERS })
    .optional(),
  KAFKA_SSL: flag.optional(),
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], { error: 'plain, scram-sha-256 or scram-sha-512' })
    .optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  TEMPORAL_ADDRESS: z.string().refine(endpoint, { error: 'host:port' }).optional(),
  MILLRACE_TEMPORAL_UI: z
    .string()
    .refine(urlOf(['http:', 'https:']), { error: 'a URL http://host:port' })
    .optional(),
  MILLRACE_DATA_DIR: z.string().optional(),
  MILLRACE_ARCHIVE_DIR: z.string().optional(),
  MILLRACE_SPILL_DIR: z.string().optional(),
  MILLRACE_BROKER_CLOCK: z.string().optional(),
  MILLRACE_ROOTS: folders.optional(),
  MILLRACE_TRAINING_DIR: folders.optional(),
  MILLRACE_TRAINING_ENV: z
    .string()
    .transform((value) => value.split(',').map((name) => name.trim()))
    .refine((names) => names.every((name) => /^[A-Za-z_]\w{0,99}$/.test(name)), {
      error: 'names of variables, with commas between',
    })
    .optional(),
  MILLRACE_SENSITIVE_KEY: z.string().min(16, { error: 'a secret of at least 16 characters' }).optional(),
  MILLRACE_BUNDLE_KEYS: z
    .string()
    .transform(readBundleKeys)
    .refine((keys) => keys !== null, { error: 'public Ed25519 keys: PEM, or base64 of their DER, with commas between' })
    .optional(),
  MILLRACE_BUNDLE_SIGN_KEY: z.string().optional(),
  MILLRACE_ALERT_WEBHOOKS: z
    .string()
    .transform(readAlertWebhooks)
    .refine((webhooks) => webhooks !== null, { error: WEBHOOKS_EXPECTED })
    .optional(),
  MILLRACE_WORKER_METRICS: z.string().refine(endpoint, { error: 'host:port' }).optional(),
  MILLRACE_SERVED_TOPIC: z
    .string()
    .regex(/^(?!\.{1,2}$)[\w.-]{1,249}$/, { error: 'a name of a Kafka topic: letters, digits, ".", "_", "-"' })
    .optional(),
  MILLRACE_SERVED_SAMPLE: z
    .string()
    .regex(/^(\d{1,3}(\.\d{1,12})?|\.\d{1,12})$/, { error: SHARE })
    .transform(Number)
    .refine((share) => share <= 1, { error: SHARE })
    .default(SERVED_SAMPLE),
  MILLRACE_FEATURES: z.string().optional(),
  MILLRACE_API_PORT: z
    .string()
    .regex(/^\d{1,5}$/, { error: PORT })
    .transform(Number)
    .refine((port) => port <= 65535, { error: PORT })
    .optional(),
  MILLRACE_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'trace, debug, info, warn, error, fatal or silent',
    })
    .default('info'),
  MILLRACE_MEMORY_MB: z
    .string()
    .regex(/^\d{1,7}$/, { error: MEMORY })
    .transform(Number)
    .refine((memory) => memory >= LEAST_MEMORY_MB, { error: MEMORY })
    .default(DEFAULT_MEMORY_MB),
  MILLRACE_COMMITS_MB: wholeOf('MB').default(256),
  MILLRACE_DEAD_LETTERS_MB: wholeOf('MB').default(256),
  MILLRACE_DEAD_LETTERS_DAYS: wholeOf('days').default(30),
});

type Variables = z.output<typeof variablesSchema>;

const require = createRequire(import.meta.url);

/** One wrong variable. */
export interface ConfigurationFault {
  readonly variable: string;
  /** Masked where it may hold a secret; null if it is not set. */
  readonly received: string | null;
  readonly expected: string;
}

/**
 * Reads and checks the configuration. A variable that is empty counts as not set.
 *
 * @throws MillraceError `bad-configuration` with every fault (`details.faults`)
 * @example
 * const environment = readEnvironment(process.env);
 */
export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const parsed = variablesSchema.safeParse(given);
  const faults: ConfigurationFault[] = [];
  for (const issue of parsed.error?.issues ?? []) {
    const variable = String(issue.path[0]);
    faults.push({ variable, received: shown(variable, given[variable]), expected: issue.message });
  }
  faults.push(...saslFaults(given));
  const temporal = readTemporal(given, faults);
  if (faults.length > 0 || !parsed.success) throw badConfiguration(faults);
  const values = parsed.data;
  const dataDir = resolve(values.MILLRACE_DATA_DIR ?? defaultDataDir(given));
  const installation = installationNames(values.MILLRACE_INSTALLATION);
  return {
    databaseUrl: values.DATABASE_URL ?? null,
    databaseDirectUrl: values.DATABASE_DIRECT_URL ?? (values.MILLRACE_PG_POOLED ? null : (values.DATABASE_URL ?? null)),
    isPooled: values.MILLRACE_PG_POOLED,
    kafka: kafkaOf(values),
    temporal,
    temporalNamespace: given['TEMPORAL_NAMESPACE'] ?? 'default',
    dataDir,
    installation,
    archiveDir: installation.folder(resolve(values.MILLRACE_ARCHIVE_DIR ?? join(dataDir, 'archive'))),
    spillDir: installation.folder(resolve(values.MILLRACE_SPILL_DIR ?? join(dataDir, 'spill'))),
    brokerClockFile: values.MILLRACE_BROKER_CLOCK === undefined ? null : resolve(values.MILLRACE_BROKER_CLOCK),
    roots: values.MILLRACE_ROOTS ?? null,
    trainingDirs: values.MILLRACE_TRAINING_DIR ?? [],
    trainingVariables: values.MILLRACE_TRAINING_ENV ?? [],
    bundleKeys: values.MILLRACE_BUNDLE_KEYS ?? null,
    bundleSignKey: values.MILLRACE_BUNDLE_SIGN_KEY ?? null,
    alertWebhooks: values.MILLRACE_ALERT_WEBHOOKS ?? [],
    sensitiveKey: values.MILLRACE_SENSITIVE_KEY ?? null,
    servedTopic: values.MILLRACE_SERVED_TOPIC ?? installation.servedTopic,
    servedSample: values.MILLRACE_SERVED_SAMPLE,
    features: values.MILLRACE_FEATURES ?? null,
    apiPort: values.MILLRACE_API_PORT ?? null,
    workerMetrics: values.MILLRACE_WORKER_METRICS ?? null,
    logLevel: values.MILLRACE_LOG_LEVEL,
    memoryMb: values.MILLRACE_MEMORY_MB,
    catalogBounds: {
      commitBytes: values.MILLRACE_COMMITS_MB * MB,
      deadLetterBytes: values.MILLRACE_DEAD_LETTERS_MB * MB,
      deadLetterDays: values.MILLRACE_DEAD_LETTERS_DAYS,
    },
    variables: given,
  };
}

function defaultDataDir(variables: NodeJS.ProcessEnv): string {
  return join(variables['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'millrace');
}

function kafkaOf(values: Variables): KafkaSettings | null {
  if (values.KAFKA_BROKERS === undefined) return null;
  return {
    brokers: values.KAFKA_BROKERS,
    ...(values.KAFKA_SSL === undefined ? {} : { ssl: values.KAFKA_SSL }),
    ...(values.KAFKA_SASL_MECHANISM === undefined
      ? {}
      : {
          sasl: {
            mechanism: values.KAFKA_SASL_MECHANISM,
            username: values.KAFKA_SASL_USERNAME ?? '',
            password: values.KAFKA_SASL_PASSWORD ?? '',
          },
        }),
  };
}

/** The three go together; and without brokers none of them has a meaning. */
function saslFaults(variables: NodeJS.ProcessEnv): ConfigurationFault[] {
  const names = ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'];
  const set = names.filter((name) => variables[name] !== undefined);
  const missing = set.length === 0 ? [] : names.filter((name) => variables[name] === undefined);
  const faults = missing.map((variable) => ({
    variable,
    received: null,
    expected: `a value, since ${set.join(' and ')} is set`,
  }));
  const needsBrokers = set.length > 0 || variables['KAFKA_SSL'] !== undefined;
  if (!needsBrokers || variables['KAFKA_BROKERS'] !== undefined) return faults;
  return [
    ...faults,
    { variable: 'KAFKA_BROKERS', received: null, expected: `${BROKERS}, since KAFKA_SSL or KAFKA_SASL_* is set` },
  ];
}

/**
 * The SDK's own reading of TEMPORAL_*. Its configuration file counts only if asked for by name: a profile left there by
 * another project must not silently take the place of the local stack.
 */
function readTemporal(variables: NodeJS.ProcessEnv, faults: ConfigurationFault[]): TemporalSettings | null {
  const fromFile = variables['TEMPORAL_PROFILE'] !== undefined || variables['TEMPORAL_CONFIG_FILE'] !== undefined;
  if (variables['TEMPORAL_ADDRESS'] === undefined && !fromFile) return null;
  const overrideEnvVars: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) overrideEnvVars[name] = value;
  try {
    // Read by a call and not at the top: most commands ask no Temporal, and this takes a fifth of their time.
    const { loadClientConnectConfig } = require('@temporalio/envconfig') as typeof import('@temporalio/envconfig');
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars, disableFile: !fromFile });
    const { address, tls, apiKey, metadata } = connectionOptions;
    if (address === undefined) {
      faults.push({
        variable: 'TEMPORAL_ADDRESS',
        received: null,
        expected: 'host:port, here or in the named profile',
      });
      return null;
    }
    const plainMetadata = Object.entries(metadata ?? {}).map(([key, value]) => [key, String(value)] as const);
    return {
      address,
      namespace: namespace ?? 'default',
      uiUrl: variables['MILLRACE_TEMPORAL_UI'] ?? `http://${address.replace(/:\d+$/, '')}:8233`,
      ...(tls === undefined || tls === null ? {} : { tls }),
      ...(typeof apiKey === 'string' ? { apiKey } : {}),
      ...(plainMetadata.length === 0 ? {} : { metadata: Object.fromEntries(plainMetadata) }),
    };
  } catch (error) {
    const variable = fromFile && variables['TEMPORAL_PROFILE'] !== undefined ? 'TEMPORAL_PROFILE' : 'TEMPORAL_*';
    const expected = `settings that Temporal's SDK can read (${error instanceof Error ? error.message : String(error)})`;
    faults.push({ variable, received: variables[variable] ?? null, expected });
    return null;
  }
}

/** The error of wrong variables. */
export function badConfiguration(faults: readonly ConfigurationFault[]): MillraceError {
  const lines = faults.map(
    (fault) =>
      `  ${fault.variable}: received ${fault.received === null ? 'nothing' : `"${fault.received}"`}, expected ${fault.expected}`,
  );
  return new MillraceError(
    'bad-configuration',
    `the environment has ${faults.length} wrong variable(s):\n${lines.join('\n')}`,
    {
      remedy: 'Correct or unset them; what is not set, `millrace dev` starts locally.',
      httpStatus: 500,
      details: { faults },
    },
  );
}
