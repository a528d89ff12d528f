import type { CompiledSource } from '../../define/compiled-view.ts';
import { quoteText } from '../../duckdb/duckdb.ts';
import { TEXT } from '../column-decoder.ts';
import type { HistoryColumn } from '../column-source.ts';
import type { PathValues } from '../partition-path.ts';
import type { ShapeReadings } from './field-readings.ts';
import { type ParquetFooter, parquetList } from './footers.ts';

/** A file, and how each field is read from it. */
export interface ReadFile extends ParquetFooter {
  readonly values: PathValues;
  readonly readings: ShapeReadings;
}

/** Files that one scan reads: numbers among all files, rising. */
export interface Segment {
  readonly numbers: readonly number[];
  readonly files: readonly ReadFile[];
  readonly readings: ShapeReadings;
}

/** Files apart by how the fields are read; where names are alike DuckDB's names for them hold for one shape alone. */
export function segmentsOf(files: readonly ReadFile[]): Segment[] {
  const groups = Map.groupBy(files.entries(), ([, file]) => {
    if (hasOwnNames(file)) return file.path;
    const isPlain = file.shape.columns.every(({ name, boundName }) => name === boundName);
    return isPlain ? JSON.stringify(file.readings) : file.shape.key;
  });
  return [...groups.values()].map((group) => {
    const members = group.map(([, file]) => file);
    return { numbers: group.map(([number]) => number), files: members, readings: members[0]!.readings };
  });
}

const readersOwn = new Set(['file_index', 'file_row_number', 'filename']);

/** Whether a file has columns of the names that a scan gives its own. */
export function hasOwnNames({ shape }: ParquetFooter): boolean {
  return shape.columns.some(({ name }) => readersOwn.has(name.toLowerCase()));
}

/** SQL: a scan of files that are read alike. */
export function scanOf(files: readonly ParquetFooter[]): string {
  // Other columns may differ from file to file; those that are read do not.
  const isOneShape = files.every(({ shape }) => shape === files[0]?.shape);
  const list = parquetList(files.map(({ path }) => path));
  return `read_parquet(${list}, hive_partitioning = false${isOneShape ? '' : ', union_by_name = true'})`;
}

/** The columns of files that one scan reads. */
export function columnsOf(source: CompiledSource, { files, readings }: Segment): HistoryColumn[] {
  const partitions = new Set(source.history?.partitions ?? []);
  const columns: HistoryColumn[] = [];
  const beside: HistoryColumn[] = [];
  for (const [index, field] of source.contract.fields.entries()) {
    const reading = readings[index] ?? null;
    const own =
      reading === null ? null : { field, expression: reading.expression, type: reading.type, variants: [reading] };
    if (!partitions.has(field.name)) {
      if (own !== null) columns.push(own);
      continue;
    }
    columns.push({ field, expression: pathSql(files, field.name), type: 'VARCHAR', variants: [TEXT] });
    if (own !== null) beside.push({ ...own, isBesidePath: true });
  }
  return [...columns, ...beside];
}

/** SQL: what the paths of the files of a scan say of a path column. */
function pathSql(files: readonly ReadFile[], name: string): string {
  const texts = files.map(({ values }) => {
    const text = values.get(name) ?? null;
    return text === null ? 'NULL::VARCHAR' : quoteText(text);
  });
  const isSame = texts.every((text) => text === texts[0]);
  return isSame ? (texts[0] as string) : `[${texts.join(', ')}][file_index::BIGINT + 1]`;
}
