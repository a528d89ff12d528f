import { MillraceError } from '../errors/millrace-error.ts';

/** What of the Kafka client is loaded late. */
type KafkaPart = 'log-reader' | 'log-writer';

/**
 * Where the Kafka client is, when this module runs as the file it is. Within a bundle it is not there: what a bundler made of the client finds it by its
 * name in the package.
 */
const PLACE = /^(.*\/)installation\/kafka-module(\.[jt]s)$/;

/**
 * Loads a part of the Kafka client. Its place is worked out here, so that a bundler that follows imports never comes to one (it has native parts that a
 * bundle cannot hold), and an application that needs none has none.
 *
 * @param what needs it, for the error
 * @throws MillraceError `kafka-client-missing`
 * @example
 * const { createKafkaLogReader } = await loadKafka<typeof import('../kafka/kafkajs-log-reader.ts')>('log-reader', 'a model');
 */
export async function loadKafka<Module>(part: KafkaPart, what: string): Promise<Module> {
  const place = PLACE.exec(import.meta.url ?? '');
  const module = place === null ? `millrace/kafka-${part}` : `${place[1]}kafka/kafkajs-${part}${place[2]}`;
  try {
    return (await import(module)) as Module;
  } catch (cause) {
    throw new MillraceError('kafka-client-missing', `${what} cannot load its Kafka client, ${module}`, {
      remedy: `Install the package \`millrace\` where the bundle runs (node_modules above it), or give ${what} a ${part === 'log-reader' ? '`reader`' : '`writer`'} of your own.`,
      httpStatus: 500,
      cause,
    });
  }
}
