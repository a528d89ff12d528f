import type { FieldSpec } from '../values/field-type.ts';
import type { ColumnValues } from './column-decoder.ts';
import type { HistoryFile } from './history-files.ts';

/** A contract field that the history has values for. */
export interface HistoryColumn {
  readonly field: FieldSpec;
  /** SQL over the relation, giving a value of `type`. */
  readonly expression: string;
  /** DuckDB type; `UNION` where the files' types have no common one without loss: then member `m<i>` holds values of `variants[i]`. */
  readonly type: string;
  /** What its values are: one, but for a UNION. */
  readonly variants: readonly ColumnValues[];
  /** A file's own column beside the path column of that field: its values must be the path's. */
  readonly isBesidePath?: boolean | undefined;
}

/** A history in columns, as a relation DuckDB can scan again and again. */
export interface ColumnSource {
  readonly relation: string;
  /** In the contract's order; those beside a path column at the end. */
  readonly columns: readonly HistoryColumn[];
  /** SQL: the number of the file, and of the row in it, from 0. */
  readonly file: string;
  readonly row: string;
  readonly files: readonly HistoryFile[];
  /** The files from one to another, both included, as a relation with the same columns and file numbers; null where they are of several kinds. */
  readonly stretch: ((first: number, last: number) => ColumnSource) | null;
  /** One file, as a relation by itself; null where the rows were read out of their files already. */
  readonly alone: ((file: number) => ColumnSource) | null;
  close(): Promise<void>;
}

/** SQL: a row's position over all files, counted before any filter. */
export function positionSql(history: ColumnSource): string {
  if (history.files.length <= 1) return history.row;
  return `(${history.row} + [${firstPositions(history.files).join(', ')}][${history.file}::BIGINT + 1])`;
}

/** The position of each file's first row. */
export function firstPositions(files: readonly HistoryFile[]): number[] {
  let next = 0;
  return files.map(({ rows }) => {
    const first = next;
    next += rows;
    return first;
  });
}
