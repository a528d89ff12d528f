import type { KafkaLogWriterOptions } from './kafkajs-log-writer.ts';
import { loadKafka } from '../installation/kafka-module.ts';
import type { LogWriter, RecordToWrite } from '../topic/log-writer.ts';

/**
 * A Kafka log writer that is loaded by the first send: an application that reads features and logs nothing has no Kafka client, and a bundler
 * that follows imports never comes to one (it has native parts that a bundle cannot hold).
 *
 * @param what writes, for the error of a client that is not there
 */
export function openKafkaWriter(options: KafkaLogWriterOptions, what: string): LogWriter {
  let opened: Promise<LogWriter> | null = null;
  return {
    async send(topic: string, records: readonly RecordToWrite[]): Promise<void> {
      const writer = await (opened ??= open(options, what));
      await writer.send(topic, records);
    },
    async close(): Promise<void> {
      const writer = await opened?.catch(() => null); // one that could not be loaded has nothing to close
      await writer?.close();
    },
  };
}

async function open(options: KafkaLogWriterOptions, what: string): Promise<LogWriter> {
  type Module = typeof import('./kafkajs-log-writer.ts');
  const { createKafkaLogWriter } = await loadKafka<Module>('log-writer', what);
  return createKafkaLogWriter(options);
}
