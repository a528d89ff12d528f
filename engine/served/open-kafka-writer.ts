import type { KafkaLogWriterOptions } from '../kafka/kafkajs-log-writer.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { LogWriter, RecordToWrite } from '../topic/log-writer.ts';

/**
 * Where the Kafka client is, and its ending, when this module runs as the file it is. Within a bundle it is not there: what a bundler made of the
 * client finds it by its name in the package.
 */
const PLACE = /^(.*\/)served\/open-kafka-writer(\.[jt]s)$/;
const PACKAGED = 'millrace/kafka-log-writer';

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
  const place = PLACE.exec(import.meta.url ?? '');
  const module = place === null ? PACKAGED : `${place[1]}kafka/kafkajs-log-writer${place[2]}`;
  try {
    const { createKafkaLogWriter } = (await import(module)) as typeof import('../kafka/kafkajs-log-writer.ts');
    return createKafkaLogWriter(options);
  } catch (cause) {
    throw new MillraceError('kafka-client-missing', `the serving log cannot load its Kafka client, ${module}`, {
      remedy:
        'Install the package `millrace` where the bundle runs (node_modules above it), or give the serving log a `writer` of your own.',
      httpStatus: 500,
      cause,
    });
  }
}
