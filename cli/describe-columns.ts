import type { ColumnDescriber, FileColumn } from '../engine/define/check-history.ts';
import { isMillraceError } from '../engine/errors/millrace-error.ts';
import { type DuckDb, openDuckDb, quoteText } from '../engine/duckdb/duckdb.ts';
import { findHistoryFiles, type HistoryFormat } from '../engine/history/history-files.ts';
import { openSpillFolder } from '../config/spill-folder.ts';

const MEMORY_MB = 256;
/** DuckDB types that history is read as another type: what a decoder is asked about. */
const READ_AS: Readonly<Record<string, string>> = {
  TIMESTAMP_S: 'TIMESTAMP',
  TIMESTAMP_MS: 'TIMESTAMP',
  UUID: 'VARCHAR',
};

/** Runs `work` with a describer that looks at history files through DuckDB: what `plan` checks definitions against. */
export async function withColumnDescriber<T>(work: (describe: ColumnDescriber) => Promise<T>): Promise<T> {
  const spill = openSpillFolder();
  try {
    const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: spill.path });
    try {
      return await work((pattern) => describeHistory(duckdb, pattern));
    } finally {
      await duckdb.close();
    }
  } finally {
    spill.remove();
  }
}

/** The columns that every file has. */
async function describeHistory(duckdb: DuckDb, pattern: string): Promise<readonly FileColumn[] | null> {
  let found: Awaited<ReturnType<typeof findHistoryFiles>>;
  try {
    found = await findHistoryFiles('history', pattern);
  } catch (error) {
    if (isMillraceError(error) && error.code === 'history-not-found') return null;
    throw error;
  }
  if (found.format === 'jsonl') return [];
  let common: readonly FileColumn[] | null = null;
  for (const { path } of found.files) {
    const columns = await columnsOf(duckdb, found.format, path);
    const names = new Set(columns.map(({ name }) => name));
    common = common === null ? columns : common.filter(({ name }) => names.has(name));
  }
  return common;
}

async function columnsOf(duckdb: DuckDb, format: HistoryFormat, path: string): Promise<FileColumn[]> {
  const literal = quoteText(path.replaceAll(/[*?[]/g, '[$&]'));
  const relation =
    format === 'parquet'
      ? `read_parquet(${literal}, hive_partitioning = false)`
      : `read_csv(${literal}, header = true, all_varchar = true)`;
  const rows = await duckdb.query<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${relation}`);
  return rows.map(({ column_name: name, column_type: type }) => ({
    name,
    type: type.startsWith('ENUM(') ? 'VARCHAR' : (READ_AS[type] ?? type),
    reading: format === 'csv' ? 'text' : 'typed',
  }));
}
