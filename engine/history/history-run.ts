import type { HistoryHorizon } from '../admission/history-horizon.ts';
import type { HistoryGuard } from '../admission/time-guard.ts';
import type { Within } from '../admission/until.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { FileHashes } from './file-hashes.ts';
import type { HistoryFile } from './history-files.ts';
import type { HistoryLedger } from './history-ledger.ts';
import type { HistoryPlace, SavedHistory } from './history-place.ts';
import type { HistoryListings } from './history-listing.ts';
import type { HistoryReads } from './named-history.ts';

/**
 * `any`: as it is cheapest to read, which is by position unless the history is in lines. `newest-first`: as `any`, but where a history
 * lies in order of time, its newest stretch comes first; in each, rows keep the order of the log. `event-time`: non-decreasing event
 * time, ties by position.
 */
export type ScanOrder = 'any' | 'newest-first' | 'event-time';

export interface HistoryScanOptions {
  readonly source: CompiledSource;
  readonly order: ScanOrder;
  readonly duckdb: DuckDb;
  /** Exactly these files; left out: those that there are now. */
  readonly reads?: HistoryReads | undefined;
  /** Of files; default: the process's own. */
  readonly hashes?: FileHashes | undefined;
  /** Since when the files are known: what their event times are held against. */
  readonly listings: HistoryListings;
  /** For tests: how many rows a stretch has at least. */
  readonly sliceRows?: number | undefined;
  /** What another scan of the same files had passed; left out: nothing. Not in order `event-time`. */
  readonly from?: SavedHistory | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Rows passed so far, and how many there are (null while unknown). */
  onProgress?: ((rows: number, totalRows: number | null) => void) | undefined;
  /** An invalid row: its position over all files, its file, what is wrong, and the row as JSON (a JSONL line as it is). */
  onInvalid(position: number, file: string, reasons: readonly string[], payload: string): void;
  /** Called, and waited for, before the first batch, with what else is known only at the end: for a merge by time with a topic. */
  beforeEvents?: ((horizon: HistoryHorizon) => Promise<void>) | undefined;
}

/** What both ways of reading a history (columns, lines) are given. */
export interface HistoryRun extends HistoryScanOptions {
  readonly ledger: HistoryLedger;
  readonly place: HistoryPlace;
  readonly guard: HistoryGuard;
  readonly within: Within;
  /** Told once the files and their rows are known. */
  onFiles(files: readonly HistoryFile[]): void;
}
