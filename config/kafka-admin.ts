import { type Admin, Kafka, logLevel } from 'kafkajs';
import type { KafkaSettings } from './environment.ts';

/**
 * The command that makes a topic, for who may.
 *
 * @param brokers `host:port`, with commas between
 */
export function createTopicCommand(brokers: string, topic: string, partitions: number): string {
  return `kafka-topics.sh --bootstrap-server ${brokers} --create --if-not-exists --topic ${topic} --partitions ${partitions}`;
}

/** Runs `work` with an admin client of the cluster. */
export async function withAdmin<T>(
  { brokers, ssl, sasl }: KafkaSettings,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = new Kafka({
    clientId: 'millrace-topics',
    brokers: [...brokers],
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    logLevel: logLevel.NOTHING,
  }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}
