import { type Admin, CompressionTypes, Kafka, logLevel, type Producer } from 'kafkajs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { registerCodecs } from '../../engine/kafka/codecs.ts';
import { createKafkaLogReader, type KafkaLogReaderOptions } from '../../engine/kafka/kafkajs-log-reader.ts';
import type { LogReaderFixture } from './log-reader-conformance.ts';

process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';

export interface KafkaFixture extends LogReaderFixture {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly producer: Producer;
  readonly reader: LogReader;
  send(
    topic: string,
    partition: number,
    values: readonly (string | null)[],
    compression?: CompressionTypes,
  ): Promise<void>;
}

/** A reader, an admin and a producer on the test stack's broker. */
export async function openKafka(
  brokers: readonly string[],
  more: Partial<KafkaLogReaderOptions> = {},
): Promise<KafkaFixture> {
  registerCodecs();
  const kafka = new Kafka({ clientId: 'test', brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await Promise.all([admin.connect(), producer.connect()]);
  const reader = createKafkaLogReader({ brokers, clientId: 'test-reader', ...more });
  const send: KafkaFixture['send'] = async (topic, partition, values, compression = CompressionTypes.None) => {
    await producer.send({ topic, compression, messages: values.map((value) => ({ partition, value })) });
  };
  return {
    kafka,
    admin,
    producer,
    reader,
    send,
    createTopic: async (topic, numPartitions) => {
      // kafkajs's own wait for leaders gives up where a broker does not know the new topic yet.
      await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false });
      while ((await partitionsOf(reader, topic)) !== numPartitions) await nextTurn();
    },
    append: (topic, partition, values) => send(topic, partition, values),
    deleteBefore: async (topic, partition, offset) => {
      await admin.fetchTopicOffsets(topic); // kafkajs's deleteTopicRecords knows leaders only of topics it was asked about before
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
    },
    close: async () => {
      await reader.close();
      await producer.disconnect();
      await admin.disconnect();
    },
  };
}

async function partitionsOf(reader: LogReader, topic: string): Promise<number> {
  try {
    return (await reader.bounds(topic)).partitions.length;
  } catch (error) {
    if (isMillraceError(error) && (error.retryable || error.code === 'topic-not-found')) return 0;
    throw error;
  }
}
