import type { CompiledSource, LogEvent } from '../define/compiled-view.ts';
import { internalBug, invariant } from '../errors/millrace-error.ts';
import { columnEvents } from './column-history.ts';
import type { DuckDb } from './duckdb.ts';
import { findHistoryFiles } from './history-files.ts';
import { type HistoryFigures, HistoryLedger } from './history-ledger.ts';
import { lineEvents } from './line-history.ts';

/** `any`: whatever order is fastest. `event-time`: non-decreasing event time, ties by position. */
export type ScanOrder = 'any' | 'event-time';

export interface HistoryScanOptions {
  readonly source: CompiledSource;
  readonly order: ScanOrder;
  readonly duckdb: DuckDb;
  readonly signal?: AbortSignal | undefined;
  /** Rows passed so far, and how many there are (null while unknown). */
  onProgress?(rows: number, totalRows: number | null): void;
  /** An invalid row: its position over all files, its file, what is wrong, and the row as JSON (a JSONL line as it is). */
  onInvalid(position: number, file: string, reasons: readonly string[], payload: string): void;
}

/** A scan of a history: iterate it once, then read its figures. */
export interface HistoryScan extends AsyncIterable<LogEvent[]> {
  /** Throws unless the iteration has ended. */
  readonly figures: HistoryFigures;
}

/** What both ways of reading a history (columns, lines) are given. */
export interface HistoryRun extends HistoryScanOptions {
  readonly ledger: HistoryLedger;
  /** Told once the files and their rows are known. */
  onFiles(files: HistoryFigures['files']): void;
}

/**
 * Scans the history of a source: decode → contract → `until` → dedupe over all of it. Yields batches of events of partition -1 whose
 * offset is their position; the array, its events and their rows are used again for the next batch.
 *
 * @throws MillraceError (while iterating) `history-not-found`, `history-mixed-formats`, `history-format-unknown`,
 * `history-unreadable`, `history-column-missing`, `column-type-mismatch`.
 * @example
 * const scan = scanHistory({ source, order: 'any', duckdb, onInvalid: () => {} });
 * for await (const events of scan) for (const event of events) apply(event);
 * console.log(scan.figures.rows);
 */
export function scanHistory(options: HistoryScanOptions): HistoryScan {
  let figures: HistoryFigures | null = null;
  const events = scan(options, (final) => {
    figures = final;
  });
  return {
    [Symbol.asyncIterator]: () => events,
    get figures(): HistoryFigures {
      if (figures === null) throw internalBug('the figures of a history were read before its scan had ended');
      return figures;
    },
  };
}

async function* scan(options: HistoryScanOptions, done: (figures: HistoryFigures) => void): AsyncGenerator<LogEvent[]> {
  const { source } = options;
  invariant(source.history !== null, `source "${source.name}" has no history to scan`);
  const found = await findHistoryFiles(source.name, source.history.path);
  const ledger = new HistoryLedger(source);
  let files: HistoryFigures['files'] = [];
  const run: HistoryRun = {
    ...options,
    ledger,
    onFiles: (known) => {
      files = known;
    },
  };
  yield* found.format === 'jsonl' ? lineEvents(run, found) : columnEvents(run, found);
  done(ledger.figures(files));
}
