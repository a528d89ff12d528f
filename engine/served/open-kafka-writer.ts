import type { KafkaLogWriterOptions } from '../kafka/kafkajs-log-writer.ts';
import { loadKafka } from '../installation/kafka-module.ts';
import type { LogWriter, RecordToWrite } from '../topic/log-writer.ts';

/**
 * A Kafka log writer that is loaded by the first send: an application that reads features and logs nothing has no Kafka client, and a bundler
 * that follows imports never comes to one (it has native parts that a bundle cannot hold).
 */
export function openKafkaWriter(options: KafkaLogWriterOptions): LogWriter {
  let opened: Promise<LogWriter> | null = null;
  return {
    async send(topic: string, records: readonly RecordToWrite[]): Promise<void> {
      const writer = await (opened ??= open(options));
      await writer.send(topic, records);
    },
    async close(): Promise<void> {
      const writer = await opened?.catch(() => null); // one that could not be loaded has nothing to close
      await writer?.close();
    },
  };
}

async function open(options: KafkaLogWriterOptions): Promise<LogWriter> {
  type Module = typeof import('../kafka/kafkajs-log-writer.ts');
  const { createKafkaLogWriter } = await loadKafka<Module>('log-writer', 'the serving log');
  return createKafkaLogWriter(options);
}
