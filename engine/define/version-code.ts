import type { CompiledView } from './compiled-view.ts';

/** Where the code of a version comes from: its own, whatever definitions a process was started with. */
export interface VersionCode {
  /**
   * The view as the version of this fingerprint runs it.
   *
   * @throws MillraceError `unknown-view`, `definition-changed` where nobody stored this code, `semantics-retired`
   */
  viewOf(asked: { readonly view: string; readonly fingerprint: string }): Promise<CompiledView>;
}
