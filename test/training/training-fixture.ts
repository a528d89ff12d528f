import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from 'duckdb';
import { afterEach } from 'vitest';
import { type Cell, isCellError } from '../../engine/values/cell.ts';
import { comparisonOf } from '../../engine/values/compare.ts';
import { type OpenedValue, openedValue } from '../../engine/values/composite-text.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import { textReading } from '../../engine/values/text-reading.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A folder of this test's own, removed after it. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-training-'));
  folders.push(folder);
  return folder;
}

/** Names of all files below a folder, sorted. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Runs `use` with a DuckDB of its own. */
export async function withDuckDb<T>(use: (duckdb: DuckDb) => Promise<T>): Promise<T> {
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: join(tmpdir(), 'millrace-training-duckdb') });
  try {
    return await use(duckdb);
  } finally {
    await duckdb.close();
  }
}

export interface ParquetFile {
  readonly names: readonly string[];
  readonly types: readonly string[];
  /** In file order; values as plain as their types allow: decimals and dates as text, times as epoch µs. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** A whole Parquet file. */
export async function readParquet(path: string): Promise<ParquetFile> {
  return withDuckDb(async (duckdb) => {
    const columns = await duckdb.query<{ column_name: string; column_type: string }>(
      'DESCRIBE SELECT * FROM read_parquet($1)',
      [path],
    );
    const rows = await duckdb.query<Record<string, DuckDBValue>>('SELECT * FROM read_parquet($1)', [path]);
    return {
      names: columns.map((column) => column.column_name),
      types: columns.map((column) => column.column_type),
      rows: rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]))),
    };
  });
}

function plain(value: DuckDBValue): unknown {
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return Number(value.micros);
  if (value instanceof DuckDBListValue) return value.items.map(plain);
  if (value instanceof DuckDBMapValue) return value.entries.map((entry) => [plain(entry.key), plain(entry.value)]);
  if (value instanceof DuckDBDecimalValue || value instanceof DuckDBDateValue) return value.toString();
  return value;
}

/** How a feature's cell reads in `ParquetFile`: an error is null there, a list an array, a map its entries in the order of its keys. */
export function expectedCell(type: ResultType, cell: Cell): unknown {
  return isCellError(cell) ? null : expectedOpened(type, openedValue(type)(cell));
}

function expectedOpened(type: ResultType, value: OpenedValue): unknown {
  if (value === null) return null;
  if (type.kind === 'list') return (value as readonly OpenedValue[]).map((item) => expectedOpened(type.item, item));
  if (type.kind !== 'map') return type.kind === 'int' ? BigInt(value as number) : value;
  const { convert } = textReading(type.key);
  const compare = comparisonOf(type.key);
  return Object.entries(value)
    .map(([name, each]) => [convert(name) as NonNullable<ScalarValue>, each as OpenedValue] as const)
    .toSorted(([one], [other]) => compare(one, other))
    .map(([key, each]) => [expectedOpened(type.key, key), expectedOpened(type.value, each)]);
}
