import kafkajs, { type Admin, Kafka, logLevel } from 'kafkajs';
import type { KafkaSettings } from '../../config/environment.ts';
import { createTopicCommand } from '../../config/kafka-admin.ts';
import { isModelTopicThere } from '../../config/model-topic.ts';
import { writerTimesText } from '../arrival-topics.ts';
import { failed, fine, type Finding, findingsOf, skipped, warned } from './finding.ts';

const AREA = 'kafka';
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** Of a topic that is to be made, as "dev" makes them. */
const PARTITIONS = 4;

/** A topic that is looked at, and whose it is. */
export interface NamedTopic {
  readonly topic: string;
  /** As a finding names it, e.g. `source flights`. */
  readonly of: string;
  /** The label sets that go by when its records arrived; none of a topic that replays write. */
  readonly labelSets?: readonly string[] | undefined;
}

/** Brokers, and what the settings of each topic mean for what is made of it. */
export async function checkKafka(settings: KafkaSettings, topics: readonly NamedTopic[]): Promise<readonly Finding[]> {
  const { brokers, ssl, sasl } = settings;
  const kafka = new Kafka({
    clientId: 'millrace-doctor',
    brokers: [...brokers],
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    logLevel: logLevel.NOTHING,
    retry: { retries: 2 },
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const cluster = await admin.describeCluster();
    const findings = [fine(AREA, `cluster ${cluster.clusterId} of ${cluster.brokers.length} broker(s)`)];
    const present = new Set(await admin.listTopics());
    for (const named of topics) {
      if (!present.has(named.topic)) {
        findings.push(missing(named, brokers));
        continue;
      }
      findings.push(...(await findingsOf(`topic ${named.topic}`, () => topicFindings(admin, named))));
    }
    return findings;
  } finally {
    await admin.disconnect();
  }
}

/** The topic of models: what publishes first makes it, and what is lost of it is lost to applications that start. */
export async function checkModelTopic(settings: KafkaSettings, topic: string): Promise<readonly Finding[]> {
  const area = `topic ${topic}`;
  if (await isModelTopicThere(settings, topic)) return [fine(area, 'of models: nothing of it ever goes')];
  return [skipped(area, 'of models: there is none yet; whoever publishes the first model makes it')];
}

function missing({ topic, of }: NamedTopic, brokers: readonly string[]): Finding {
  return failed(
    `topic ${topic}`,
    `of ${of}: there is none, or none that this user may see`,
    `Correct the name, or make it: ${createTopicCommand(brokers.join(','), topic, PARTITIONS)}; "dev --create-topics" makes those of the definitions, "millrace pairs LABELSET" that of a label set's pairs.`,
  );
}

async function topicFindings(admin: Admin, { topic, of, labelSets }: NamedTopic): Promise<readonly Finding[]> {
  const area = `topic ${topic}`;
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const partitions = topics[0]?.partitions ?? [];
  const replicas = Math.min(...partitions.map((partition) => partition.replicas.length));
  const inSync = Math.min(...partitions.map((partition) => partition.isr.length));
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  const config = new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry.configValue]));
  const cleanup = config.get('cleanup.policy') ?? 'delete';
  const retentionMs = Number(config.get('retention.ms') ?? WEEK_MS);
  const minInSync = Number(config.get('min.insync.replicas') ?? 1);
  const findings = [
    fine(area, `of ${of}: ${partitions.length} partition(s), ${replicas} replica(s), kept ${daysOf(retentionMs)}`),
  ];
  if (cleanup.includes('compact'))
    findings.push(
      failed(
        area,
        `cleanup.policy is ${cleanup}: events are replaced by later ones of their key`,
        `Events must stay: kafka-configs --alter --topic ${topic} --add-config cleanup.policy=delete.`,
      ),
    );
  if (labelSets !== undefined && config.get('message.timestamp.type') === 'CreateTime') {
    const { found, remedy } = writerTimesText(topic, labelSets);
    findings.push(warned(area, found, remedy));
  }
  if (replicas < 2)
    findings.push(warned(area, 'one replica: a broker that is lost takes records with it', 'Give it 3 replicas.'));
  else if (minInSync < 2)
    findings.push(
      warned(
        area,
        `min.insync.replicas is ${minInSync}: an acknowledged record may stand on one broker alone`,
        `kafka-configs --alter --topic ${topic} --add-config min.insync.replicas=2`,
      ),
    );
  if (inSync < Math.min(minInSync, replicas))
    findings.push(
      failed(area, `${inSync} replica(s) in sync, and writes need ${minInSync}`, 'Bring its brokers back.'),
    );
  if (retentionMs >= 0 && retentionMs < DAY_MS)
    findings.push(
      warned(
        area,
        `records are deleted after ${daysOf(retentionMs)}: so long may a stream or the archive stand still`,
        'Keep them for some days at least.',
      ),
    );
  return findings;
}

function daysOf(ms: number): string {
  if (ms < 0) return 'for ever';
  return ms < DAY_MS ? `${(ms / 3_600_000).toFixed(1)} h` : `${(ms / DAY_MS).toFixed(1)} d`;
}
