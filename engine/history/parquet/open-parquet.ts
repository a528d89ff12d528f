import type { CompiledSource } from '../../define/compiled-view.ts';
import type { DuckDb } from '../../duckdb/duckdb.ts';
import { isMillraceError, type MillraceError } from '../../errors/millrace-error.ts';
import type { ColumnSource } from '../column-source.ts';
import type { HistoryFiles } from '../history-files.ts';
import { type PathValues, pathValues } from '../partition-path.ts';
import { fieldReadings } from './field-readings.ts';
import { readFooters } from './footers.ts';
import { columnsOf, hasOwnNames, type ReadFile, scanOf, type Segment, segmentsOf } from './segments.ts';
import { unitedSource } from './united-source.ts';

/** A history of Parquet files as its footers tell it. */
export interface ParquetHistory {
  readonly source: ColumnSource;
  /** Everything that keeps it from being read; with any, `source` is not to be scanned. */
  readonly faults: readonly MillraceError[];
}

/** Parquet is scanned where it lies. Throws `history-unreadable`, where a footer is. */
export async function openParquet(
  source: CompiledSource,
  found: HistoryFiles,
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<ParquetHistory> {
  const footers = await readFooters(source.name, found.files, duckdb, signal);
  const { byShape, faults } = await fieldReadings(source, footers, duckdb, signal);
  const all = [...faults];
  const files = footers.map((footer): ReadFile => {
    let values: PathValues = new Map();
    try {
      values = pathValues(source, footer.path);
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      all.push(error);
    }
    return { ...footer, values, readings: byShape.get(footer.shape.key) ?? [] };
  });
  return { source: sourceOf(source, files), faults: all };
}

function sourceOf(source: CompiledSource, files: readonly ReadFile[]): ColumnSource {
  const segments = segmentsOf(files);
  const [only] = segments as [Segment];
  const alone = (file: number): ColumnSource => sourceOf(source, [files[file]!]);
  if (segments.length > 1 || hasOwnNames(only.files[0]!)) return unitedSource(source, files, segments, alone);
  const relation = scanOf(only.files);
  const columns = columnsOf(source, only);
  return {
    relation,
    columns,
    file: 'file_index',
    row: 'file_row_number',
    files,
    stretch: (first, last) => {
      const part = { ...only, files: files.slice(first, last + 1) };
      return {
        relation: scanOf(part.files),
        columns: columnsOf(source, part),
        file: first === 0 ? 'file_index' : `(file_index + ${first})`,
        row: 'file_row_number',
        files,
        stretch: null,
        alone: null,
        close: async () => {},
      };
    },
    alone,
    close: async () => {},
  };
}
