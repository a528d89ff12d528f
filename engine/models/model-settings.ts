import type { KafkaAddress } from '../kafka/kafka-link.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';
import type { ModelPlaces } from './fetch-model.ts';
import { openKafkaReader } from './open-kafka-reader.ts';

/** Where models are found: by a reader, which stays the caller's to close, or a Kafka to open one to. */
export type ModelsSettings = (
  | { readonly reader: LogReader }
  | { readonly kafka: Omit<KafkaAddress, 'clientId'> & { readonly clientId?: string | undefined } }
) & {
  /** Default `millrace.models`, that of an installation `millrace.NAME.models`. */
  readonly topic?: string | undefined;
  /** The archive's folder, where this process has it: models that the topic lost are read from there. Default: it has not. */
  readonly archiveDir?: string | undefined;
};

/** The places by settings; none without them. Nothing is connected before the first use. `close` leaves a reader that was given. */
export function openModelPlaces(
  settings: ModelsSettings | undefined,
  clock: Clock,
): ModelPlaces & { close(): Promise<void> } {
  if (settings === undefined) return { reader: null, archiveDir: null, close: async () => undefined };
  const archiveDir = settings.archiveDir ?? null;
  if ('reader' in settings) return { reader: settings.reader, archiveDir, close: async () => undefined };
  const { kafka } = settings;
  const reader = openKafkaReader({ ...kafka, clientId: kafka.clientId ?? 'millrace-models', clock });
  return { reader, archiveDir, close: () => reader.close() };
}
