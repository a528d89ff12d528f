import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { internalBug, isMillraceError, type MillraceError } from '../errors/millrace-error.ts';
import { aliasVersions, type ModelAlias, type ModelVersion } from '../postgres/model-versions.ts';
import { poolAddress } from '../postgres/pool.ts';
import { namePostgresError } from '../postgres/postgres-error.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';
import type { ModelPlaces } from './fetch-model.ts';
import {
  type DecodeModel,
  isSameModel,
  type LoadedModel,
  loadModel,
  type ModelIdentity,
  type RefusedModel,
} from './loaded-model.ts';
import { featuresOfModelChanged, modelClosed, unknownModel } from './model-errors.ts';
import { modelChanges } from './model-fit.ts';
import { decodeModelRecord } from './model-record.ts';

/** How an application stands to a model. */
export interface ModelStatus {
  /** The version that is meant and not taken, the one before is held; null: what is held is what is meant. */
  readonly refused: RefusedModel | null;
  /** Why the last look at the rows failed; null: it did not. */
  readonly unreachable: MillraceError | null;
  /** When the rows were last read, UTC epoch µs. */
  readonly checkedAtUs: number;
  /** Versions that were taken, the first one included, and refusals by code. */
  readonly loads: number;
  readonly refusals: Readonly<Record<string, number>>;
}

export interface ModelOptions<Value> {
  /** Makes of the bytes what the application calls. What it throws is told, and the model before stays. The bytes are its own to keep. */
  readonly decode: DecodeModel<Value>;
  /** Default `champion`. */
  readonly alias?: ModelAlias | undefined;
  /** Told of each version that is taken after the first. */
  readonly onChange?: ((model: LoadedModel<Value>) => void) | undefined;
  /** Told once of each version that is not taken, and why. */
  readonly onRefused?: ((refused: RefusedModel) => void) | undefined;
}

export interface FollowerOptions<Value> extends ModelOptions<Value> {
  readonly model: string;
  readonly pool: pg.Pool;
  readonly places: ModelPlaces;
  readonly topic: string;
  readonly clock: Clock;
  /** Told of each announcement of the model, before the rows are looked at. */
  readonly onHeard?: (() => void) | undefined;
  /** A version that is held elsewhere in the process already; null: it is not. */
  readonly heldBeside?: ((version: ModelIdentity) => LoadedModel<Value> | null) | undefined;
  /** Waits between two looks at the rows. For tests; default 15 s by the machine's timers. */
  readonly untilNextLook?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** How often the rows are looked at without an announcement: one may be lost. */
const LOOK_EVERY_MS = 15_000;

/** Of bytes: what another look does not mend, as long as they are what they are. */
const REFUSALS: readonly string[] = ['model-lost', 'model-not-decoded'];

const nextLook = (signal: AbortSignal): Promise<void> => sleep(LOOK_EVERY_MS, undefined, { signal });

/**
 * Holds the version of a model that an alias stands for. It is whole, has its row's hash and was decoded before anybody gets it; the features it was
 * trained on are those that are served. Where the one that is meant is not so, what is held stays; at the start, what the alias stood for before is taken.
 */
export class ModelFollower<Value> {
  readonly #options: FollowerOptions<Value>;
  readonly #stop = new AbortController();
  #current: LoadedModel<Value> | null = null;
  /** The one before: going back needs neither its bytes nor `decode`. */
  #previous: LoadedModel<Value> | null = null;
  #refused: (RefusedModel & ModelIdentity) | null = null;
  #unreachable: MillraceError | null = null;
  #checkedAtUs = 0;
  #loads = 0;
  readonly #refusals = new Map<string, number>();
  #looking: Promise<void> | null = null;
  #again: Promise<void> | null = null;
  #starting: Promise<void> | null = null;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: FollowerOptions<Value>) {
    this.#options = options;
  }

