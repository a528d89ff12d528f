import { randomUUID } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { createTopics } from '../../cli/create-topics.ts';
import { checkKafka } from '../../cli/doctor/check-kafka.ts';
import { registerSearchAttributes } from '../../config/search-attributes.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { migrateToLatest, pendingMigrations } from '../../engine/postgres/migrate.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { type ClosedTemporal, startClosedTemporal } from './closed-temporal.ts';
import { type RestrictedKafka, startRestrictedKafka } from './restricted-kafka.ts';
import { createLogin } from '../postgres/test-login.ts';

const { schemas, roles } = installationNames();
const SCHEMAS = Object.values(schemas);
const TIMEOUT_MS = 180_000;
const NAMES = [
  'FeatureView',
  'FeaturePhase',
  'FeatureVersion',
  'FeatureParity',
  'ArchiveSource',
  'ArchivePhase',
  'RolloutModel',
  'RolloutPhase',
  'TrainingModel',
  'TrainingPhase',
  'Pairs',
];
const MISSING = NAMES.slice(2).join(', ');
/** Of those that are no keywords, the type by name and on the wire. */
const OTHERS: Readonly<Record<string, readonly [string, number]>> = {
  FeatureVersion: ['Int', 3],
  Pairs: ['KeywordList', 7],
};
const TYPED = NAMES.slice(2).map((name) => `--name ${name} --type ${OTHERS[name]?.[0] ?? 'Keyword'}`);

let temporal: ClosedTemporal;
let kafka: RestrictedKafka;
beforeAll(async () => {
  temporal = await startClosedTemporal(inject('stack').temporalAddress);
  kafka = await startRestrictedKafka();
});
afterAll(async () => {
  await kafka?.stop();
  await temporal?.close();
});

/** A user that may do nothing but log in, and its URL. */
async function plainUser(database: OwnDatabase): Promise<{ login: string; url: string; drop(): Promise<void> }> {
  const login = `plain_${randomUUID().slice(0, 8)}`;
  const url = await createLogin(database.pool, database.url, login);
  return {
    login,
    url,
    drop: async () => {
      await database.pool.query(`DROP OWNED BY ${ident(login)} CASCADE`);
      await database.pool.query(`DROP ROLE ${ident(login)}`);
    },
  };
}

describe('a Temporal whose operator service is closed', { timeout: TIMEOUT_MS }, () => {
  it('does for search attributes that were made beforehand', async () => {
    const { temporalNamespace: namespace } = inject('stack');
    await registerSearchAttributes({ address: temporal.address, namespace, uiUrl: '' });
    expect(temporal.refused).toContain('/temporal.api.operatorservice.v1.OperatorService/ListSearchAttributes');
  });

  it('is told from one that lacks some, and the command makes those', async () => {
    const { temporalAddress } = inject('stack');
    const namespace = `closed-${randomUUID()}`;
    const connection = await Connection.connect({ address: temporalAddress });
    try {
      await connection.workflowService.registerNamespace({
        namespace,
        workflowExecutionRetentionPeriod: msToTs('1 day'),
      });
      const add = (names: readonly string[]): Promise<unknown> =>
        connection.operatorService.addSearchAttributes({
          namespace,
          searchAttributes: Object.fromEntries(names.map((name) => [name, OTHERS[name]?.[1] ?? 2])),
        });
      // A new namespace is known to every part of the server a little later.
      await vi.waitFor(() => add(NAMES.slice(0, 2)), { timeout: 30_000, interval: 200 });
      const closed = { address: temporal.address, namespace, uiUrl: '' };
      await vi.waitFor(
        () =>
          expect(registerSearchAttributes(closed)).rejects.toMatchObject({
            code: 'search-attributes-not-registered',
            message: expect.stringMatching(
              new RegExp(`attributes ${MISSING} in namespace .* PERMISSION_DENIED: Request unauthorized\\.$`),
            ),
            remedy: `Let an administrator run: temporal operator search-attribute create --namespace ${namespace} ${TYPED.join(' ')}`,
          }),
        { timeout: 30_000, interval: 200 },
      );
      const told = await runCli(['doctor', '--json'], {
        TEMPORAL_ADDRESS: temporal.address,
        TEMPORAL_NAMESPACE: namespace,
        MILLRACE_FEATURES: 'test/upgrade/features',
      });
      expect(told.stdout).toContain(`missing: ${MISSING}`);
      await add(NAMES.slice(2));
      await vi.waitFor(() => registerSearchAttributes(closed), { timeout: 30_000, interval: 200 });
    } finally {
      await connection.close();
    }
  });
});

