import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { listValue } from 'duckdb';
import type { DuckDb } from '../../duckdb/duckdb.ts';
import { type FileSize, unreadableHistory } from '../history-files.ts';
import { parquetList } from './footers.ts';
import { PageHeaderReader } from './page-header.ts';

/** Pages of one column in one row group. */
interface ColumnChunk {
  readonly path: string;
  readonly column: string;
  readonly group: bigint;
  readonly start: bigint;
  readonly bytes: bigint;
}

const BATCH = 512;
/** A page's header is some dozens of bytes, but for the least and the greatest text it may hold. */
const HEADER_BYTES = 65_536;

/**
 * Holds the pages of columns against the checksums that stand in their headers, where the file's writer put any: DuckDB does not look, and
 * a damaged page that is not compressed gives other values. Throws `history-unreadable`.
 *
 * @param names The columns that are read, by the names in the files.
 */
export async function verifyChecksums(
  source: string,
  files: readonly FileSize[],
  names: readonly string[],
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<void> {
  for (let from = 0; from < files.length; from += BATCH) {
    const paths = files.slice(from, from + BATCH).map(({ path }) => path);
    const chunks = await duckdb.query<ColumnChunk>(
      `SELECT file_name AS path, path_in_schema AS column, row_group_id AS "group", total_compressed_size AS bytes,
         CASE WHEN dictionary_page_offset > 0 AND dictionary_page_offset < data_page_offset THEN dictionary_page_offset
           ELSE data_page_offset END AS start
       FROM parquet_metadata(${parquetList(paths)}) WHERE list_contains($1::VARCHAR[], split_part(path_in_schema, ', ', 1))
       ORDER BY file_name, row_group_id, column_id`,
      [listValue([...names])],
      signal,
    );
    for (const [path, ofFile] of Map.groupBy(chunks, (chunk) => chunk.path))
      await verifyFile(source, path, ofFile, signal);
  }
}

async function verifyFile(
  source: string,
  path: string,
  chunks: readonly ColumnChunk[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw unreadableHistory(source, path, error);
  }
  try {
    // A writer gives all pages checksums, or none.
    const first = chunks[0];
    if (first === undefined || !(await hasChecksums(file, first))) return;
    for (const { column, group, start, bytes } of chunks) {
      signal?.throwIfAborted();
      const pages = Buffer.alloc(Number(bytes));
      await file.read(pages, 0, pages.length, Number(start));
      const fault = faultOf(pages);
      if (fault !== null) {
        throw unreadableHistory(source, path, new Error(`${fault}: the file is damaged`), {
          place: `column "${column}", row group ${group}`,
        });
      }
    }
  } finally {
    await file.close();
  }
}

async function hasChecksums(file: FileHandle, { start, bytes }: ColumnChunk): Promise<boolean> {
  const head = Buffer.alloc(Math.min(Number(bytes), HEADER_BYTES));
  await file.read(head, 0, head.length, Number(start));
  return new PageHeaderReader(head).read(0)?.crc !== undefined;
}

/** What is wrong with the pages of a chunk; null where all is well. */
function faultOf(pages: Buffer): string | null {
  const headers = new PageHeaderReader(pages);
  for (let at = 0; at < pages.length; ) {
    const header = headers.read(at);
    if (header === null || header.end + header.bytes > pages.length) return 'a page header makes no sense';
    const to = header.end + header.bytes;
    if (header.crc !== undefined && (crc32(pages.subarray(header.end, to)) | 0) !== header.crc) {
      return 'a page differs from its checksum';
    }
    at = to;
  }
  return null;
}
