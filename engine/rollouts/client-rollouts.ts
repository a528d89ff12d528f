import type pg from 'pg';
import type { Assignment } from '../decisions/assignment-told.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ClientModels, ModelHandle } from '../models/client-models.ts';
import type { LoadedModel } from '../models/loaded-model.ts';
import { modelClosed } from '../models/model-errors.ts';
import { modelName } from '../models/model-name.ts';
import type { ModelFollower, ModelOptions } from '../models/model-follower.ts';
import type { Clock } from '../values/clock.ts';
import type { ChosenVariant, FallbackReason } from './choose-variant.ts';
import { RolloutFollower, type RolloutStatus } from './rollout-follower.ts';

/** Which version decides for a unit. */
export interface UnitVariant {
  /** `champion` where no rollout is open; else a variant of it. */
  readonly variant: string;
  readonly version: number;
  /** For `client.decide`; null: the decision says nothing of the rollout, because none is open or because it fell back. */
  readonly assigned: Assignment | null;
  /** The version that decides too and is not acted on; null: none. */
  readonly shadow: { readonly version: number; readonly assigned: Assignment } | null;
  /** Why `against` decides although the unit's variant may be another; null: it does not. */
  readonly fellBack: FallbackReason | null;
}

/** As `UnitVariant`, with what `decode` made of the versions. */
export interface HeldVariant<Value> extends UnitVariant {
  readonly value: Value;
  readonly shadow: { readonly version: number; readonly value: Value; readonly assigned: Assignment } | null;
}

/** A model as an application holds it, with the versions of its rollout. */
export interface RolloutHandle<Value> extends ModelHandle<Value> {
  /**
   * Which version decides for a unit, at once and without a network call: the same on every machine. A unit has its variant for the rollout's life.
   *
   * @param unit the key of who is to have one variant throughout, as text: a customer, a flight
   */
  variant(unit: string): HeldVariant<Value>;
  readonly rollout: RolloutStatus;
}

/** The options of a model whose rollouts are held too. */
export interface RolloutModelOptions<Value> extends ModelOptions<Value> {
  readonly rollout: true;
}

/** What of a client is about models. */
export interface HoldsModels {
  /**
   * Holds a model: the version that `champion` (or another alias) stands for, now and from then on. A version is taken once it is whole and decoded, where the
   * features it was trained on are served as that; until then the one before stays. The program itself is told which features a model takes
   * (`current.features`, by their tags). With `rollout: true` it holds the versions of the model's rollout too, and `variant(unit)` says which decides for whom.
   *
   * @throws MillraceError `models-not-configured`, `invalid-name`; and where there is no version it could hold `unknown-model`, `model-features-changed`,
   * `model-not-decoded`, `model-lost`, `service-unreachable` (retryable)
   * @example
   * const late = await client.model('late_flights', { decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as Weights });
   * const { value, version } = late.current; // once per request
   */
  model<Value>(name: string, options: RolloutModelOptions<Value>): Promise<RolloutHandle<Value>>;
  model<Value>(name: string, options: ModelOptions<Value>): Promise<ModelHandle<Value>>;
  /**
   * Which version of a model decides for a unit, at once and without a network call. The client holds the model by `model(name, { decode, rollout: true })`,
   * whose own `variant` gives the decoded version, too.
   *
   * @throws MillraceError `rollout-not-held`
   * @example
   * client.variant('late_flights', 'customer-7'); // { variant: 'candidate', version: 8, assigned: { rollout: 'b1c2…', … }, shadow: null, fellBack: null }
   */
  variant(model: string, unit: string): UnitVariant;
}

/** The models and rollouts that a client holds. */
export class ClientRollouts {
  readonly #models: ClientModels;
  readonly #on: { readonly pool: pg.Pool; readonly clock: Clock };
  readonly #held = new Map<string, Set<(unit: string) => UnitVariant>>();
  readonly #followers = new Set<{ close(): Promise<void> }>();
  #isClosed = false;

  constructor(models: ClientModels, on: { readonly pool: pg.Pool; readonly clock: Clock }) {
    this.#models = models;
    this.#on = on;
  }

  /** As `HoldsModels` has it. */
  model<Value>(
    name: string,
    options: ModelOptions<Value> | RolloutModelOptions<Value>,
  ): Promise<RolloutHandle<Value>> | Promise<ModelHandle<Value>> {
    return 'rollout' in options && options.rollout ? this.#follow(name, options) : this.#models.follow(name, options);
  }

  async #follow<Value>(name: string, options: RolloutModelOptions<Value>): Promise<RolloutHandle<Value>> {
    const model = modelName(name);
    let follower: RolloutFollower<Value> | null = null;
    const champion: ModelFollower<Value> = await this.#models.hold(model, {
      ...options,
      onHeard: () => void follower?.look(),
      heldBeside: (version) => follower?.find(version) ?? null,
    });
    if (this.#isClosed) throw modelClosed(model);
    const own = new RolloutFollower<Value>({ ...this.#on, model, champion, onRefused: options.onRefused });
    follower = own;
    this.#followers.add(own);
    await own.start();
    const variant = (unit: string): HeldVariant<Value> => withValues(own.choose(unit), champion.current);
    const told = this.#held.get(model) ?? new Set();
    this.#held.set(model, told.add(variant));
    return {
      variant,
      get rollout() {
        return own.status;
      },
      get current() {
        return champion.current;
      },
      get status() {
        return champion.status;
      },
      look: async () => {
        await Promise.all([champion.look(), own.look()]);
      },
      close: async () => {
        told.delete(variant);
        this.#followers.delete(own);
        await own.close();
        await this.#models.release(champion);
      },
    };
  }

  /**
   * Which version decides for a unit, without its value.
   *
   * @throws MillraceError `rollout-not-held`
   */
  variant(model: string, unit: string): UnitVariant {
    const [first] = this.#held.get(model) ?? [];
    if (first === undefined) {
      throw new MillraceError('rollout-not-held', `model "${model}": its rollout is not held by this client`, {
        remedy: `Hold it first, and as long as it is asked for: await client.model('${model}', { decode, rollout: true }).`,
        httpStatus: 500,
      });
    }
    const { variant, version, assigned, shadow, fellBack } = first(unit);
    return {
      variant,
      version,
      assigned,
      shadow: shadow && { version: shadow.version, assigned: shadow.assigned },
      fellBack,
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#followers].map((follower) => follower.close()));
  }
}

function withValues<Value>(
  { variant, held, assigned, shadow, fellBack }: ChosenVariant<LoadedModel<Value>>,
  champion: LoadedModel<Value>,
): HeldVariant<Value> {
  const { version, value } = held ?? champion;
  return {
    variant,
    version,
    value,
    assigned,
    shadow: shadow && { version: shadow.held.version, value: shadow.held.value, assigned: shadow.assigned },
    fellBack,
  };
}
