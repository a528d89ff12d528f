import type { CompiledView, Definitions } from '../define/compiled-view.ts';
import { codeNotAtHand, unknownView } from '../define/known-code.ts';
import { isRetired, semanticsRetired } from '../define/semantics.ts';
import type { VersionCode } from '../define/version-code.ts';
import { ENGINE_SEMANTICS } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { versions } from '../postgres/view-versions.ts';
import { sameVersion } from './bundle-code.ts';
import { viewBundle } from './bundle-registry.ts';
import type { BundleKeys } from './bundle-signature.ts';
import { openBundle } from './open-bundle.ts';

/** Node keeps all it has imported: a process that has more than this of it goes, and another takes its place. */
export const MOST_IMPORTS = 500;

export interface StoredVersionCodeOptions {
  readonly definitions: Pick<Definitions, 'views' | 'folder' | 'baseFolder'>;
  readonly pool: Queryable;
  readonly keys?: BundleKeys | undefined;
  /** How many bundles this process may import. Default 500. */
  readonly most?: number | undefined;
  /** Called once, when it has imported as many. */
  readonly onFull?: (() => void) | undefined;
}

/** Bundles that a process has imported. */
export interface ImportedBundles {
  readonly count: number;
  readonly bytes: number;
}

/** The code of versions: the folder's where it is the very code, else what was stored of it. Each is imported once in a process. */
export class StoredVersionCode implements VersionCode {
  readonly #options: StoredVersionCodeOptions;
  /** By fingerprint; null: nothing is stored. */
  readonly #known = new Map<string, Promise<CompiledView | null>>();
  #count = 0;
  #bytes = 0;

  constructor(options: StoredVersionCodeOptions) {
    this.#options = options;
  }

  get imported(): ImportedBundles {
    return { count: this.#count, bytes: this.#bytes };
  }

  /**
   * The view as the version of this fingerprint runs it.
   *
   * @throws MillraceError `unknown-view`, `definition-changed` where nobody stored this code, `semantics-retired`, `bundle-tampered`,
   * `bundle-unsigned`, `bundle-unfit`
   * @example
   * const view = await code.viewOf({ view: 'route_delays', fingerprint });
   */
  async viewOf({ view, fingerprint }: { readonly view: string; readonly fingerprint: string }): Promise<CompiledView> {
    const own = this.#options.definitions.views.get(view);
    if (own?.fingerprint === fingerprint) return own;
    const stored = await this.#stored(fingerprint, own);
    if (stored !== null && stored.name === view) return stored;
    throw await this.#absent(view, fingerprint, own);
  }

  #stored(fingerprint: string, own: CompiledView | undefined): Promise<CompiledView | null> {
    const known = this.#known.get(fingerprint);
    if (known !== undefined) return known;
    const asked = this.#read(fingerprint, own);
    this.#known.set(fingerprint, asked);
    const forget = (): boolean => this.#known.delete(fingerprint);
    asked.then(
      (view) => view === null && forget(),
      // What was imported and does not fit will not fit the next time, and would be imported again.
      (cause: unknown) => !(cause instanceof MillraceError && cause.code === 'bundle-unfit') && forget(),
    );
    return asked;
  }

  async #read(fingerprint: string, own: CompiledView | undefined): Promise<CompiledView | null> {
    const { pool, definitions, keys = null } = this.#options;
    const stored = await viewBundle(pool, fingerprint, keys);
    if (stored === null) return null;
    const { bundle, text } = stored;
    if (own !== undefined && (await sameVersion(own, bundle))) return Object.freeze({ ...own, fingerprint });
    if (bundle.semantics !== ENGINE_SEMANTICS) throw semanticsRetired(bundle.view, null, bundle.semantics);
    this.#note(Buffer.byteLength(text));
    return openBundle(bundle, definitions.baseFolder);
  }

  #note(bytes: number): void {
    const { most = MOST_IMPORTS, onFull } = this.#options;
    this.#count += 1;
    this.#bytes += bytes;
    if (this.#count === most) onFull?.();
  }

  async #absent(name: string, fingerprint: string, own: CompiledView | undefined): Promise<MillraceError> {
    const { definitions, pool } = this.#options;
    const version = (await versions(pool, name)).find((each) => each.fingerprint === fingerprint);
    const former = (await own?.fingerprintBefore?.()) === fingerprint ? ENGINE_SEMANTICS - 1 : ENGINE_SEMANTICS;
    const semantics = version?.semantics ?? former;
    if (isRetired(semantics)) return semanticsRetired(name, null, semantics);
    if (own === undefined && version === undefined) {
      return unknownView(name, [...definitions.views.keys()], definitions.folder);
    }
    return codeNotAtHand(name, fingerprint, own?.fingerprint ?? null);
  }
}
