import type { CompiledView } from '../engine/define/compiled-view.ts';
import { isMillraceError } from '../engine/errors/millrace-error.ts';
import { filesNotIn } from '../engine/history/named-history.ts';
import type { ViewVersion } from '../engine/postgres/view-versions.ts';

/** Says of a served version how many files its history has that it does not name; null where that cannot be seen from here. */
export type NewerFiles = (live: Pick<ViewVersion, 'view' | 'history'>) => Promise<number | null>;

/** As the definitions in a folder have the histories; they are read once a version has files. */
export function newerFilesBy(features: string): NewerFiles {
  let views: Promise<ReadonlyMap<string, CompiledView>> | null = null;
  return async (live) => {
    const files = live.history?.files ?? [];
    if (files.length === 0) return 0;
    const view = (await (views ??= viewsOf(features))).get(live.view);
    return view === undefined || view.source.history === null ? null : await filesNotIn(view.source, files);
  };
}

/** Whoever asks how views are need not have sound definitions at hand. */
async function viewsOf(features: string): Promise<ReadonlyMap<string, CompiledView>> {
  const { loadDefinitions } = await import('../engine/define/load-definitions.ts');
  try {
    return (await loadDefinitions(features)).views;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return new Map();
  }
}

/** In words; null where there is nothing to say. */
export function newerFilesText(files: number | null, view: string): string | null {
  if (files === null || files === 0) return null;
  return `${files} file${files === 1 ? '' : 's'} not in this version: the next one reads ${files === 1 ? 'it' : 'them'} (millrace rebackfill ${view})`;
}
