import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { type DuckDb, openDuckDb, quoteText } from '../../engine/duckdb/duckdb.ts';

/** The manifest's ranges of a source, by partition and offset. */
export async function manifestRanges(
  pool: pg.Pool,
  source: string,
): Promise<{ partition: number; from: number; until: number; rows: number }[]> {
  const { rows } = await pool.query<{ partition: number; from: number; until: number; rows: number }>(
    `SELECT partition, from_offset AS from, until_offset AS until, rows FROM millrace_catalog.archive_range
     WHERE source = $1 ORDER BY partition, from_offset`,
    [source],
  );
  return rows;
}

/** Paths of the files the manifest names. */
export async function namedFiles(pool: pg.Pool, source: string): Promise<string[]> {
  const { rows } = await pool.query<{ path: string }>(
    'SELECT path FROM millrace_catalog.archive_file WHERE source = $1 ORDER BY id',
    [source],
  );
  return rows.map(({ path }) => path);
}

/** Runs with a DuckDB of its own: any Parquet reader. */
export async function withDuckDb<T>(use: (duckdb: DuckDb) => Promise<T>): Promise<T> {
  const duckdb = await openDuckDb({ memoryMb: 256, tempDir: join(tmpdir(), 'millrace-look') });
  try {
    return await use(duckdb);
  } finally {
    await duckdb.close();
  }
}

/** The records of files as text (as `asText` has them), per partition. */
export async function filesOnDisk(
  archiveDir: string,
  paths: readonly string[],
  partitions: number,
): Promise<string[][]> {
  const seen: string[][] = Array.from({ length: partitions }, () => []);
  if (paths.length === 0) return seen;
  const files = paths.map((path) => quoteText(join(archiveDir, path)));
  const rows = await withDuckDb((duckdb) =>
    duckdb.query<{ partition: number; line: string }>(
      `SELECT partition, format('{} {} {} {} {}', partition, "offset", epoch_us(broker_timestamp), coalesce(lower(hex(key)), 'null'),
         coalesce(lower(hex(value)), 'null')) AS line
       FROM read_parquet([${files.join(', ')}]) ORDER BY partition, "offset"`,
    ),
  );
  for (const { partition, line } of rows) seen[partition]!.push(line);
  return seen;
}
