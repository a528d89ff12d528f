import { describeLogReader } from '../kafka/log-reader-conformance.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';

describeLogReader('the log reader in memory', async () => {
  const broker = new MemoryBroker();
  return {
    reader: createMemoryLogReader(broker, () => 64),
    createTopic: async (topic, partitions) => broker.createTopic(topic, partitions),
    append: async (topic, partition, values) =>
      broker.append(
        topic,
        partition,
        values.map((value) => ({ value: value === null ? null : Buffer.from(value) })),
      ),
    deleteBefore: async (topic, partition, offset) => broker.deleteBefore(topic, partition, offset),
    close: async () => undefined,
  };
});
