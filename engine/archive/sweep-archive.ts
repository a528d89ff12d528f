import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Queryable } from '../postgres/queryable.ts';
import type { Clock } from '../values/clock.ts';
import { type DuckDb, quoteText } from '../duckdb/duckdb.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { isNotFound } from './archive-errors.ts';
import { removeFile } from './parquet-file.ts';

export interface SweepOptions {
  readonly source: string;
  readonly archiveDir: string;
  readonly mark: string;
  readonly clock: Clock;
  readonly temporaryForMs?: number | undefined;
}

interface HeldRange {
  readonly topic: string;
  readonly cluster_id: string;
  readonly partition: number;
  readonly from_offset: number;
  readonly until_offset: number;
}

/**
 * Removes what crashes, zombies and merges left in a source's folder: this archive's own files (by their mark) that no row names and
 * whose every offset is in files that rows name, and temporary ones that are old. A file with anything that is archived nowhere else stays, even
 * though nobody names it: after an older database was restored it may be all there is. Returns how many it removed.
 *
 * What it removes can never be named later: the offsets it holds have been committed, and the offsets of an archive only go forward; a
 * merged file that is not named yet is safe, since `on` holds the one lock under which such files are made.
 */
export async function sweepArchive(on: Queryable, duckdb: DuckDb, options: SweepOptions): Promise<number> {
  const { source, archiveDir, mark, clock } = options;
  const found = await filesOf(join(archiveDir, source), mark);
  if (found.length === 0) return 0;
  const { rows: named } = await runSql<{ path: string }>(
    on,
    sqlText`SELECT path FROM ${CATALOG}.archive_file WHERE source = ${source}`,
  );
  const { rows: ranges } = await runSql<HeldRange>(
    on,
    sqlText`
    SELECT f.topic, f.cluster_id, r.partition, r.from_offset, r.until_offset
    FROM ${CATALOG}.archive_range r JOIN ${CATALOG}.archive_file f ON f.id = r.file_id
    WHERE f.source = ${source} ORDER BY r.partition, r.from_offset`,
  );
  const paths = new Set(named.map(({ path }) => path));
  const oldBeforeMs = clock.nowUs() / 1000 - (options.temporaryForMs ?? 3_600_000);
  let removed = 0;
  for (const name of found) {
    const path = `${source}/${name}`;
    if (paths.has(path)) continue;
    const isDead = name.endsWith('.tmp')
      ? await isOlder(join(archiveDir, path), oldBeforeMs)
      : await isHeldElsewhere(duckdb, join(archiveDir, path), ranges);
    if (!isDead) continue;
    await removeFile(archiveDir, path);
    removed += 1;
  }
  return removed;
}

async function filesOf(folder: string, mark: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => name.startsWith(`${mark}-`) && /\.parquet(\.tmp)?$/.test(name)).sort();
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

/** Whether a file was last written before a time, epoch ms; false where it is gone. */
export async function isOlder(file: string, beforeMs: number): Promise<boolean> {
  try {
    return (await stat(file)).mtimeMs < beforeMs;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

interface FileMetadata {
  readonly topic: string;
  readonly clusterId: string;
  readonly ranges: readonly { readonly partition: number; readonly fromOffset: number; readonly untilOffset: number }[];
}

async function isHeldElsewhere(duckdb: DuckDb, file: string, held: readonly HeldRange[]): Promise<boolean> {
  let text: string | undefined;
  try {
    const [row] = await duckdb.query<{ text: string }>(
      `SELECT decode(value) AS text FROM parquet_kv_metadata(${quoteText(file)}) WHERE decode(key) = 'millrace'`,
    );
    text = row?.text;
  } catch {
    return false; // no whole Parquet file of ours: not ours to remove
  }
  if (text === undefined) return false;
  const { topic, clusterId, ranges } = JSON.parse(text) as FileMetadata;
  return ranges.every(({ partition, fromOffset, untilOffset }) => {
    let at = fromOffset;
    for (const range of held) {
      if (range.topic !== topic || range.cluster_id !== clusterId || range.partition !== partition) continue;
      if (range.from_offset <= at && range.until_offset > at) at = range.until_offset;
    }
    return at >= untilOffset;
  });
}
