import type { CompiledSource, CompiledView } from '../define/compiled-view.ts';
import { viewsOf } from '../define/service-blocks.ts';
import { processHashes } from '../history/file-hashes.ts';
import { filesNotIn, type HistoryReads, presentHistory, readsOf } from '../history/named-history.ts';
import { liveVersion } from '../postgres/live-version.ts';
import { historyOf } from '../replay/version-history.ts';
import type { Cut } from '../topic/cut.ts';
import type { ReadContext } from './reading.ts';
import { takeCuts } from './take-cuts.ts';
import type { ManifestSource } from './training-types.ts';

/** A source's log as far as an export reads it by event time, and the views that are read from it. */
export interface ViewsLog {
  readonly source: CompiledSource;
  readonly cut: Cut | null;
  /** Of the history, the same in every pass; null: none. */
  readonly reads: HistoryReads | null;
  /** Files of the history that the views' versions do not name. */
  readonly filesLeftOut: number;
  readonly views: readonly CompiledView[];
}

/**
 * The logs that the views are read from by event time: of a view that is served by this definition the files of what is served, so that training and serving
 * know the same; of an export to be repeated, the files of then; else those that there are. Views of one source whose files are others have logs of their own.
 *
 * Throws MillraceError `history-changed` where a source has no history any more, and what finding files and taking a cut do.
 */
export async function viewLogs(context: Pick<ReadContext, 'options' | 'signal'>): Promise<ViewsLog[]> {
  const cuts = await takeCuts(context);
  const logs = new Map<string, ViewsLog>();
  const present = new Map<CompiledSource, Promise<HistoryReads | null>>();
  const presentOf = (source: CompiledSource): Promise<HistoryReads | null> => {
    const known = present.get(source) ?? presentReads(source, context.signal);
    present.set(source, known);
    return known;
  };
  // One source may be defined otherwise by the code of another view's version: each is read as its own says.
  const sources: CompiledSource[] = [];
  const numberOf = (source: CompiledSource): number => {
    if (!sources.includes(source)) sources.push(source);
    return sources.indexOf(source);
  };
  for (const view of viewsOf(context.options.service)) {
    const { source } = view;
    const { reads, filesLeftOut } = repeatedReads(context, view) ?? (await presentOrServed(context, view, presentOf));
    const files = reads?.files.map(({ name, path, sizeBytes, sha256 }) => [name ?? path, sizeBytes, sha256 ?? null]);
    const key = JSON.stringify([numberOf(source), files ?? null]);
    const known = logs.get(key);
    const cut = cuts.get(source.name) ?? null;
    if (known === undefined) logs.set(key, { source, cut, reads, filesLeftOut, views: [view] });
    else logs.set(key, { ...known, views: [...known.views, view] });
  }
  return [...logs.values()];
}

async function presentReads(source: CompiledSource, signal: AbortSignal): Promise<HistoryReads | null> {
  if (source.history === null) return null;
  const { files } = await presentHistory(source, processHashes, signal);
  return { of: 'this training set', files };
}

/** What a view was read from by the export that is repeated; null: none is. */
function repeatedReads(
  { options: { repeatOf } }: Pick<ReadContext, 'options'>,
  { name, source }: CompiledView,
): Pick<ViewsLog, 'reads' | 'filesLeftOut'> | null {
  if (repeatOf?.mode !== 'event-time') return null;
  const then = repeatOf.sources.find((of) => of.source === source.name && of.views?.includes(name) !== false);
  const reads = readsOf(source, 'the training set to repeat', then?.history ?? []);
  return { reads, filesLeftOut: then?.filesLeftOut ?? 0 };
}

/** The files that a view is read from where nothing says otherwise: those of the version that is served by this definition, else those that there are. */
export async function presentOrServed(
  { options: { pool }, signal }: Pick<ReadContext, 'options' | 'signal'>,
  view: CompiledView,
  presentOf = (source: CompiledSource): Promise<HistoryReads | null> => presentReads(source, signal),
): Promise<Pick<ViewsLog, 'reads' | 'filesLeftOut'>> {
  const { source } = view;
  const live = pool === undefined ? null : await liveVersion(pool, view.name);
  if (live === null || live.fingerprint !== view.fingerprint)
    return { reads: await presentOf(source), filesLeftOut: 0 };
  const reads = historyOf(source, live);
  return { reads, filesLeftOut: reads === null ? 0 : ((await filesNotIn(source, reads.files)) ?? 0) };
}

/** What the manifest says of the log of a source. `views`: those that it was read for, where others of the source were read from another. */
export function manifestSource(
  source: string,
  cut: Cut | null,
  files: readonly ManifestSource['history'][number][],
  more: Pick<ManifestSource, 'views' | 'filesLeftOut'> = {},
): ManifestSource {
  const history = files.map(({ name, path, sizeBytes, rows, sha256 }) => ({ name, path, sizeBytes, rows, sha256 }));
  return { source, cut, history, ...more };
}
