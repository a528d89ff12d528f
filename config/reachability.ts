import { once } from 'node:events';
import { connect } from 'node:net';
import { Connection } from '@temporalio/client';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { kafkaFailure } from '../engine/kafka/kafka-failure.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';
import type { KafkaSettings } from './environment.ts';
import { nameTemporalError } from './temporal-error.ts';
import { type TemporalSettings, temporalConnectionOptions } from './temporal-settings.ts';

/** The services to check; those left out are not. */
export interface ServiceAddresses {
  readonly databaseUrl?: string | null;
  readonly kafka?: KafkaSettings | null;
  readonly temporal?: TemporalSettings | null;
}

/** A service that did not answer. */
export interface UnreachableService {
  readonly service: 'postgres' | 'kafka' | 'temporal';
  readonly address: string;
  readonly variable: string;
  readonly reason: string;
  /** What to do where it answers, and refuses; null where it does not answer. */
  readonly remedy: string | null;
}

/**
 * Does one real operation on each service, all at once.
 *
 * @param timeoutMs for each of them; the whole takes hardly longer, even against an address that swallows every packet
 * @throws MillraceError `service-unreachable` (503, retryable) naming every service that did not answer (`details.services`)
 * @example
 * await checkReachable({ databaseUrl, kafka, temporal });
 */
export async function checkReachable(addresses: ServiceAddresses, timeoutMs = 4000): Promise<void> {
  const { databaseUrl, kafka, temporal } = addresses;
  const checks: Promise<UnreachableService | null>[] = [];
  if (databaseUrl) {
    const subject = { service: 'postgres', address: addressOf(databaseUrl), variable: 'DATABASE_URL' } as const;
    const named = (error: unknown): unknown => namePostgresError(error, subject.address);
    checks.push(attempt(subject, timeoutMs, named, () => queryPostgres(databaseUrl, timeoutMs)));
  }
  if (kafka) {
    const subject = { service: 'kafka', address: kafka.brokers.join(','), variable: 'KAFKA_BROKERS' } as const;
    const named = (error: unknown): unknown => kafkaFailure(error, kafka.brokers, 'the cluster').error;
    checks.push(attempt(subject, timeoutMs, named, () => describeCluster(kafka, timeoutMs)));
  }
  if (temporal) {
    const subject = { service: 'temporal', address: temporal.address, variable: 'TEMPORAL_ADDRESS' } as const;
    checks.push(attempt(subject, timeoutMs, nameTemporalError, () => describeNamespace(temporal, timeoutMs)));
  }
  const services = (await Promise.all(checks)).filter((fault) => fault !== null);
  if (services.length === 0) return;
  const lines = services.map(
    (fault) => `  ${fault.service} at ${fault.address} (set by ${fault.variable}): ${fault.reason}`,
  );
  const refused = services.flatMap(({ remedy }) => remedy ?? []);
  const variables = services.filter(({ remedy }) => remedy === null).map(({ variable }) => variable);
  throw new MillraceError('service-unreachable', `cannot reach:\n${lines.join('\n')}`, {
    remedy: [...(variables.length === 0 ? [] : [startOrCorrect(variables.join(', '))]), ...refused].join('\n'),
    retryable: true,
    httpStatus: 503,
    details: { services },
  });
}

function startOrCorrect(variables: string): string {
  return `Start what is down, or correct ${variables}; unset, they let \`millrace dev\` start the services itself.`;
}

type Subject = Omit<UnreachableService, 'reason' | 'remedy'>;

async function attempt(
  subject: Subject,
  timeoutMs: number,
  name: (error: unknown) => unknown,
  work: () => Promise<void>,
): Promise<UnreachableService | null> {
  const limit = Promise.withResolvers<never>();
  // The clients have time limits of their own, per step; this one bounds their sum.
  const timer = setTimeout(() => limit.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs + 500);
  try {
    await Promise.race([work(), limit.promise]);
    return null;
  } catch (error) {
    const named = name(error);
    const remedy = isMillraceError(named) && !named.waits ? named.remedy : null;
    return { ...subject, reason: reasonOf(error), remedy };
  } finally {
    clearTimeout(timer);
  }
}

async function queryPostgres(databaseUrl: string, timeoutMs: number): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    // Not awaited: closing a connection that nobody answers would take as long as the check itself.
    client.end().catch(() => undefined);
  }
}

async function describeCluster(kafka: KafkaSettings, timeoutMs: number): Promise<void> {
  const { brokers, ssl, sasl } = kafka;
  const admin = new Kafka({
    clientId: 'millrace-check',
    brokers: [...brokers],
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    logLevel: logLevel.NOTHING,
    // Each retry takes the next broker of the list: all of them get their turn within the limit.
    connectionTimeout: Math.max(500, Math.floor(timeoutMs / brokers.length)),
    requestTimeout: timeoutMs,
    retry: { retries: brokers.length - 1, initialRetryTime: 50, maxRetryTime: 100 },
  }).admin();
  try {
    await admin.connect();
    await admin.describeCluster();
  } finally {
    admin.disconnect().catch(() => undefined);
  }
}

async function describeNamespace(temporal: TemporalSettings, timeoutMs: number): Promise<void> {
  await openSocket(temporal.address, timeoutMs);
  const connection = await Connection.connect({ ...temporalConnectionOptions(temporal), connectTimeout: timeoutMs });
  try {
    await connection.withDeadline(Date.now() + timeoutMs, () =>
      connection.workflowService.describeNamespace({ namespace: temporal.namespace }),
    );
  } finally {
    connection.close().catch(() => undefined);
  }
}

/** gRPC goes on trying a port that nobody listens on until its time is up, and does not say why it failed. */
async function openSocket(address: string, timeoutMs: number): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = connect({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
    throw new Error(`no answer within ${timeoutMs} ms`, { cause: error });
  } finally {
    socket.destroy();
  }
}

function addressOf(databaseUrl: string): string {
  const { hostname, port, pathname } = new URL(databaseUrl);
  return `${hostname}:${port || '5432'}${pathname}`;
}

function reasonOf(error: unknown): string {
  // A host with several addresses fails with one error for each, and no message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  if (!(error instanceof Error)) return String(error);
  const details = 'details' in error && typeof error.details === 'string' ? error.details : '';
  return details || error.message || error.name;
}