describe('a Kafka that lets nobody make topics', { timeout: TIMEOUT_MS }, () => {
  const topic = `restricted-${process.pid}`;

  it('is told with the command that makes them', async () => {
    await expect(createTopics(kafka.closed, [`${topic}-a`, `${topic}-b`], 3)).rejects.toMatchObject({
      code: 'topics-not-created',
      message: expect.stringMatching(/-a \(TOPIC_AUTHORIZATION_FAILED: .*-b \(TOPIC_AUTHORIZATION_FAILED: /),
      remedy: expect.stringMatching(
        /^Let an administrator run: kafka-topics\.sh --bootstrap-server \S+ --create --if-not-exists --topic \S+-a --partitions 3 && .* --topic \S+-b --partitions 3 /,
      ),
    });
  });

  it('is told with the command that lets a user read, and the topic is read once it may', async () => {
    await createTopics(kafka.open, [`${topic}-read`], 2);
    const reader = createKafkaLogReader({ ...kafka.closed, clientId: 'test' });
    try {
      await expect(reader.bounds(`${topic}-read`)).rejects.toMatchObject({
        code: 'kafka-not-authorized',
        remedy: expect.stringMatching(
          / --bootstrap-server 127\.0\.0\.1:\d+ .* --operation DescribeConfigs --topic \S+-read$/,
        ),
      });
      const before = await checkKafka(kafka.closed, [{ topic: `${topic}-read`, of: 'source s' }]);
      expect(before.at(-1)).toMatchObject({
        level: 'fail',
        found: 'of source s: there is none, or none that this user may see',
      });
      await kafka.grant(`${topic}-read`, ['read']);
      await vi.waitFor(() => expect(reader.bounds(`${topic}-read`)).rejects.toThrow('refuses this principal (topic'));
      const half = await checkKafka(kafka.closed, [{ topic: `${topic}-read`, of: 'source s' }]);
      expect(half.at(-1)).toMatchObject({ level: 'fail', area: `topic ${topic}-read` });
      await kafka.grant(`${topic}-read`, ['describeConfigs']);
      await expect
        .poll(() =>
          reader.bounds(`${topic}-read`).then(
            (bounds) => bounds.partitions.length,
            () => 0,
          ),
        )
        .toBe(2);
    } finally {
      await reader.close();
    }
  });
});

describe('a database whose user may not make schemas', { timeout: TIMEOUT_MS }, () => {
  it('is told with the statements that make them, and migrates once an administrator ran them', async () => {
    const database = await createOwnDatabase(inject('stack').databaseUrl);
    const user = await plainUser(database);
    try {
      const tried = await runCli(['migrate', '--no-roles'], { DATABASE_URL: user.url });
      expect(tried).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('error schemas-missing') });
      for (const schema of SCHEMAS)
        expect(tried.stderr).toContain(`CREATE SCHEMA ${ident(schema)} AUTHORIZATION ${ident(user.login)};`);
      const looked = await runCli(['doctor', '--json'], { DATABASE_URL: user.url });
      expect(looked.stdout).toContain('millrace, millrace_catalog, millrace_state, millrace_sql are missing or closed');

      const statements = /try again: (.*;)/.exec(tried.stderr)?.[1] ?? '';
      await database.pool.query(statements);
      expect(await runCli(['migrate', '--no-roles'], { DATABASE_URL: user.url })).toMatchObject({ exitCode: 0 });
      expect(await pendingMigrations(database.pool)).toEqual([]);
      expect(await migrateToLatest(user.url)).toEqual([]);
    } finally {
      await user.drop();
      await database.drop();
    }
  });

  it('is told of schemas that are there and closed to it', async () => {
    const database = await createOwnDatabase(inject('stack').databaseUrl);
    const user = await plainUser(database);
    try {
      for (const schema of SCHEMAS.slice(1))
        await database.pool.query(`CREATE SCHEMA ${ident(schema)} AUTHORIZATION ${ident(user.login)}`);
      await database.pool.query(`CREATE SCHEMA ${ident(schemas.surface)}`);
      await expect(migrateToLatest(user.url)).rejects.toMatchObject({
        code: 'schemas-missing',
        remedy: expect.stringContaining(`GRANT USAGE, CREATE ON SCHEMA "millrace" TO ${ident(user.login)};`),
      });
      await database.pool.query(`GRANT USAGE, CREATE ON SCHEMA "millrace" TO ${ident(user.login)}`);
      expect((await migrateToLatest(user.url)).length).toBeGreaterThan(0);
    } finally {
      await user.drop();
      await database.drop();
    }
  });
});

describe('a worker that may nowhere do more than its work', { timeout: TIMEOUT_MS }, () => {
  it('builds a view, streams it and serves what it should', async () => {
    const stack = { ...inject('stack'), kafkaBrokers: kafka.open.brokers };
    const world = await ClicksWorld.open(stack, `restricted-${randomUUID().slice(0, 8)}`);
    const login = `${world.view}_worker`;
    try {
      expect(await runCli(['migrate'], { DATABASE_URL: world.databaseUrl })).toMatchObject({ exitCode: 0 });
      const url = await createLogin(world.pool, world.databaseUrl, login, `IN ROLE ${ident(roles.worker)}`);
      await world.pool.query(`ALTER ROLE ${ident(login)} SET role = ${ident(roles.worker)}`);
      await kafka.grant(world.topic, ['read', 'describeConfigs']);
      const variables = {
        DATABASE_URL: url,
        KAFKA_BROKERS: kafka.closed.brokers.join(','),
        KAFKA_SASL_MECHANISM: 'plain',
        KAFKA_SASL_USERNAME: kafka.closed.sasl.username,
        KAFKA_SASL_PASSWORD: kafka.closed.sasl.password,
        TEMPORAL_ADDRESS: temporal.address,
      };
      world.writeHistory(world.make(1_000));
      await world.send(world.make(200));
      await world.startWorker(variables);
      const run = async (...args: string[]): Promise<void> =>
        expect(await runCli(args, { ...world.variables, ...variables })).toMatchObject({ exitCode: 0 });
      await run('start', world.view, '--wait');
      await run('promote', world.view);
      await world.send(world.make(200));
      await expect.poll(() => world.served(), { timeout: 60_000 }).toEqual(world.expected());
    } finally {
      await world.stopWorker();
      await world.pool.query(`DROP ROLE IF EXISTS ${ident(login)}`);
      await world.close();
    }
  });
});
