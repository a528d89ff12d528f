import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import type { KafkaAddress } from '../kafka/kafka-link.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';
import { type LoadedModel, ModelFollower, type ModelOptions, type ModelStatus } from './model-follower.ts';
import { modelName } from './model-name.ts';
import { openKafkaReader } from './open-kafka-reader.ts';

/** Where a client finds models: a reader, which stays the caller's to close, or a Kafka to open one to. */
export type ModelsSettings = (
  | { readonly reader: LogReader }
  | { readonly kafka: Omit<KafkaAddress, 'clientId'> & { readonly clientId?: string | undefined } }
) & {
  /** Default `millrace.models`, that of an installation `millrace.NAME.models`. */
  readonly topic?: string | undefined;
  /** The archive's folder, where this process has it: models that the topic lost are read from there. Default: it has not. */
  readonly archiveDir?: string | undefined;
};

/** A model as an application holds it. */
export interface ModelHandle<Value> {
  /** The version that is held, as one object that never changes. Taken once per request, a request has one version throughout. */
  readonly current: LoadedModel<Value>;
  readonly status: ModelStatus;
  /** Looks for another version now. It is looked for by itself: at once when one is announced, and every 15 s. */
  look(): Promise<void>;
  /** Follows no more; what is held stays. */
  close(): Promise<void>;
}

/** The models that a client holds. */
export class ClientModels {
  readonly #settings: ModelsSettings | undefined;
  readonly #on: { readonly pool: pg.Pool; readonly clock: Clock; readonly topic: string };
  readonly #followers = new Set<{ close(): Promise<void> }>();
  #reader: LogReader | null = null;

  /** @param on `topic`: that of the installation */
  constructor(
    settings: ModelsSettings | undefined,
    on: { readonly pool: pg.Pool; readonly clock: Clock; readonly topic: string },
  ) {
    this.#settings = settings;
    this.#on = on;
  }

  /** A handle on a model, once there is one to hold. Throws MillraceError `invalid-name`, `models-not-configured`, and what `ModelFollower.start` throws. */
  async follow<Value>(name: string, options: ModelOptions<Value>): Promise<ModelHandle<Value>> {
    const model = modelName(name);
    const settings = this.#settings;
    if (settings === undefined) {
      throw new MillraceError('models-not-configured', `model "${model}": this client was not told where models are`, {
        remedy: "Give createClient models: { kafka: { brokers: ['127.0.0.1:9092'] } }.",
        httpStatus: 500,
      });
    }
    const reader = 'reader' in settings ? settings.reader : (this.#reader ??= openOwn(settings.kafka, this.#on.clock));
    const { pool, clock } = this.#on;
    const follower = new ModelFollower({
      ...options,
      model,
      pool,
      clock,
      topic: settings.topic ?? this.#on.topic,
      places: { reader, archiveDir: settings.archiveDir ?? null },
    });
    this.#followers.add(follower);
    try {
      await follower.start();
    } catch (error) {
      this.#followers.delete(follower);
      throw error;
    }
    return follower;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#followers].map((follower) => follower.close()));
    await this.#reader?.close();
  }
}

function openOwn(kafka: Extract<ModelsSettings, { readonly kafka: unknown }>['kafka'], clock: Clock): LogReader {
  return openKafkaReader({ ...kafka, clientId: kafka.clientId ?? 'millrace-models', clock });
}
