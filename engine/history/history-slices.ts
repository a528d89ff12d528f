import type { ColumnSource, HistoryColumn } from './column-source.ts';
import { parquetList } from './parquet/footers.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';

/** Fewer rows than this are not worth a query of their own. */
const SLICE_ROWS = 250_000;

/** A stretch of a history: whole files, or some row groups of one. `source` gives the files the numbers they have in the whole. */
export interface HistorySlice {
  readonly source: ColumnSource;
  /** SQL: `''`, or ` AND …`. */
  readonly filter: string;
}

/** Row groups of one file, or a whole file: rows [from, to), and the event times they lie between, µs. */
interface Stretch {
  readonly file: number;
  readonly from: number;
  readonly to: number;
  readonly oldestUs: number;
  readonly newestUs: number;
}

/**
 * A history in slices, the newest first, where the metadata of its Parquet files says that none begins before the one it follows in the
 * log has ended; else in one. Who takes them so knows each entity's newest events first, and may pass over what those make
 * meaningless. Within a slice rows come in the order of the log.
 *
 * @param sliceRows How many rows a slice has at least, but for the first of a file.
 */
export async function newestSlicesFirst(
  history: ColumnSource,
  time: HistoryColumn,
  duckdb: DuckDb,
  sliceRows = SLICE_ROWS,
): Promise<readonly HistorySlice[]> {
  const whole: HistorySlice[] = [{ source: history, filter: '' }];
  const rows = history.files.reduce((sum, file) => sum + file.rows, 0);
  if (history.stretch === null || rows <= sliceRows || !/^TIMESTAMP(?:TZ| WITH TIME ZONE)?$/.test(time.type))
    return whole;
  const stretches: Stretch[] = [];
  for (const stretch of await stretchesOf(history, time, duckdb)) {
    const before = stretches.at(-1);
    if (before !== undefined && stretch.oldestUs < before.newestUs) return whole;
    // A group without times, or whose times are not told, can lie anywhere.
    if (Number.isNaN(stretch.oldestUs) || Number.isNaN(stretch.newestUs)) return whole;
    stretches.push(stretch);
  }
  return slicesOf(stretches, history, history.stretch, sliceRows);
}

async function stretchesOf(history: ColumnSource, time: HistoryColumn, duckdb: DuckDb): Promise<Stretch[]> {
  const found = await duckdb.query<{ path: string; n: bigint; oldest: bigint | null; newest: bigint | null }>(
    `SELECT file_name AS path, row_group_num_rows AS n, epoch_us(try_cast(stats_min_value AS TIMESTAMP)) AS oldest,
       epoch_us(try_cast(stats_max_value AS TIMESTAMP)) AS newest
     FROM parquet_metadata(${parquetList(history.files.map(({ path }) => path))}) WHERE path_in_schema = $1 ORDER BY file_name, row_group_id`,
    [time.field.name],
  );
  const groups = Map.groupBy(found, ({ path }) => path);
  return history.files.flatMap(({ path }, file) => {
    let to = 0;
    return (groups.get(path) ?? []).map(({ n, oldest, newest }) => {
      const from = to;
      to += Number(n);
      return { file, from, to, oldestUs: toNumber(oldest), newestUs: toNumber(newest) };
    });
  });
}

function toNumber(value: bigint | null): number {
  return value === null ? Number.NaN : Number(value);
}

/** Gathers stretches into slices from the newest on. */
function slicesOf(
  stretches: readonly Stretch[],
  history: ColumnSource,
  stretchOf: (first: number, last: number) => ColumnSource,
  sliceRows: number,
): HistorySlice[] {
  const slices: HistorySlice[] = [];
  let last = stretches.length - 1;
  while (last >= 0) {
    let first = last;
    let rows = rowsOf(stretches[first]!);
    const isSplit = (at: number): boolean => stretches[at]!.from > 0 || stretches[at + 1]?.file === stretches[at]!.file;
    // Whole files go together, and row groups of one file.
    while (first > 0 && rows < sliceRows) {
      const next = stretches[first - 1]!;
      if (next.file !== stretches[first]!.file && (isSplit(first) || isSplit(first - 1))) break;
      rows += rowsOf(next);
      first--;
    }
    slices.push(sliceOf(stretches[first]!, stretches[last]!, history, stretchOf));
    last = first - 1;
  }
  return slices;
}

function rowsOf({ from, to }: Stretch): number {
  return to - from;
}

function sliceOf(
  first: Stretch,
  last: Stretch,
  history: ColumnSource,
  stretchOf: (first: number, last: number) => ColumnSource,
): HistorySlice {
  const source = stretchOf(first.file, last.file);
  const isWhole = first.from === 0 && last.to === history.files[last.file]?.rows;
  // Row groups that the filter leaves out are not read.
  const filter = isWhole ? '' : ` AND ${history.row} >= ${first.from} AND ${history.row} < ${last.to}`;
  return { source, filter };
}
