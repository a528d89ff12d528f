import type { KafkaSettings } from '../config/environment.ts';
import { withAdmin } from '../config/kafka-admin.ts';
import type { CompiledLabelSet } from '../engine/define/compiled-label-set.ts';
import type { Definitions } from '../engine/define/compiled-view.ts';

/** `ConfigResourceTypes.TOPIC`. */
const TOPIC = 2;
const TIMESTAMP_TYPE = 'message.timestamp.type';

/** A topic's records have the times at which the broker took them: nobody's record is older than it came. */
export const BY_BROKER = { name: TIMESTAMP_TYPE, value: 'LogAppendTime' } as const;

/** The topics of outcomes by which labels are told, each with its label sets: when their records arrived decides what a label may use. */
export function topicsOfOutcomes(labelSets: Iterable<CompiledLabelSet>): Map<string, string[]> {
  const topics = new Map<string, string[]>();
  for (const { name, outcomes } of labelSets)
    if (outcomes.topic !== null) topics.set(outcomes.topic, [...(topics.get(outcomes.topic) ?? []), name]);
  return topics;
}

/** The topics that are made with the broker's times: of decisions, of outcomes, and of whatever stands for outcomes. */
export function topicsByBroker({ sources, labelSets }: Pick<Definitions, 'sources' | 'labelSets'>): Set<string> {
  const said = [...sources.values()].flatMap(({ says, topic }) =>
    says === undefined || topic === null ? [] : [topic],
  );
  return new Set([...said, ...topicsOfOutcomes(labelSets.values()).keys()]);
}

/** What a topic whose records have their writers' times does to labels, and what to do about it. */
export function writerTimesText(topic: string, labelSets: readonly string[]): { found: string; remedy: string } {
  const sets = labelSets.length === 0 ? 'labels' : `label set ${labelSets.join(', ')}`;
  return {
    found: `${TIMESTAMP_TYPE} is CreateTime: an outcome that its application held back is as old as it says, and may change what ${sets} told before it came`,
    remedy: `Let the broker say when records come: kafka-configs --alter --topic ${topic} --add-config ${TIMESTAMP_TYPE}=LogAppendTime. It holds for records from then on, and those that are there keep their times. A replay that writes its own times (MILLRACE_BROKER_CLOCK) needs CreateTime.`,
  };
}

/** Of these topics the ones there are whose records have their writers' times. */
export async function topicsByWriter(kafka: KafkaSettings, topics: readonly string[]): Promise<string[]> {
  if (topics.length === 0) return [];
  return await withAdmin(kafka, async (admin) => {
    const present = new Set(await admin.listTopics());
    const asked = topics.filter((topic) => present.has(topic));
    if (asked.length === 0) return [];
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: asked.map((name) => ({ type: TOPIC, name, configNames: [TIMESTAMP_TYPE] })),
    });
    return resources.flatMap(({ resourceName, configEntries }) =>
      configEntries.some(({ configName, configValue }) => configName === TIMESTAMP_TYPE && configValue === 'CreateTime')
        ? [resourceName]
        : [],
    );
  });
}
