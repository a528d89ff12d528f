import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { MillraceError } from '../errors/millrace-error.ts';
import { AGAINST } from '../evidence/rollout-variants.ts';
import type { LoadedModel, ModelIdentity, RefusedModel } from '../models/loaded-model.ts';
import { lookFault, type ModelFollower } from '../models/model-follower.ts';
import { type Rollout, rolloutById, rolloutOf } from '../postgres/rollouts.ts';
import type { Clock } from '../values/clock.ts';
import {
  type ChosenVariant,
  chooseVariant,
  type FallbackReason,
  type KnownRollout,
  knownRollout,
} from './choose-variant.ts';
import { HeldVersions } from './held-versions.ts';

/** How an application stands to the rollout of a model. */
export interface RolloutStatus {
  /** What units are assigned by; null: none is open, or its versions are being loaded. */
  readonly rollout: Pick<Rollout, 'id' | 'revision' | 'stage' | 'mode' | 'shadow' | 'variants'> | null;
  /** Since the row was last read, in ms; null: it never was. */
  readonly heardAgoMs: number | null;
  /** Units that were decided for by `against` although their variant may be another, by why; `shadow-not-held`: whose shadow did not decide. */
  readonly fallbacks: Readonly<Record<FallbackReason | 'shadow-not-held', number>>;
  /** Versions of it that are not given, and why. */
  readonly refused: readonly RefusedModel[];
  /** Why the last look at the row failed; null: it did not. */
  readonly unreachable: MillraceError | null;
}

export interface RolloutFollowerOptions<Value> {
  readonly model: string;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly champion: Pick<ModelFollower<Value>, 'held' | 'load' | 'look'>;
  readonly onRefused?: ((refused: RefusedModel) => void) | undefined;
  /** Waits between two looks at the row. For tests; default 10 s by the machine's timers. */
  readonly untilNextLook?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** How often the row is looked at without an announcement: three looks may fail before nothing was heard for too long. */
const LOOK_EVERY_MS = 10_000;

const nextLook = (signal: AbortSignal): Promise<void> => sleep(LOOK_EVERY_MS, undefined, { signal });

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();

/**
 * Knows the rollout of a model, and holds its versions. What is known is one frozen object that each look replaces: between two requests, never within one.
 * A rollout is assigned by from when its versions are held, or known not to be; until then everybody has the champion.
 */
export class RolloutFollower<Value> {
  readonly #options: RolloutFollowerOptions<Value>;
  readonly #stop = new AbortController();
  readonly #versions: HeldVersions<Value>;
  readonly #fallbacks = { silent: 0, 'lease-lapsed': 0, 'not-held': 0, 'no-unit': 0, 'shadow-not-held': 0 };
  #known: KnownRollout<LoadedModel<Value>> | null = null;
  #unreachable: MillraceError | null = null;
  #looking: Promise<void> | null = null;
  #again: Promise<void> | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RolloutFollowerOptions<Value>) {
    this.#options = options;
    const { pool, model, champion, onRefused } = options;
    this.#versions = new HeldVersions({ pool, model, champion, onRefused, onSettled: () => void this.look() });
  }

  /** Looks for the first time, waits until what is there is held or cannot be, and follows from then on. Never throws: `status` tells. */
  async start(): Promise<void> {
    await this.look();
    await this.#versions.settled();
    await this.look();
    this.#running = this.#lookAgainAndAgain();
  }

  /** What decides for a unit now. Waits for nothing and never throws. */
  choose(unit: string): ChosenVariant<LoadedModel<Value>> {
    const known = this.#known;
    const chosen = chooseVariant(known, unit, this.#options.clock.monotonicMs());
    if (chosen.fellBack !== null) this.#fallbacks[chosen.fellBack]++;
    else if (known?.rollout?.shadow === true && chosen.shadow === null) this.#fallbacks['shadow-not-held']++;
    return chosen;
  }

  get status(): RolloutStatus {
    const known = this.#known;
    const { rollout } = known ?? { rollout: null };
    return {
      rollout: rollout && {
        id: rollout.id,
        revision: rollout.revision,
        stage: rollout.stage,
        mode: rollout.mode,
        shadow: rollout.shadow,
        variants: rollout.variants,
      },
      heardAgoMs: known === null ? null : this.#options.clock.monotonicMs() - known.heardMs,
      fallbacks: { ...this.#fallbacks },
      refused: this.#versions.refused,
      unreachable: this.#unreachable,
    };
  }

  /** A version that it holds: the champion that comes of a rollout is not loaded again. */
  find(identity: ModelIdentity): LoadedModel<Value> | null {
    return this.#versions.find(identity);
  }

  /** Looks at the row now. Never throws: `status` tells. What comes while one is under way is one more look after it. */
  look(): Promise<void> {
    if (this.#looking === null) {
      this.#looking = this.#lookOnce().finally(() => {
        this.#looking = null;
      });
      return this.#looking;
    }
    this.#again ??= this.#looking.then(() => {
      this.#again = null;
      return this.look();
    });
    return this.#again;
  }

  /** Follows no more; what is known grows old. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#versions.clear();
    await this.#running;
    await this.#again;
    await this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { pool, model, clock } = this.#options;
    if (this.#stop.signal.aborted) return;
    try {
      const heardMs = clock.monotonicMs();
      const rollout = await rolloutOf(pool, model);
      await (rollout === null ? this.#leave(heardMs) : this.#take(rollout, heardMs));
      this.#unreachable = null;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#unreachable = lookFault(error, pool);
    }
  }

  /** None is open. Of one that was promoted the champion is held first: nobody is given back what it replaced. */
  async #leave(heardMs: number): Promise<void> {
    const { pool, champion } = this.#options;
    const before = this.#known?.rollout ?? null;
    if (before !== null && (await rolloutById(pool, before.id))?.phase === 'promoted') await champion.look();
    this.#known = knownRollout(null, NOTHING, heardMs);
    this.#versions.clear();
  }

  async #take(rollout: Rollout, heardMs: number): Promise<void> {
    const { variants } = rollout;
    const isNew = this.#known?.rollout?.id !== rollout.id;
    // The one before has ended, whatever becomes of this one.
    if (isNew) this.#known = knownRollout(null, NOTHING, heardMs);
    await this.#versions.want(variants.map(({ variant, version }) => ({ version, stays: variant === AGAINST })));
    if (this.#stop.signal.aborted) return this.#versions.clear();
    if (isNew && this.#versions.isLoading) return; // looked at again once that is settled
    const held = variants.flatMap(({ variant, version }) => {
      const model = this.#versions.get(version);
      return model === null ? [] : [[variant, model] as const];
    });
    this.#known = knownRollout(rollout, new Map(held), heardMs);
  }

  async #lookAgainAndAgain(): Promise<void> {
    const { untilNextLook = nextLook } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // Only the end breaks off the wait.
      await untilNextLook(signal).catch(() => undefined);
      await this.look();
    }
  }
}
