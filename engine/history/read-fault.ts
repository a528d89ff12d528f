import { stat } from 'node:fs/promises';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { ColumnSource } from './column-source.ts';
import { type HistoryFile, isFileFault, unreadableHistory } from './history-files.ts';
import { parquetList } from './parquet/footers.ts';

/**
 * Gives a fault that a scan met in a file its name: `history-unreadable`, with the file, and the rows where one stretch of them is at fault.
 * What is not a fault of a file is handed back as it is.
 */
export async function namingFault(
  source: string,
  history: ColumnSource,
  duckdb: DuckDb,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  if (signal?.aborted === true || !isFileFault(error)) return error;
  const { alone } = history;
  if (alone === null) return error;
  for (const [index, file] of history.files.entries()) {
    const size = await stat(file.path).then(
      ({ size: bytes }) => bytes,
      () => null,
    );
    const fault: FoundFault | null =
      size === null ? { error: new Error('the file is gone') } : await faultOf(file, alone(index), duckdb, signal);
    if (fault === null) continue;
    const remedy = size === null ? 'Put the file back, or start again with the files there are.' : undefined;
    return unreadableHistory(source, file.path, fault.error, { place: fault.place, remedy });
  }
  return error;
}

interface FoundFault {
  readonly error: unknown;
  readonly place?: string | undefined;
}

/** Reads what a scan does of a file, all of it and then row group by row group; null where it can be read. */
async function faultOf(
  { path }: HistoryFile,
  alone: ColumnSource,
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<FoundFault | null> {
  const hashes = alone.columns.map(({ expression }) => `max(hash(${expression}))`);
  const failureOf = async (filter: string): Promise<unknown> => {
    try {
      await duckdb.query(`SELECT ${['count(*)', ...hashes].join(', ')} FROM ${alone.relation}${filter}`, [], signal);
      return null;
    } catch (error) {
      if (!isFileFault(error)) throw error;
      return error;
    }
  };
  const error = await failureOf('');
  if (error === null) return null;
  const groups = await duckdb.query<{ n: bigint }>(
    `SELECT any_value(row_group_num_rows) AS n FROM parquet_metadata(${parquetList([path])}) GROUP BY row_group_id ORDER BY row_group_id`,
    [],
    signal,
  );
  if (groups.length < 2) return { error };
  let to = 0;
  for (const { n } of groups) {
    const from = to;
    to += Number(n);
    const ofGroup = await failureOf(` WHERE ${alone.row} >= ${from} AND ${alone.row} < ${to}`);
    if (ofGroup !== null) return { error: ofGroup, place: `rows ${from} to ${to - 1}` };
  }
  return { error };
}
