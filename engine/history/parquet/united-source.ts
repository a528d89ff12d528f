import type { CompiledSource } from '../../define/compiled-view.ts';
import type { ColumnSource, HistoryColumn } from '../column-source.ts';
import { commonType } from './common-type.ts';
import type { Reading } from './field-readings.ts';
import { columnsOf, hasOwnNames, type ReadFile, scanOf, type Segment } from './segments.ts';

/** Files of several kinds, each kind scanned apart and cast to what holds all of them exactly. */
export function unitedSource(
  source: CompiledSource,
  files: readonly ReadFile[],
  segments: readonly Segment[],
  alone: ColumnSource['alone'],
): ColumnSource {
  const scans = segments.map((segment) => ({ ...segment, columns: columnsOf(source, segment) }));
  const columns: HistoryColumn[] = [];
  const selected = scans.map((): string[] => []);
  for (const [isBeside, field] of bothKinds(source)) {
    const find = (scan: { readonly columns: readonly HistoryColumn[] }, beside: boolean): HistoryColumn | null =>
      scan.columns.find((column) => column.field.name === field && (column.isBesidePath === true) === beside) ?? null;
    const own = scans.map((scan) => find(scan, isBeside));
    const some = own.find((column) => column !== null);
    if (some === undefined || some === null) continue;
    // Beside a path column, a file without one of its own says what its path says.
    const each = own.map((column, index) => column ?? (isBeside ? find(scans[index]!, false) : null));
    const present = each.filter((column) => column !== null);
    const name = `c${columns.length}`;
    const valued = present.filter((column) => !isNullReading(column));
    const common = commonType((valued.length === 0 ? present : valued).map(({ variants }) => variants[0]!));
    // Where no file has a value, nothing else tells SQL the type.
    const noValue = valued.length === 0 ? `NULL::${common.type}` : 'NULL';
    for (const [index, column] of each.entries()) {
      const hasValues = column !== null && !isNullReading(column);
      const value = hasValues ? common.cast(column.expression, column.variants[0]!) : noValue;
      selected[index]!.push(`${value} AS ${name}`);
    }
    columns.push({
      ...some,
      expression: name,
      type: common.type,
      variants: common.variants,
    });
  }
  const branches = scans.map((scan, index) => {
    const isOwn = hasOwnNames(scan.files[0]!);
    const [first] = scan.numbers as [number];
    const isRun = scan.numbers.at(-1) === first + scan.numbers.length - 1;
    const file = isOwn
      ? String(first)
      : isRun
        ? `file_index + ${first}`
        : `[${scan.numbers.join(', ')}][file_index::BIGINT + 1]`;
    // Where a file's own column hides the number of the row, rows are counted as they come.
    const row = isOwn ? 'row_number() OVER () - 1' : 'file_row_number';
    const list = [`(${file})::INTEGER AS file_number`, `(${row})::BIGINT AS row_number`, ...selected[index]!];
    return `SELECT ${list.join(', ')} FROM ${scanOf(scan.files)}`;
  });
  return {
    relation: `(${branches.join(' UNION ALL ')})`,
    columns,
    file: 'file_number',
    row: 'row_number',
    files,
    stretch: null,
    alone,
    close: async () => {},
  };
}

/** The fields twice: as such, and as columns beside a path column. */
function bothKinds({ contract }: CompiledSource): (readonly [isBeside: boolean, field: string])[] {
  return [false, true].flatMap((isBeside) => contract.fields.map(({ name }) => [isBeside, name] as const));
}

function isNullReading({ variants }: HistoryColumn): boolean {
  return (variants[0] as Reading | undefined)?.isNull === true;
}
