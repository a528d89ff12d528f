import { type DuckDb, quoteText } from '../duckdb/duckdb.ts';
import { ROW_GROUP_ROWS } from './parquet-file.ts';

/** DuckDB hands out so many rows at once, and writes no smaller row groups. */
const CHUNK_ROWS = 2048;
const MOST_GROUP_BYTES = 64 << 20;
/** Of DuckDB's memory. */
const GROUP_SHARE = 1 / 4;

/** What a file is, unpacked. */
export interface UnpackedSize {
  readonly bytes: number;
  /** Of a row, in the row group where rows are largest. */
  readonly rowBytes: number;
}

/** What a file takes unpacked, by its own metadata. */
export async function unpackedSize(duckdb: DuckDb, path: string): Promise<UnpackedSize> {
  const [found] = await duckdb.query<{ bytes: number | null; row_bytes: number | null }>(
    `SELECT sum(bytes)::DOUBLE AS bytes, max(bytes / rows) AS row_bytes FROM (
       SELECT any_value(row_group_num_rows) AS rows, sum(total_uncompressed_size) AS bytes FROM parquet_metadata(${quoteText(path)})
       GROUP BY row_group_id)`,
  );
  return { bytes: found?.bytes ?? 0, rowBytes: found?.row_bytes ?? 0 };
}

/** What files may be merged into, so that neither a row group nor a chunk of the merged one takes more than a part of DuckDB's memory. */
export class MergedSize {
  readonly #groupBytes: number;
  #bytes = 0;
  #rowBytes = 0;

  constructor(duckDbBytes: number) {
    this.#groupBytes = Math.min(MOST_GROUP_BYTES, duckDbBytes * GROUP_SHARE);
  }

  /** Whether one more file fits in, which is then counted. The first one always does. */
  takes({ bytes, rowBytes }: UnpackedSize): boolean {
    const most = Math.max(this.#rowBytes, rowBytes);
    const isLarge = most * CHUNK_ROWS > this.#groupBytes;
    if (this.#bytes > 0 && isLarge && this.#bytes + bytes > this.#groupBytes) return false;
    this.#bytes += bytes;
    this.#rowBytes = most;
    return true;
  }

  /** Rows of a row group of the merged file. */
  get rowGroupRows(): number {
    if (this.#rowBytes === 0) return ROW_GROUP_ROWS;
    return Math.min(ROW_GROUP_ROWS, Math.max(CHUNK_ROWS, Math.floor(this.#groupBytes / this.#rowBytes)));
  }
}
