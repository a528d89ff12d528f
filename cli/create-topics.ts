import { Kafka, logLevel } from 'kafkajs';
import type { KafkaSettings } from '../stack/environment.ts';

/** Creates the topics that are not there yet; returns their names. Existing ones stay as they are. */
export async function createTopics(
  kafka: KafkaSettings,
  topics: readonly string[],
  partitions: number,
): Promise<string[]> {
  if (topics.length === 0) return [];
  const { brokers, ssl, sasl } = kafka;
  const admin = new Kafka({
    clientId: 'millrace-topics',
    brokers: [...brokers],
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    logLevel: logLevel.NOTHING,
  }).admin();
  await admin.connect();
  try {
    const existing = new Set(await admin.listTopics());
    const missing = [...new Set(topics)].filter((topic) => !existing.has(topic));
    if (missing.length > 0) {
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map((topic) => ({ topic, numPartitions: partitions })),
      });
    }
    return missing;
  } finally {
    await admin.disconnect();
  }
}