  /**
   * Takes the present version, and follows from then on.
   *
   * @throws MillraceError `unknown-model`, `model-features-changed`, `model-not-decoded`, `model-lost`, `model-closed` where it was closed meanwhile, and what
   * database and Kafka throw while they are away
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    // Before the row is read: what is announced after it is not missed.
    const from = await this.#topicEnd();
    await this.look();
    if (this.#stop.signal.aborted) throw modelClosed(this.#options.model);
    if (this.#current === null) {
      this.#stop.abort();
      throw this.#unreachable ?? this.#refused?.error ?? unknownModel(`model "${this.#options.model}"`);
    }
    this.#running = Promise.all([this.#lookAgainAndAgain(), this.#follow(from)]);
  }

  /** The model, as one object: taken once per request, a request has one version throughout. */
  get current(): LoadedModel<Value> {
    if (this.#current !== null) return this.#current;
    throw unknownModel(`model "${this.#options.model}" here: it was not started`);
  }

  get status(): ModelStatus {
    const refused = this.#refused === null ? null : { version: this.#refused.version, error: this.#refused.error };
    return {
      refused,
      unreachable: this.#unreachable,
      checkedAtUs: this.#checkedAtUs,
      loads: this.#loads,
      refusals: Object.fromEntries(this.#refusals),
    };
  }

  /** A version that is held, the present one or the one before; null: it is neither. */
  held(version: ModelIdentity): LoadedModel<Value> | null {
    return [this.#current, this.#previous].find((one) => isSameModel(one, version)) ?? null;
  }

  /** Any version, as this one's are loaded: whole and decoded. Throws what `loadModel` throws. */
  load(version: ModelVersion, signal: AbortSignal): Promise<LoadedModel<Value>> {
    const { places, decode } = this.#options;
    return loadModel(places, version, decode, signal);
  }

  /** Looks at the rows now, and takes what they mean. Never throws: `status` tells. What comes while one is under way is one more look after it. */
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

  /** Follows no more. Nothing of it is under way afterwards but a `decode` that does not end: nobody waits for that one. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#starting?.catch(() => undefined); // whoever started it is told
    await this.#running;
    await this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { pool, model, alias = 'champion', clock } = this.#options;
    if (this.#stop.signal.aborted) return;
    try {
      const [meant, before] = await aliasVersions(pool, model, alias);
      if (meant === undefined) throw unknownModel(`${alias} of model "${model}"`);
      const isTaken = await this.#take(meant);
      // The first one there is: what everybody else holds still.
      if (!isTaken && this.#current === null && before !== undefined) await this.#take(before, false);
      this.#unreachable = null;
      this.#checkedAtUs = clock.nowUs();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#unreachable = lookFault(error, pool);
    }
  }

  /** Whether a version is what is held from now on. Throws what may be otherwise at the next look. */
  async #take(version: ModelVersion, isMeant = true): Promise<boolean> {
    const { pool, heldBeside } = this.#options;
    const changes = await modelChanges(pool, version);
    if (changes.length > 0) return isMeant && this.#refuse(version, featuresOfModelChanged(version, changes));
    if (isSameModel(this.#current, version)) {
      if (isMeant) this.#refused = null;
      return true;
    }
    if (this.#previous !== null && isSameModel(this.#previous, version)) return this.#hold(this.#previous, isMeant);
    // Its bytes, and what decode is told of them, are the same as they were then.
    if (isSameModel(this.#refused, version) && this.#refused?.error.code === 'model-not-decoded') return false;
    try {
      const loaded = heldBeside?.(version) ?? (await this.load(version, this.#stop.signal));
      return this.#hold(loaded, isMeant);
    } catch (error) {
      if (this.#stop.signal.aborted) return false;
      const isRefused = isMillraceError(error) && REFUSALS.includes(error.code);
      if (!isRefused) throw error;
      return isMeant && this.#refuse(version, error);
    }
  }

  #hold(model: LoadedModel<Value>, isMeant: boolean): true {
    this.#previous = this.#current;
    this.#current = model;
    this.#loads++;
    if (isMeant) this.#refused = null;
    if (this.#previous !== null) this.#options.onChange?.(model);
    return true;
  }

  #refuse(version: ModelVersion, error: MillraceError): false {
    const known = this.#refused;
    const isKnown = known?.version === version.version && known.error.code === error.code;
    this.#refused = { version: version.version, sha256: version.sha256, error };
    if (isKnown) return false;
    this.#refusals.set(error.code, (this.#refusals.get(error.code) ?? 0) + 1);
    this.#options.onRefused?.({ version: version.version, error });
    return false;
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

  /** Hears announcements. Whatever keeps it from that, the rows are looked at all the same; it goes on from the end there is then. */
  async #follow(from: number | null): Promise<void> {
    const { signal } = this.#stop;
    const { topic, untilNextLook = nextLook } = this.#options;
    const { reader } = this.#options.places;
    if (reader === null) return;
    for (let position = from; !signal.aborted; position = await this.#topicEnd()) {
      try {
        if (position !== null) await this.#hear(reader, topic, position, signal);
      } catch {
        // Whatever it is, the rows are looked at every 15 s, and tell what is wrong.
      }
      if (!signal.aborted) await untilNextLook(signal).catch(() => undefined);
    }
  }

  async #hear(reader: LogReader, topic: string, position: number, signal: AbortSignal): Promise<void> {
    const { model } = this.#options;
    for await (const { records } of reader.read({ topic, positions: new Map([[0, position]]), signal })) {
      const isTold = records.some(({ value }) => {
        const record = decodeModelRecord(value);
        return record?.kind === 'announcement' && record.model === model;
      });
      if (!isTold) continue;
      this.#options.onHeard?.();
      await this.look();
    }
  }

  /** Where the topic ends now; null where that cannot be told. */
  async #topicEnd(): Promise<number | null> {
    const { topic, places } = this.#options;
    if (this.#stop.signal.aborted) return null;
    try {
      const bounds = await places.reader?.bounds(topic);
      return bounds?.partitions[0]?.endOffset ?? null;
    } catch {
      return null;
    }
  }
}

/** What a look met, by its name: an application is never ended by one. */
export function lookFault(error: unknown, pool: pg.Pool): MillraceError {
  const named = namePostgresError(error, poolAddress(pool));
  if (isMillraceError(named)) return named;
  return internalBug(`a model could not be looked at: ${named instanceof Error ? named.message : String(named)}`);
}
