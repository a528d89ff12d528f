import { type Admin, Kafka, logLevel } from 'kafkajs';
import type { KafkaSettings } from '../config/environment.ts';

/** Creates the topics that are not there yet; returns their names. Existing ones stay as they are. */
export async function createTopics(
  kafka: KafkaSettings,
  topics: readonly string[],
  partitions: number,
): Promise<string[]> {
  if (topics.length === 0) return [];
  return await withAdmin(kafka, async (admin) => {
    const existing = new Set(await admin.listTopics());
    const missing = [...new Set(topics)].filter((topic) => !existing.has(topic));
    if (missing.length > 0) {
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map((topic) => ({ topic, numPartitions: partitions })),
      });
    }
    return missing;
  });
}

/** The topics there are. */
export async function existingTopics(kafka: KafkaSettings): Promise<Set<string>> {
  return await withAdmin(kafka, async (admin) => new Set(await admin.listTopics()));
}

async function withAdmin<T>({ brokers, ssl, sasl }: KafkaSettings, work: (admin: Admin) => Promise<T>): Promise<T> {
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
