import { ReasonTally } from '../admission/reason-tally.ts';
import type { HistoryGuard } from '../admission/time-guard.ts';
import { tooManyInvalid } from '../admission/too-many-invalid.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { eventTimeOf } from '../define/event-time.ts';
import type { Row } from '../contract/compiled-contract.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { MillraceError } from '../errors/millrace-error.ts';
import { ColumnRows } from './column-rows.ts';
import type { ColumnSource } from './column-source.ts';
import { csvAlone, type CsvFile } from './csv/open-csv.ts';
import { type FileSize, isFileFault, unreadableHistory } from './history-files.ts';
import type { InspectOptions } from './inspect-history.ts';
import { jsonLines } from './json-lines.ts';
import { lineDecoder } from './line-decoder.ts';

/** A history whose files were found to be in order, and its rows where they are known. */
export type Looked =
  | { readonly format: 'parquet'; readonly history: ColumnSource; readonly rows: number | null }
  | { readonly format: 'csv'; readonly files: readonly CsvFile[]; readonly rows: number | null }
  | { readonly format: 'jsonl'; readonly files: readonly FileSize[]; readonly rows: number | null };

export interface Sampled {
  readonly rows: number;
  readonly invalid: number;
  readonly reasons: string;
  /** Where more are invalid than the source allows: what a batch over such rows ends with. */
  readonly fault: MillraceError | null;
}

/** From how many files rows are taken. */
const FILES = 20;

interface Judge {
  /** Told of each row: its reasons, none where it is valid. */
  row(path: string, number: number, reasons: readonly string[], row: Row | null): void;
}

/**
 * Holds the first rows of files spread over a history against the contract and the time guard.
 *
 * @param limit How many rows, at most.
 * @throws MillraceError `history-unreadable`.
 */
export async function sampleRows(
  source: CompiledSource,
  looked: Looked,
  duckdb: DuckDb,
  guard: HistoryGuard,
  limit: number,
  { signal, onRow }: Pick<InspectOptions, 'signal' | 'onRow'> = {},
): Promise<Sampled> {
  const tally = new ReasonTally();
  const eventTime = eventTimeOf(source);
  let rows = 0;
  let invalid = 0;
  const judge: Judge = {
    row: (path, number, reasons, row) => {
      rows++;
      const eventTimeUs = reasons.length === 0 ? eventTime(row?.[source.eventTimeField]) : 0;
      const isAhead = eventTimeUs > guard.boundUs;
      const all = isAhead ? [guard.reason(eventTimeUs)] : reasons;
      if (all.length === 0) {
        if (row !== null) onRow?.(row);
        return;
      }
      invalid++;
      tally.add(`${path} row ${number}`, all);
    },
  };
  const paths = looked.format === 'parquet' ? looked.history.files : looked.files;
  const chosen = spread(paths.length);
  for (const [index, file] of chosen.entries()) {
    // What a short file leaves is for those after it.
    const share = Math.ceil((limit - rows) / (chosen.length - index));
    const { path } = paths[file]!;
    if (share <= 0) break;
    if (looked.format === 'jsonl') await sampleLines(source, path, share, judge, signal);
    else {
      const history =
        looked.format === 'parquet' ? looked.history.alone?.(file) : csvAlone(source, looked.files[file]!);
      const isEmpty = looked.format === 'csv' && looked.files[file]!.structure.rows === 0;
      if (history !== undefined && !isEmpty) await sampleColumns(source, path, history, duckdb, share, judge, signal);
    }
  }
  const { rate } = source.invalidLimit;
  const isTooMany = invalid > rate * rows;
  const found = `${invalid} of ${rows} sampled rows are invalid`;
  const fault = isTooMany ? tooManyInvalid(source, found, `${rate * 100} % of a batch`, tally) : null;
  return { rows, invalid, reasons: tally.commonest(), fault };
}

/** Numbers of at most so many files, evenly apart. */
function spread(files: number): number[] {
  const count = Math.min(files, FILES);
  return Array.from({ length: count }, (_, index) => Math.floor((index * files) / count));
}

async function sampleColumns(
  source: CompiledSource,
  path: string,
  { relation, columns }: Pick<ColumnSource, 'relation' | 'columns'>,
  duckdb: DuckDb,
  limit: number,
  judge: Judge,
  signal: AbortSignal | undefined,
): Promise<void> {
  const decoded = new ColumnRows(source, columns);
  const list = columns.map(({ expression }) => expression).join(', ') || 'NULL';
  let number = 0;
  try {
    for await (const chunk of duckdb.chunks(`SELECT ${list} FROM ${relation} LIMIT ${limit}`, [], signal)) {
      const count = decoded.decode(chunk);
      for (let index = 0; index < count; index++) {
        const row = decoded.rows[index] as Record<string, unknown>;
        judge.row(path, number++, decoded.reasons.get(index) ?? [], row);
      }
    }
  } catch (error) {
    throw isFileFault(error) ? unreadableHistory(source.name, path, error) : error;
  }
}

async function sampleLines(
  source: CompiledSource,
  path: string,
  limit: number,
  judge: Judge,
  signal: AbortSignal | undefined,
): Promise<void> {
  const decode = lineDecoder(source, path);
  let number = 0;
  try {
    for await (const lines of jsonLines(path, signal)) {
      for (const line of lines) {
        if (number >= limit) return;
        const decoded = decode(line);
        judge.row(path, number++, decoded.ok ? [] : decoded.reasons, decoded.ok ? decoded.row : null);
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof Error && 'code' in error && 'errno' in error
      ? unreadableHistory(source.name, path, error)
      : error;
  }
}
