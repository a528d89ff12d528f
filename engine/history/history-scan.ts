import { historyGuard } from '../admission/time-guard.ts';
import { withinUntil } from '../admission/until.ts';
import type { LogEvent } from '../define/compiled-view.ts';
import { internalBug, invariant, isMillraceError } from '../errors/millrace-error.ts';
import { columnEvents } from './column-history.ts';
import { processHashes } from './file-hashes.ts';
import { type HistoryFigures, HistoryLedger } from './history-ledger.ts';
import { HistoryPlace, type HistoryPoint, resumeRefused } from './history-place.ts';
import type { HistoryRun, HistoryScanOptions } from './history-run.ts';
import { lineEvents } from './line-history.ts';
import { checkRows, checkUnchanged, type IdentifiedFiles, namedHistory, presentHistory } from './named-history.ts';

/** A scan of a history: iterate it once, then read its figures. */
export interface HistoryScan extends AsyncIterable<LogEvent[]> {
  /** Throws unless the iteration has ended. */
  readonly figures: HistoryFigures;
  /** Where it stands, between two batches, with the ids claimed since the last call. Throws before the first batch. */
  point(): { readonly point: HistoryPoint; readonly newIds: Uint8Array };
}

/**
 * Scans the history of a source: decode → contract → time guard → `until` → dedupe, as one partition whose order is (event
 * time, file name, row). Yields batches of events of partition -1 whose
 * offset is their position; the array, its events and their rows are used again for the next batch.
 *
 * @throws MillraceError (while iterating) `history-not-found`, `history-mixed-formats`, `history-format-unknown`,
 * `history-unreadable`, `history-column-missing`, `column-type-mismatch`; with `reads`, and where a file is written while it is read, `history-changed`.
 * @example
 * const scan = scanHistory({ source, order: 'any', duckdb, listings, onInvalid: () => {} });
 * for await (const events of scan) for (const event of events) apply(event);
 * console.log(scan.figures.rows);
 */
export function scanHistory(options: HistoryScanOptions): HistoryScan {
  let figures: HistoryFigures | null = null;
  const place = new HistoryPlace(options.from?.point ?? null);
  const ledger = new HistoryLedger(options.source);
  let digest: string | null = null;
  const told: Told = {
    listed: (found) => {
      digest = found;
    },
    done: (final) => {
      figures = final;
    },
  };
  const events = scan(options, ledger, place, told);
  return {
    [Symbol.asyncIterator]: () => events,
    get figures(): HistoryFigures {
      if (figures === null) throw internalBug('the figures of a history were read before its scan had ended');
      return figures;
    },
    point() {
      if (digest === null) throw internalBug('the point of a history was asked for before its scan had begun');
      const newIds = ledger.takeNewIds();
      return { point: { digest, ...place.at, newestUs: ledger.newestUs, counts: { ...ledger.counts } }, newIds };
    },
  };
}

interface Told {
  listed(digest: string): void;
  done(figures: HistoryFigures): void;
}

async function* scan(
  options: HistoryScanOptions,
  ledger: HistoryLedger,
  place: HistoryPlace,
  told: Told,
): AsyncGenerator<LogEvent[]> {
  const { source, reads, hashes = processHashes, signal } = options;
  invariant(source.history !== null, `source "${source.name}" has no history to scan`);
  const found = await filesOf(options);
  const { listing } = found;
  // A point may have been saved before listings had hashes.
  if (options.from !== undefined && ![listing.digest, listing.formerDigest].includes(options.from.point.digest))
    throw resumeRefused(`source "${source.name}" has other files`);
  told.listed(listing.digest);
  const guard = historyGuard(source, await options.listings.firstReadAtUs(listing));
  let files: HistoryFigures['files'] = [];
  const run: HistoryRun = {
    ...options,
    ledger,
    place,
    guard,
    within: withinUntil(source).history,
    onFiles: (known) => {
      files = known.map((file, at) => {
        const { name, sha256, stamp } = found.files[at]!;
        return { name, ...file, sha256, stamp };
      });
    },
  };
  yield* found.format === 'jsonl' ? lineEvents(run, found) : columnEvents(run, found);
  place.end();
  await checkUnchanged(source, found, hashes, signal);
  if (reads !== undefined) checkRows(source.name, reads, files);
  told.done(ledger.figures(files));
}

async function filesOf({
  source,
  reads,
  from,
  hashes = processHashes,
  signal,
}: HistoryScanOptions): Promise<IdentifiedFiles> {
  if (reads === undefined) return await presentHistory(source, hashes, signal);
  try {
    return await namedHistory(source, reads, hashes, signal);
  } catch (error) {
    // What nobody has seen yet is made anew from the files of now.
    if (from !== undefined && isMillraceError(error) && error.code === 'history-changed')
      throw resumeRefused(error.message);
    throw error;
  }
}
