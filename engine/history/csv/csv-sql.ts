import type { CsvDialect } from '../../define/compiled-view.ts';
import { quoteText } from '../../duckdb/duckdb.ts';
import { exactPath } from '../history-files.ts';
import type { CsvStructure } from './csv-structure.ts';

/**
 * SQL: the rows of a CSV file of known structure, all text, in the order they lie. Nothing is left for DuckDB to guess; where a quoted field
 * goes over a line's end, it does not cut the file for its threads either.
 *
 * @param names What the columns are called in SQL; none like another but for case.
 * @example
 * csvSql('/data/a.csv', await csvStructure('/data/a.csv', DEFAULT_DIALECT), DEFAULT_DIALECT, ['c0', 'c1']);
 */
export function csvSql(
  path: string,
  structure: CsvStructure,
  { delimiter }: Pick<CsvDialect, 'delimiter'>,
  names: readonly string[],
): string {
  const columns = names.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(', ');
  const longest = Math.max(2_097_152, structure.longestBytes + 1024);
  return (
    `read_csv(${quoteText(exactPath(path))}, auto_detect = false, header = true, columns = {${columns}}, delim = ${quoteText(delimiter)}, ` +
    `quote = '"', escape = '"', comment = '', skip = 0, strict_mode = true, null_padding = false, ignore_errors = false, nullstr = '', ` +
    `allow_quoted_nulls = false, normalize_names = false, max_line_size = ${longest}, parallel = ${!structure.hasQuotedLineEnds})`
  );
}
