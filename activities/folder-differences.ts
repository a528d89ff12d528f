import type pg from 'pg';
import { storedFingerprintOf } from '../engine/bundles/bundle-registry.ts';
import type { BundleKeys } from '../engine/bundles/bundle-signature.ts';
import type { CompiledView } from '../engine/define/compiled-view.ts';
import { desiredViews } from '../engine/postgres/desired-views.ts';
import { liveIdentities } from '../engine/postgres/view-versions.ts';

/** A view that is another one in a worker's folder than it is to be; what is to be is built and run all the same. */
export interface FolderDifference {
  readonly view: string;
  /** In the folder; null: it is not there. */
  readonly folder: string | null;
  /** What was applied; null: nothing was. */
  readonly applied: string | null;
  /** What readers get; null: nothing. */
  readonly live: string | null;
}

/** Says each difference between a worker's folder and what was applied or, where nothing was, what is served, once. */
export class FolderDifferences {
  readonly #views: ReadonlyMap<string, CompiledView>;
  readonly #pool: pg.Pool;
  readonly #keys: BundleKeys;
  readonly #onDifference: (difference: FolderDifference) => void;
  readonly #said = new Set<string>();

  constructor(options: {
    /** Of the folder. */
    readonly views: ReadonlyMap<string, CompiledView>;
    readonly pool: pg.Pool;
    /** Keys that stored bundles must be signed by. Default: none must be. */
    readonly keys?: BundleKeys | undefined;
    readonly onDifference: (difference: FolderDifference) => void;
  }) {
    this.#views = options.views;
    this.#pool = options.pool;
    this.#keys = options.keys ?? null;
    this.#onDifference = options.onDifference;
  }

  /** One look at what was applied and what is served. */
  async look(): Promise<void> {
    const applied = new Map((await desiredViews(this.#pool)).map(({ view, fingerprint }) => [view, fingerprint]));
    const live = new Map((await liveIdentities(this.#pool)).map(({ view, fingerprint }) => [view, fingerprint]));
    for (const view of [...new Set([...applied.keys(), ...live.keys()])].toSorted()) {
      const difference = {
        view,
        folder: this.#views.get(view)?.fingerprint ?? null,
        applied: applied.get(view) ?? null,
        live: live.get(view) ?? null,
      };
      const run = difference.applied ?? difference.live;
      const own = this.#views.get(view);
      // By earlier semantics of the engine it is the very definition: its lifecycle builds it anew.
      if (difference.folder === run || (await own?.fingerprintBefore?.()) === run) continue;
      const text = JSON.stringify([view, run]);
      if (this.#said.has(text)) continue;
      // Another release of the bundler may have stored the very definition under another fingerprint.
      const isSame = own !== undefined && (await storedFingerprintOf(this.#pool, own, this.#keys)) === run;
      this.#said.add(text);
      if (!isSame) this.#onDifference(difference);
    }
  }
}
