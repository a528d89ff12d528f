import { unreachable } from '../../engine/kafka/kafka-failure.ts';
import type { LogWriter, RecordToWrite } from '../../engine/topic/log-writer.ts';
import type { MemoryBroker } from '../stream/memory-log.ts';

/** A log writer over a broker in memory: keys to partitions by their bytes. `onSend` may throw, before or after it wrote. */
export function createMemoryLogWriter(
  broker: MemoryBroker,
  partitions: number,
  onSend: (records: readonly RecordToWrite[]) => 'write' | 'lose-answer' | 'refuse' = () => 'write',
): LogWriter {
  return {
    async send(topic, records) {
      const how = onSend(records);
      if (how === 'refuse') throw awayError();
      for (const { key, value, timestampMs } of records) {
        const partition = key === null ? 0 : key.reduce((sum, byte) => (sum * 31 + byte) % 65_521, 7) % partitions;
        broker.append(topic, partition, [{ key, value, timestampUs: timestampMs * 1_000 }]);
      }
      if (how === 'lose-answer') throw awayError();
    },
    close: async () => {},
  };
}

function awayError(): Error {
  return unreachable(['memory'], 'a topic', 'no answer');
}
