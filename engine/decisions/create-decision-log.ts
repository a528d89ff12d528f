import { randomUUID } from 'node:crypto';
import { installationNamed } from '../installation/installation-named.ts';
import type { KafkaAddress } from '../kafka/kafka-link.ts';
import { openKafkaWriter } from '../kafka/open-kafka-writer.ts';
import type { BufferSettings } from '../topic/buffered-log.ts';
import type { LogWriter } from '../topic/log-writer.ts';
import { type Clock, systemClock } from '../values/clock.ts';
import { DecisionLog, type DecisionLogOptions } from './decision-log.ts';

/** How to say decisions and outcomes: where to, and how much may wait. */
export type DecisionLogSettings = DecisionLogPlace & {
  /** Whose topics they are. Default: MILLRACE_INSTALLATION, else `default`. */
  readonly installation?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Makes the ids of decisions and outcomes. Default: UUIDs of version 7. */
  readonly newId?: (() => string) | undefined;
} & BufferSettings &
  Pick<DecisionLogOptions, 'onDrop'>;

/** A writer, which stays the caller's to close, or a Kafka to open one to. */
export type DecisionLogPlace =
  | { readonly writer: LogWriter }
  | { readonly kafka: Omit<KafkaAddress, 'clientId'> & { readonly clientId?: string | undefined } };

/**
 * A log of decisions and outcomes by its settings. Nothing is connected before the first one; Kafka being away is no error here or later.
 *
 * @throws MillraceError `bad-configuration` for a wrong name of the installation
 * @example
 * const log = createDecisionLog({ kafka: { brokers: ['127.0.0.1:9092'] } });
 */
export function createDecisionLog(settings: DecisionLogSettings): DecisionLog {
  const { installation, clock = systemClock, newId, onDrop } = settings;
  const { maxBuffered, maxBufferedBytes, flushMs, retryForMs, closeForMs } = settings;
  const own = 'kafka' in settings;
  const what = 'the log of decisions';
  return new DecisionLog({
    writer: own
      ? openKafkaWriter({ ...settings.kafka, clientId: settings.kafka.clientId ?? 'millrace-decisions' }, what)
      : settings.writer,
    ownsWriter: own,
    installation: installationNamed(installation),
    clock,
    logId: randomUUID(),
    newId,
    maxBuffered,
    maxBufferedBytes,
    flushMs,
    retryForMs,
    closeForMs,
    onDrop,
  });
}
