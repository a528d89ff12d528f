import type pg from 'pg';
import type { MillraceError } from '../errors/millrace-error.ts';
import { isSameModel, type LoadedModel, type ModelIdentity, type RefusedModel } from '../models/loaded-model.ts';
import { featuresOfModelChanged, unknownModel } from '../models/model-errors.ts';
import { modelChanges } from '../models/model-fit.ts';
import { lookFault, type ModelFollower } from '../models/model-follower.ts';
import { type ModelVersion, modelVersion } from '../postgres/model-versions.ts';

/** A version that a rollout is about. */
export interface WantedVersion {
  readonly version: number;
  /** What is held of it stays when the features it was trained on are served no more, as a champion does. */
  readonly stays: boolean;
}

export interface HeldVersionsOptions<Value> {
  readonly pool: pg.Pool;
  readonly model: string;
  /** What it holds already is not loaded again; the rest is loaded as it does. */
  readonly champion: Pick<ModelFollower<Value>, 'held' | 'load'>;
  /** Told once of each version that cannot be given, and why. */
  readonly onRefused?: ((refused: RefusedModel) => void) | undefined;
  /** Told when what was being loaded is held, or cannot be. */
  readonly onSettled: () => void;
}

interface Entry<Value> {
  readonly stop: AbortController;
  /** Null: it has no row. */
  row: ModelVersion | null;
  loaded: LoadedModel<Value> | null;
  loading: Promise<void> | null;
  /** Why it is not given; null: it is, or was not tried yet. */
  refused: MillraceError | null;
  /** The code that was told last. */
  told: string | null;
}

/**
 * The versions of a rollout that a process holds beside its champion, each whole, decoded, and trained on what is served. Loads are not waited for by whoever
 * looks: it hears that a rollout has ended while its candidate takes its time.
 */
export class HeldVersions<Value> {
  readonly #options: HeldVersionsOptions<Value>;
  readonly #entries = new Map<number, Entry<Value>>();

  constructor(options: HeldVersionsOptions<Value>) {
    this.#options = options;
  }

  /** Holds these and no others, as far as it can: what failed before is tried again. Throws what the database throws. */
  async want(versions: readonly WantedVersion[]): Promise<void> {
    const wanted = new Set(versions.map(({ version }) => version));
    for (const version of this.#entries.keys()) if (!wanted.has(version)) this.#drop(version);
    for (const one of versions) await this.#look(one);
    for (const [version, entry] of this.#entries) {
      const { refused, told } = entry;
      entry.told = refused?.code ?? null;
      if (refused !== null && refused.code !== told) this.#options.onRefused?.({ version, error: refused });
    }
  }

  /** What is given of a version; null: nothing. */
  get(version: number): LoadedModel<Value> | null {
    const entry = this.#entries.get(version);
    return entry?.refused === null ? entry.loaded : null;
  }

  /** A version of these bytes; null: it is not held. */
  find(identity: ModelIdentity): LoadedModel<Value> | null {
    const loaded = this.#entries.get(identity.version)?.loaded ?? null;
    return isSameModel(loaded, identity) ? loaded : null;
  }

  /** Whether some are being loaded for the first time. */
  get isLoading(): boolean {
    return [...this.#entries.values()].some(({ loading, refused }) => loading !== null && refused === null);
  }

  /** Those that are not given, and why. */
  get refused(): RefusedModel[] {
    return [...this.#entries].flatMap(([version, { refused }]) =>
      refused === null ? [] : [{ version, error: refused }],
    );
  }

  /** Waits for the loads that are under way. */
  async settled(): Promise<void> {
    const loads = [...this.#entries.values()].flatMap(({ loading }) => (loading === null ? [] : [loading]));
    await Promise.all(loads);
  }

  /** Holds nothing any more, and loads nothing. */
  clear(): void {
    for (const version of this.#entries.keys()) this.#drop(version);
  }

  #drop(version: number): void {
    this.#entries.get(version)?.stop.abort();
    this.#entries.delete(version);
  }

  async #look({ version, stays }: WantedVersion): Promise<void> {
    const { pool, model, champion } = this.#options;
    const row = await modelVersion(pool, model, version);
    let entry = this.#entries.get(version);
    // In a database that was put back from a copy a number may stand for other bytes.
    if (entry !== undefined && row !== null && entry.row !== null && !isSameModel(entry.row, row)) {
      this.#drop(version);
      entry = undefined;
    }
    if (entry === undefined) {
      entry = { stop: new AbortController(), row, loaded: null, loading: null, refused: null, told: null };
      this.#entries.set(version, entry);
    }
    entry.row = row;
    if (row === null) {
      entry.refused = unknownModel(`version ${version} of model "${model}"`);
      return;
    }
    const held = entry.loaded ?? champion.held(row);
    const changes = held !== null && stays ? [] : await modelChanges(pool, row);
    if (changes.length > 0) {
      entry.refused = featuresOfModelChanged(row, changes);
    } else if (held !== null) {
      entry.loaded = held;
      entry.refused = null;
    } else if (entry.refused?.code !== 'model-not-decoded') {
      entry.loading ??= this.#load(row, entry);
    }
  }

  async #load(row: ModelVersion, entry: Entry<Value>): Promise<void> {
    const { champion, pool, onSettled } = this.#options;
    const { signal } = entry.stop;
    const isFirst = entry.refused === null;
    try {
      entry.loaded = await champion.load(row, signal);
      entry.refused = null;
    } catch (error) {
      if (!signal.aborted) entry.refused = lookFault(error, pool);
    }
    entry.loading = null;
    // What fails again changes nothing, and would be tried without a pause.
    if (!signal.aborted && (isFirst || entry.refused === null)) onSettled();
  }
}
