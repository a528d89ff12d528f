import { loadKafka } from '../installation/kafka-module.ts';
import type { KafkaLogReaderOptions } from '../kafka/kafkajs-log-reader.ts';
import type { LogReader } from '../topic/log-reader.ts';

/** A Kafka log reader that is loaded at its first use: an application that holds no model has no Kafka client. */
export function openKafkaReader(options: KafkaLogReaderOptions): LogReader {
  let opened: Promise<LogReader> | null = null;
  const reader = (): Promise<LogReader> => (opened ??= open(options));
  return {
    bounds: async (topic) => (await reader()).bounds(topic),
    async *read(asked) {
      yield* (await reader()).read(asked);
    },
    recordAt: async (...place) => (await reader()).recordAt(...place),
    reportOffsets: async (...asked) => (await reader()).reportOffsets(...asked),
    async close() {
      const one = await opened?.catch(() => null); // one that could not be loaded has nothing to close
      await one?.close();
    },
  };
}

async function open(options: KafkaLogReaderOptions): Promise<LogReader> {
  type Module = typeof import('../kafka/kafkajs-log-reader.ts');
  const { createKafkaLogReader } = await loadKafka<Module>('log-reader', 'a model');
  return createKafkaLogReader(options);
}
