import { Kafka, logLevel } from 'kafkajs';
import { kafkaFailure } from '../../engine/kafka/kafka-failure.ts';
import type { KafkaSettings } from '../environment.ts';

/** Asks a broker of whom the cluster consists. Throws what went wrong, unnamed. */
export async function probeKafka(kafka: KafkaSettings, timeoutMs: number): Promise<void> {
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

/** What such an error means. */
export function nameFailure(error: unknown, { brokers }: KafkaSettings): unknown {
  return kafkaFailure(error, brokers, 'the cluster').error;
}
