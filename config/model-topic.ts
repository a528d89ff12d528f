import type { Admin } from 'kafkajs';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { KafkaSettings } from './environment.ts';
import { createTopicCommand, makeTopics, withAdmin } from './kafka-admin.ts';

/** Models are found by their offsets: nothing of the topic may go by itself. */
const SETTINGS: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
};
/** `ConfigResourceTypes.TOPIC`. */
const TOPIC = 2;

/**
 * Makes the topic of models where it is not there: one partition, and nothing of it ever goes. Throws MillraceError `model-topic-unfit` for one that is there
 * and loses records, `topics-not-created` where the cluster does not let it.
 */
export async function ensureModelTopic(kafka: KafkaSettings, topic: string): Promise<void> {
  await withAdmin(kafka, async (admin) => {
    if (!(await admin.listTopics()).includes(topic)) {
      const configEntries = Object.entries(SETTINGS).map(([name, value]) => ({ name, value }));
      try {
        // Where another was quicker, that one is as good.
        await makeTopics(admin, [{ topic, numPartitions: 1, configEntries }]);
        return;
      } catch (cause) {
        const brokers = kafka.brokers.join(',');
        const settings = Object.entries(SETTINGS).map(([name, value]) => `--config ${name}=${value}`);
        throw new MillraceError(
          'topics-not-created',
          `Kafka at ${brokers} does not make the topic ${topic}: ${cause instanceof Error ? cause.message : String(cause)}`,
          {
            remedy: `Let an administrator run: ${createTopicCommand(brokers, topic, 1)} ${settings.join(' ')}`,
            httpStatus: 502,
            cause,
          },
        );
      }
    }
    await refuseUnfit(admin, kafka, topic);
  });
}

/** Whether the topic of models is there, looked at and not made. Throws MillraceError `model-topic-unfit` for one that loses records. */
export async function isModelTopicThere(kafka: KafkaSettings, topic: string): Promise<boolean> {
  return await withAdmin(kafka, async (admin) => {
    if (!(await admin.listTopics()).includes(topic)) return false;
    await refuseUnfit(admin, kafka, topic);
    return true;
  });
}

async function refuseUnfit(admin: Admin, kafka: KafkaSettings, topic: string): Promise<void> {
  const configNames = Object.keys(SETTINGS);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: TOPIC, name: topic, configNames }],
  });
  const wrong = (resources[0]?.configEntries ?? []).filter(
    ({ configName, configValue }) => SETTINGS[configName] !== undefined && SETTINGS[configName] !== configValue,
  );
  if (wrong.length === 0) return;
  const told = wrong.map(
    ({ configName, configValue }) => `${configName}=${configValue} (expected ${SETTINGS[configName]})`,
  );
  throw new MillraceError('model-topic-unfit', `topic ${topic} has ${told.join(', ')}: models on it would be lost`, {
    remedy: `kafka-configs.sh --bootstrap-server ${kafka.brokers.join(',')} --alter --entity-type topics --entity-name ${topic} --add-config ${wrong.map(({ configName }) => `${configName}=${SETTINGS[configName]}`).join(',')}`,
    details: { topic },
  });
}
