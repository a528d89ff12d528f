import { isMillraceError } from '../errors/millrace-error.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { CsvFault } from '../history/csv/csv-fault.ts';
import { isFileFault } from '../history/history-files.ts';
import { loadCsvSpine } from './load-csv-spine.ts';
import { loadJsonSpine } from './load-json-spine.ts';
import { loadParquetSpine } from './load-parquet-spine.ts';
import type { SpineColumn } from './spine-columns.ts';
import { type SpineFile, unreadableSpine } from './spine-file.ts';

/**
 * Loads the spine into `SPINE_TABLE`, in its order.
 *
 * @param special The columns that may be read as keys, times or request ids: JSON keeps what stands in the file of them.
 * @param spillDir A folder for what is needed meanwhile.
 * @throws MillraceError `spine-unreadable`, `spine-bad-name`, `spine-names-alike`, `spine-column-altered`, `empty-spine`.
 */
export async function loadSpine(
  duckdb: DuckDb,
  file: SpineFile,
  special: ReadonlySet<string>,
  spillDir: string,
  signal: AbortSignal,
): Promise<SpineColumn[]> {
  try {
    switch (file.format) {
      case 'parquet':
        return await loadParquetSpine(duckdb, file, spillDir, signal);
      case 'csv':
        return await loadCsvSpine(duckdb, file, signal);
      case 'jsonl':
      case 'json':
        return await loadJsonSpine(duckdb, file, special, signal);
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw inSpineTerms(file, cause);
  }
}

/** What readers of files say, said of a spine. */
function inSpineTerms(file: SpineFile, cause: unknown): unknown {
  if (cause instanceof CsvFault) {
    return unreadableSpine(file, cause.message, { place: `line ${cause.line}`, remedy: cause.remedy, cause });
  }
  if (isMillraceError(cause)) {
    if (cause.code !== 'history-unreadable') return cause;
    const { place } = cause.details as { readonly place?: string };
    return unreadableSpine(file, messageOf(cause.cause ?? cause), { place, cause });
  }
  const isOfSystem = cause instanceof Error && 'code' in cause;
  return isOfSystem || isFileFault(cause) ? unreadableSpine(file, messageOf(cause), { cause }) : cause;
}

function messageOf(cause: unknown): string {
  // DuckDB adds the statement at fault, which is ours.
  return (cause instanceof Error ? cause.message : String(cause)).split('\n\nLINE ')[0]!.trim();
}
