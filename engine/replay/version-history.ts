import type { CompiledSource } from '../define/compiled-view.ts';
import { processHashes } from '../history/file-hashes.ts';
import { type HistoryListings, listingOf } from '../history/history-listing.ts';
import { type HistoryReads, namedHistory, readsOf } from '../history/named-history.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { noteHistory, type ViewVersion } from '../postgres/view-versions.ts';

/** What a version read of its source's history, and a replay of it reads; null: nothing. Throws MillraceError `history-changed` as `readsOf` does. */
export function historyOf(source: CompiledSource, { view, version, history }: ViewVersion): HistoryReads | null {
  return readsOf(source, `version ${version} of view "${view}"`, history?.files ?? []);
}

/**
 * Notes names and hashes of the files of a version that was built before those were known. To be called after a replay of them gave what is stored: they are the
 * files of then. Throws what `namedHistory` does.
 */
export async function learnHashes(
  source: CompiledSource,
  version: ViewVersion,
  on: Queryable,
  listings: HistoryListings,
  signal?: AbortSignal,
): Promise<void> {
  const reads = historyOf(source, version);
  if (reads === null || reads.files.every(({ sha256 }) => sha256 !== undefined)) return;
  const { files, listing: former } = await namedHistory(source, reads, processHashes, signal);
  // Its event times go on being held against the same bound.
  const listing = listingOf(source.name, files);
  if ((await listings.firstReadAtUs(listing)) !== (await listings.firstReadAtUs(former))) return;
  const known = files.map((file, at) => ({ ...file, rows: reads.files[at]!.rows }));
  await noteHistory(on, version.view, version.version, { files: known });
}
