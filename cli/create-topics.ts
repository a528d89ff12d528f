import type { KafkaJSAggregateError } from 'kafkajs';
import type { KafkaSettings } from '../config/environment.ts';
import { createTopicCommand, makeTopics, withAdmin } from '../config/kafka-admin.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { BY_BROKER } from './arrival-topics.ts';

/**
 * Creates the topics that are not there yet; returns their names. Existing ones stay as they are.
 *
 * @param byBroker those of them whose records are to have the broker's times; of the others the cluster's default holds
 * @throws MillraceError `topics-not-created` where the user or a policy of the cluster does not let it.
 */
export async function createTopics(
  kafka: KafkaSettings,
  topics: readonly string[],
  partitions: number,
  byBroker: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  if (topics.length === 0) return [];
  return await withAdmin(kafka, async (admin) => {
    const existing = new Set(await admin.listTopics());
    const missing = [...new Set(topics)].filter((topic) => !existing.has(topic));
    if (missing.length > 0) {
      try {
        await makeTopics(
          admin,
          missing.map((topic) => ({
            topic,
            numPartitions: partitions,
            ...(byBroker.has(topic) ? { configEntries: [BY_BROKER] } : {}),
          })),
        );
      } catch (error) {
        throw notCreated(error, kafka, partitions, byBroker);
      }
    }
    return missing;
  });
}

/** kafkajs's error of one topic, which its types do not have. */
interface RefusedTopic extends Error {
  readonly topic: string;
  readonly type: string;
}

/** By name: the class is no named export of a CommonJS module. */
function isAggregate(error: unknown): error is KafkaJSAggregateError {
  return error instanceof Error && error.name === 'KafkaJSAggregateError';
}

/** Of several topics kafkajs tells those that were refused; other errors stay what they are. */
function notCreated(
  error: unknown,
  { brokers }: KafkaSettings,
  partitions: number,
  byBroker: ReadonlySet<string>,
): unknown {
  if (!isAggregate(error)) return error;
  const refused = error.errors.filter((one): one is RefusedTopic => one instanceof Error && 'topic' in one);
  if (refused.length === 0) return error;
  const whys = refused.map(({ topic, type, message }) => `${topic} (${type}: ${message})`);
  const address = brokers.join(',');
  const commands = refused.map(({ topic }) => {
    const command = createTopicCommand(address, topic, partitions);
    return byBroker.has(topic) ? `${command} --config ${BY_BROKER.name}=${BY_BROKER.value}` : command;
  });
  return new MillraceError('topics-not-created', `Kafka at ${address} does not make the topics ${whys.join(', ')}`, {
    remedy: `Let an administrator run: ${commands.join(' && ')} (then start again without making topics)`,
    httpStatus: 502,
    cause: error,
  });
}

/** The topics there are. */
export async function existingTopics(kafka: KafkaSettings): Promise<Set<string>> {
  return await withAdmin(kafka, async (admin) => new Set(await admin.listTopics()));
}
