import type { ScalarType } from '../values/field-type.ts';
import type { Reading } from '../values/convert.ts';
import { parseColumnType } from '../values/column-type.ts';
import type { Spelling } from '../values/spelling.ts';
import { textReading } from '../values/text-reading.ts';
import { columnReading, typedReading } from '../values/typed-reading.ts';
import { type SpineFault, spineError } from './spine-faults.ts';

/** The DuckDB table a spine is loaded into: `c0`, `c1`, … in the file's order, `j<i>` (below), and `ROW_COLUMN`, the row number from 0. */
export const SPINE_TABLE = 'training_spine';
export const ROW_COLUMN = 'row_number';

/** What was read of the spine: `row_number`, then `time_us`, `request_id` and `p<place>k<key>`, as far as they were asked for. */
export const READ_TABLE = 'training_read_labels';

/** A column of a spine. In SQL it goes by its place: no name in a file means anything to the engine. */
export interface SpineColumn {
  readonly name: string;
  /** Its type, as messages name it. */
  readonly type: string;
  /** SQL over `SPINE_TABLE`: its values as they go to the output. */
  readonly output: string;
  readonly raw: RawValues;
}

/** A column's values as they are read, where they are keys or times. */
export interface RawValues {
  /** `json`: each value as its JSON text. */
  readonly door: 'typed' | 'text' | 'json';
  /** SQL over `SPINE_TABLE`, and the DuckDB type it gives. */
  readonly expression: string;
  readonly type: string;
}

/** The reading of a column's values as a type, the same as a history's of that format; null where the column can never be it. */
export function readingOf(column: SpineColumn, type: ScalarType, spelling: Spelling): Reading | null {
  switch (column.raw.door) {
    case 'typed':
      return columnReading(type, parseColumnType(column.type), spelling);
    case 'text':
      return textReading(type, spelling);
    case 'json':
      return typedReading(type, spelling);
  }
}

/** Refuses names that no training set can have: none at all, with a NUL, or like another but for case. Throws `spine-bad-name`, `spine-names-alike`. */
export function checkNames(path: string, names: readonly string[]): void {
  const faults: SpineFault[] = [];
  for (const [index, name] of names.entries()) {
    if (name !== '' && !name.includes('\0') && name.isWellFormed()) continue;
    faults.push({
      code: 'spine-bad-name',
      message: `column ${index + 1} has ${name === '' ? 'no name' : `the name ${JSON.stringify(name)}, which no Parquet file can have`}`,
      remedy:
        name === ''
          ? 'Name the column, or leave it out: pandas writes its index as one unless to_csv is given index=False.'
          : 'Rename the column.',
    });
  }
  // Names that differ only in case are one name to SQL: which column is meant could not be said of the training set.
  for (const [, group] of Map.groupBy(names, (name) => name.toLowerCase())) {
    if (group.length < 2 || group[0] === '') continue;
    faults.push({
      code: 'spine-names-alike',
      message: `columns ${group.map((name) => `"${name}"`).join(' and ')} differ in case at most`,
      remedy: 'Rename or leave out all but one in the label file.',
    });
  }
  if (faults.length > 0) throw spineError(path, faults);
}
