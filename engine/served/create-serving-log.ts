import { randomUUID } from 'node:crypto';
import { MillraceError } from '../errors/millrace-error.ts';
import { installationNamed } from '../installation/installation-named.ts';
import { type Clock, systemClock } from '../values/clock.ts';
import type { KafkaAddress } from '../kafka/kafka-link.ts';
import { openKafkaWriter } from '../kafka/open-kafka-writer.ts';
import type { LogWriter } from '../topic/log-writer.ts';

import { ServingLog, type ServingLogOptions } from './serving-log.ts';

/** How to log what is served: where to, and how much of it. */
export type ServingLogSettings = ServingLogPlace & {
  /** Whose log it is. Default: MILLRACE_INSTALLATION, else `default`. */
  readonly installation?: string | undefined;
  /** Default `millrace.served`, that of an installation `millrace.NAME.served`. It has to exist, with `cleanup.policy=delete`. */
  readonly topic?: string | undefined;
  /** Share of entities whose reads are logged, 0 to 1. Default 0.01. */
  readonly sample?: number | undefined;
  /** The share per service, above what the services' definitions say. */
  readonly services?: Readonly<Record<string, number>> | undefined;
  readonly clock?: Clock | undefined;
  /** Default: random. */
  readonly newId?: (() => string) | undefined;
} & Pick<ServingLogOptions, 'maxBuffered' | 'maxBufferedBytes' | 'flushMs' | 'retryForMs' | 'closeForMs' | 'onDrop'>;

/** A writer, which stays the caller's to close, or a Kafka to open one to. */
export type ServingLogPlace =
  | { readonly writer: LogWriter }
  | { readonly kafka: Omit<KafkaAddress, 'clientId'> & { readonly clientId?: string | undefined } };

/**
 * A serving log by its settings. Nothing is connected before the first read is logged; Kafka being away is no error here or later.
 *
 * @throws MillraceError `invalid-sample`, `invalid-topic`, and `bad-configuration` for a wrong name of the installation.
 * @example
 * const log = createServingLog({ kafka: { brokers: ['127.0.0.1:9092'] }, sample: 0.05, services: { delay_model: 1 } });
 */
export function createServingLog(settings: ServingLogSettings): ServingLog {
  const {
    topic = installationNamed(settings.installation).servedTopic,
    sample,
    services = {},
    clock = systemClock,
    newId = randomUUID,
  } = settings;
  checkSample('the sample', sample);
  for (const [service, share] of Object.entries(services)) checkSample(`the sample of service "${service}"`, share);
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(topic)) {
    throw new MillraceError('invalid-topic', `the serving log: "${topic}" is no Kafka topic name`, {
      remedy: 'Use letters, digits, ".", "_" and "-".',
    });
  }
  const { maxBuffered, maxBufferedBytes, flushMs, retryForMs, closeForMs, onDrop } = settings;
  const bySample = new Map(Object.entries(services));
  const own = 'kafka' in settings;
  return new ServingLog({
    writer: own
      ? openKafkaWriter(
          { ...settings.kafka, clientId: settings.kafka.clientId ?? 'millrace-serving-log' },
          'the serving log',
        )
      : settings.writer,
    ownsWriter: own,
    topic,
    clock,
    logId: newId(),
    sample,
    sampleOf: (service) => bySample.get(service),
    maxBuffered,
    maxBufferedBytes,
    flushMs,
    retryForMs,
    closeForMs,
    onDrop,
  });
}

function checkSample(what: string, share: number | undefined): void {
  if (share === undefined || (typeof share === 'number' && share >= 0 && share <= 1)) return;
  throw new MillraceError(
    'invalid-sample',
    `${what}: expected a share of entities from 0 to 1, received ${String(share)}`,
    {
      remedy: 'Give 0.01 for 1 %, 1 for all, 0 for none.',
    },
  );
}
