import { isMillraceError } from '../errors/millrace-error.ts';
import type { SourceCompilation } from './compile-source.ts';
import { type DefinitionFault, faultReporter } from './definition-fault.ts';

/** A column of history files, its type as DuckDB's DESCRIBE prints it. */
export interface FileColumn {
  readonly name: string;
  readonly type: string;
  /** Which of the two readings its values go through. */
  readonly reading: 'text' | 'typed';
}

/**
 * Looks at history files, through DuckDB: the columns of the files a glob matches, or null where it matches none. JSONL, whose lines
 * are decoded whole, has no columns to check: an empty list.
 */
export type ColumnDescriber = (pathGlob: string) => Promise<readonly FileColumn[] | null>;

/** Reports every history path that matches nothing, lacks a column, or has one that can never satisfy its field. */
export async function checkHistory(
  sources: readonly SourceCompilation[],
  describeColumns: ColumnDescriber,
  faults: DefinitionFault[],
): Promise<void> {
  for (const { source, sound } of sources) {
    if (source.history === null) continue;
    const report = faultReporter(faults, 'source', source.name);
    const { path } = source.history;
    let columns: readonly FileColumn[] | null;
    try {
      columns = await describeColumns(path);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      report(
        'history-unreadable',
        'history.path',
        `${path} cannot be read: ${reason}`,
        'Check that the files are Parquet, CSV or JSONL and complete.',
      );
      continue;
    }
    if (columns === null) {
      report(
        'history-not-found',
        'history.path',
        `${path} matches no file`,
        'The path is relative to the folder that holds the definitions folder.',
      );
      continue;
    }
    if (/\.(?:jsonl|ndjson|json)(?:\.(?:gz|zst))?$/i.test(path) || !sound) continue;
    const found = new Map(columns.map((column) => [column.name, column]));
    for (const field of source.contract.fields) {
      const column = found.get(field.name);
      if (column === undefined) {
        if (field.optional) continue;
        report(
          'missing-column',
          `schema.${field.name}`,
          `${path} has no column "${field.name}"`,
          `It has: ${[...found.keys()].join(', ')}. Make the field .optional(), or add the column.`,
        );
        continue;
      }
      // Any field may stand in text.
      if (column.reading === 'text') continue;
      try {
        source.contract.columnDecoder(field.name, column.type);
      } catch (cause) {
        if (!isMillraceError(cause)) throw cause;
        report(cause.code, `schema.${field.name}`, `${path}: ${cause.message}`, cause.remedy);
      }
    }
  }
}
