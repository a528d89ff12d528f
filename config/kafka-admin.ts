import { setTimeout as delay } from 'node:timers/promises';
import { type Admin, type ITopicConfig, Kafka, logLevel } from 'kafkajs';
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

const LEADERS_MS = 30_000;
const LOOK_MS = 100;
/** What brokers answer of a topic that is being made. */
const NOT_YET: readonly string[] = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'];

/**
 * Makes topics, and waits for their leaders, 30 s at most: kafkajs's own wait gives up where a busy broker does not know a new topic yet. Those that are
 * there stay as they are. Throws what kafkajs throws where the cluster refuses.
 */
export async function makeTopics(admin: Admin, topics: readonly ITopicConfig[]): Promise<void> {
  await admin.createTopics({ topics: [...topics], waitForLeaders: false });
  const names = topics.map(({ topic }) => topic);
  const untilMs = performance.now() + LEADERS_MS;
  while (!(await haveLeaders(admin, names)) && performance.now() < untilMs) await delay(LOOK_MS);
}

async function haveLeaders(admin: Admin, names: readonly string[]): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
    return topics.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0));
  } catch (error) {
    // After tries of its own kafkajs throws another error with this one as its cause.
    const { type, cause } = error as { readonly type?: string; readonly cause?: { readonly type?: string } };
    if (NOT_YET.includes(type ?? '') || NOT_YET.includes(cause?.type ?? '')) return false;
    throw error;
  }
}
