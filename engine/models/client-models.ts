import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import { modelClosed } from './model-errors.ts';
import type { LoadedModel } from './loaded-model.ts';
import { type FollowerOptions, ModelFollower, type ModelOptions, type ModelStatus } from './model-follower.ts';
import { modelName } from './model-name.ts';
import { type ModelsSettings, openModelPlaces } from './model-settings.ts';

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
  #isClosed = false;
  readonly #places: ReturnType<typeof openModelPlaces>;

  /** @param on `topic`: that of the installation */
  constructor(
    settings: ModelsSettings | undefined,
    on: { readonly pool: pg.Pool; readonly clock: Clock; readonly topic: string },
  ) {
    this.#settings = settings;
    this.#on = on;
    this.#places = openModelPlaces(settings, on.clock);
  }

  /** A handle on a model, once there is one to hold. Throws MillraceError `invalid-name`, `models-not-configured`, `model-closed`, and what `ModelFollower.start` throws. */
  async follow<Value>(name: string, options: ModelOptions<Value>): Promise<ModelHandle<Value>> {
    const follower = await this.hold(name, options);
    return {
      get current() {
        return follower.current;
      },
      get status() {
        return follower.status;
      },
      look: () => follower.look(),
      close: () => this.release(follower),
    };
  }

  /** As `follow`, for whoever makes another handle of it, and gives it back by `release`. */
  async hold<Value>(
    name: string,
    options: ModelOptions<Value> & Pick<FollowerOptions<Value>, 'onHeard' | 'heldBeside'>,
  ): Promise<ModelFollower<Value>> {
    const model = modelName(name);
    const settings = this.#settings;
    if (settings === undefined) {
      throw new MillraceError('models-not-configured', `model "${model}": this client was not told where models are`, {
        remedy: "Give createClient models: { kafka: { brokers: ['127.0.0.1:9092'] } }.",
        httpStatus: 500,
      });
    }
    if (this.#isClosed) throw modelClosed(model);
    const { pool, clock } = this.#on;
    const follower = new ModelFollower({
      ...options,
      model,
      pool,
      clock,
      topic: settings.topic ?? this.#on.topic,
      places: this.#places,
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

  /** Closes what `hold` gave. */
  async release<Value>(follower: ModelFollower<Value>): Promise<void> {
    await follower.close();
    this.#followers.delete(follower);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#followers].map((follower) => follower.close()));
    await this.#places.close();
  }
}
