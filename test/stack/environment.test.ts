import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { type ConfigurationFault, readEnvironment } from '../../config/environment.ts';

function faultsOf(variables: Record<string, string>): Record<string, string | null> {
  const error = failureOf(() => readEnvironment(variables));
  expect(error.code).toBe('bad-configuration');
  const faults = error.details['faults'] as readonly ConfigurationFault[];
  expect(faults.filter((fault) => !error.message.includes(`${fault.variable}: `))).toEqual([]);
  return Object.fromEntries(faults.map((fault) => [fault.variable, fault.received]));
}

function failureOf(action: () => unknown): MillraceError {
  try {
    action();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

describe('the environment', () => {
  it('names nothing by default, so that everything is started locally', () => {
    const environment = readEnvironment({ XDG_DATA_HOME: '/somewhere', DATABASE_URL: '', TEMPORAL_NAMESPACE: 'mine' });
    expect(environment).toMatchObject({
      databaseUrl: null,
      kafka: null,
      temporal: null,
      temporalNamespace: 'mine',
      dataDir: '/somewhere/millrace',
      archiveDir: '/somewhere/millrace/archive',
      servedTopic: 'millrace.served',
      servedSample: 0.01,
      logLevel: 'info',
      memoryMb: 2048,
    });
  });

  it('has the names of its installation, and its part of each folder', () => {
    const given = { MILLRACE_DATA_DIR: '/data', MILLRACE_SPILL_DIR: '/spill/' };
    const blue = readEnvironment({ ...given, MILLRACE_INSTALLATION: 'blue' });
    expect(blue.installation.schemas.catalog).toBe('millrace_blue_catalog');
    expect(blue).toMatchObject({
      archiveDir: '/data/archive/installation.blue',
      spillDir: '/spill/installation.blue',
      servedTopic: 'millrace.blue.served',
    });
    expect(readEnvironment({ ...given, MILLRACE_INSTALLATION: 'default' })).toMatchObject({
      archiveDir: '/data/archive',
      spillDir: '/spill',
      servedTopic: 'millrace.served',
      installation: { name: 'default' },
    });
  });

  it('refuses what is no name of an installation, and a task queue that would be another one’s', () => {
    const names = ['Blue', '1', 'a-b', 'b1234567890123456', 'catalog'];
    for (const name of names)
      expect(faultsOf({ MILLRACE_INSTALLATION: name })).toEqual({ MILLRACE_INSTALLATION: name });
    expect(() => readEnvironment({ MILLRACE_INSTALLATION: 'Blue' })).toThrow('[a-z][a-z0-9]{0,15}');
    expect(faultsOf({ MILLRACE_TASK_QUEUE: 'blue/millrace' })).toEqual({ MILLRACE_TASK_QUEUE: 'blue/millrace' });
  });

  it('reads every setting', () => {
    const environment = readEnvironment({
      DATABASE_URL: 'postgres://me:secret@db:5433/store',
      KAFKA_BROKERS: 'a:9092, [::1]:9093',
      KAFKA_SSL: 'true',
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'user',
      KAFKA_SASL_PASSWORD: 'secret',
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: 'features',
      TEMPORAL_API_KEY: 'key',
      MILLRACE_DATA_DIR: '/data',
      MILLRACE_ARCHIVE_DIR: '/archive',
      MILLRACE_SPILL_DIR: '/spill',
      MILLRACE_SERVED_TOPIC: 'reads',
      MILLRACE_SERVED_SAMPLE: '0.25',
      MILLRACE_API_PORT: '0',
      MILLRACE_MEMORY_MB: '1024',
      MILLRACE_COMMITS_MB: '3',
      MILLRACE_DEAD_LETTERS_MB: '5',
      MILLRACE_DEAD_LETTERS_DAYS: '7',
      MILLRACE_LOG_LEVEL: 'debug',
    });
    expect(environment).toMatchObject({
      databaseUrl: 'postgres://me:secret@db:5433/store',
      kafka: {
        brokers: ['a:9092', '[::1]:9093'],
        ssl: true,
        sasl: { mechanism: 'scram-sha-512', username: 'user', password: 'secret' },
      },
      temporal: {
        address: 'temporal.example:7233',
        namespace: 'features',
        uiUrl: 'http://temporal.example:8233',
        apiKey: 'key',
        tls: true,
      },
      dataDir: '/data',
      archiveDir: '/archive',
      spillDir: '/spill',
      servedTopic: 'reads',
      servedSample: 0.25,
      apiPort: 0,
      workerMetrics: null,
      memoryMb: 1024,
      catalogBounds: { commitBytes: 3 * 2 ** 20, deadLetterBytes: 5 * 2 ** 20, deadLetterDays: 7 },
      logLevel: 'debug',
    });
  });

  it('reports every fault at once and hides secrets', () => {
    expect(
      faultsOf({
        DATABASE_URL: 'mysql://me:secret@db/store',
        KAFKA_BROKERS: 'a:9092,b',
        KAFKA_SSL: 'maybe',
        KAFKA_SASL_PASSWORD: 'secret',
        TEMPORAL_ADDRESS: 'nowhere',
        MILLRACE_API_PORT: '70000',
        MILLRACE_MEMORY_MB: '767',
        MILLRACE_COMMITS_MB: '0',
        MILLRACE_DEAD_LETTERS_DAYS: '1.5',
        MILLRACE_LOG_LEVEL: 'loud',
        MILLRACE_TEMPORAL_UI: 'ui',
        MILLRACE_SERVED_TOPIC: 'two words',
        MILLRACE_SERVED_SAMPLE: '1.5',
        MILLRACE_SENSITIVE_KEY: 'too short',
      }),
    ).toEqual({
      DATABASE_URL: 'mysql://me:***@db/store',
      KAFKA_BROKERS: 'a:9092,b',
      KAFKA_SSL: 'maybe',
      KAFKA_SASL_MECHANISM: null,
      KAFKA_SASL_USERNAME: null,
      TEMPORAL_ADDRESS: 'nowhere',
      MILLRACE_API_PORT: '70000',
      MILLRACE_MEMORY_MB: '767',
      MILLRACE_COMMITS_MB: '0',
      MILLRACE_DEAD_LETTERS_DAYS: '1.5',
      MILLRACE_LOG_LEVEL: 'loud',
      MILLRACE_TEMPORAL_UI: 'ui',
      MILLRACE_SERVED_TOPIC: 'two words',
      MILLRACE_SERVED_SAMPLE: '1.5',
      MILLRACE_SENSITIVE_KEY: '***',
    });
  });

  it.each(['0', '1', '1.0', '.5', '0.000001'])('takes %s as a share of entities', (share) => {
    expect(readEnvironment({ MILLRACE_SERVED_SAMPLE: share }).servedSample).toBe(Number(share));
  });

  it.each(['-0.1', '1.01', 'all', '1e-3', ' '])('refuses "%s" as a share of entities', (share) => {
    expect(faultsOf({ MILLRACE_SERVED_SAMPLE: share })).toEqual({ MILLRACE_SERVED_SAMPLE: share });
  });

  it('asks for the brokers that other Kafka settings belong to', () => {
    expect(faultsOf({ KAFKA_SSL: 'true' })).toEqual({ KAFKA_BROKERS: null });
  });

  it('says why a Temporal profile cannot be read', () => {
    expect(faultsOf({ TEMPORAL_PROFILE: 'absent', TEMPORAL_CONFIG_FILE: '/nonexistent/temporal.toml' })).toHaveProperty(
      'TEMPORAL_PROFILE',
      'absent',
    );
  });
});
