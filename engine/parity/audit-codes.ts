import type { CompiledView } from '../define/compiled-view.ts';
import { isCodeNotAtHand } from '../define/known-code.ts';
import { isRetired } from '../define/semantics.ts';
import type { VersionCode } from '../define/version-code.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';

/** Definitions beside the live version's whose code is asked for: each may be a bundle to load. */
const MAX_OLDER_CODES = 3;

/** The code of the versions of a view that an audit is about. */
export class AuditCodes {
  readonly #view: string;
  readonly #code: VersionCode;
  readonly #found = new Map<string, CompiledView>();

  constructor(view: string, code: VersionCode) {
    this.#view = view;
    this.#code = code;
  }

  /** What was found so far, in that order. */
  get all(): readonly CompiledView[] {
    return [...this.#found.values()];
  }

  /** The code of a version. Throws what asking for it does. */
  async of({ fingerprint }: ViewVersion): Promise<CompiledView> {
    const found = this.#found.get(fingerprint) ?? (await this.#code.viewOf({ view: this.#view, fingerprint }));
    this.#found.set(fingerprint, found);
    return found;
  }

  /** Finds the code of the newest definitions that were ever served, where it is to be had. */
  async find(newestFirst: readonly ViewVersion[]): Promise<void> {
    const tried = new Set(this.#found.keys());
    for (const version of newestFirst) {
      const isOfUse = version.publishedAtUs !== null && !isRetired(version.semantics);
      if (!isOfUse || tried.has(version.fingerprint)) continue;
      if (tried.size > MAX_OLDER_CODES) return;
      tried.add(version.fingerprint);
      try {
        await this.of(version);
      } catch (error) {
        if (!isCodeNotAtHand(error)) throw error;
      }
    }
  }
}
