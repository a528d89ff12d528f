import type { CompiledSource, CsvDialect } from '../../define/compiled-view.ts';
import { type DuckDb, quoteText } from '../../duckdb/duckdb.ts';
import { isMillraceError, type MillraceError } from '../../errors/millrace-error.ts';
import { decoderOf, TEXT } from '../column-decoder.ts';
import type { ColumnSource, HistoryColumn } from '../column-source.ts';
import { findColumns } from '../find-columns.ts';
import {
  type FileSize,
  type HistoryFile,
  type HistoryFiles,
  readingFile,
  unreadableHistory,
} from '../history-files.ts';
import { pathValues } from '../partition-path.ts';
import { CsvFault } from './csv-fault.ts';
import { csvSql } from './csv-sql.ts';
import { type CsvStructure, csvStructure, DEFAULT_DIALECT } from './csv-structure.ts';

/** A CSV file whose structure is known to be sound. */
export interface CsvFile extends FileSize {
  readonly structure: CsvStructure;
  /** SQL for each field of the contract, over `relationOf`; null where the file has no column of it. */
  readonly values: readonly (string | null)[];
  /** The same for the files' own columns beside path columns. */
  readonly beside: readonly (string | null)[];
}

/**
 * Looks through a CSV file and finds the contract's fields in it.
 *
 * @throws MillraceError `history-unreadable`, `history-column-missing`, `history-partition-missing`, `history-partition-invalid`.
 */
export async function inspectCsv(
  source: CompiledSource,
  file: FileSize,
  signal?: AbortSignal,
  maxBytes?: number,
): Promise<CsvFile> {
  const { path } = file;
  const structure = await structureOf(source, path, signal, maxBytes);
  const partitions = pathValues(source, path);
  const columns = structure.header.map((name, index) => ({ name, sql: `c${index}` }));
  const fields = source.contract.fields.map(({ name, optional }) => ({
    name,
    // An empty file has no header, and no rows to lack a column.
    optional: optional || partitions.has(name) || file.sizeBytes === 0,
  }));
  const own = findColumns(source.name, path, fields, columns);
  const values = fields.map(({ name }) => {
    const text = partitions.get(name);
    return text === undefined ? (own.get(name)?.sql ?? null) : text === null ? 'NULL' : quoteText(text);
  });
  const beside = fields.map(({ name }) => (partitions.has(name) ? (own.get(name)?.sql ?? null) : null));
  return { ...file, structure, values, beside };
}

async function structureOf(
  source: CompiledSource,
  path: string,
  signal: AbortSignal | undefined,
  maxBytes: number | undefined,
): Promise<CsvStructure> {
  try {
    return await csvStructure(path, dialectOf(source), signal, maxBytes);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CsvFault) {
      throw unreadableHistory(source.name, path, error, { place: `line ${error.line}`, remedy: error.remedy });
    }
    const isFile = !isMillraceError(error) && error instanceof Error && 'code' in error;
    throw isFile ? unreadableHistory(source.name, path, error) : error;
  }
}

function dialectOf(source: CompiledSource): CsvDialect {
  return source.history?.csv ?? DEFAULT_DIALECT;
}

/** CSV is parsed once, into a table of text that spills. Throws as `inspectCsv`, and `column-type-mismatch`. */
export async function openCsv(
  source: CompiledSource,
  found: HistoryFiles,
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<ColumnSource> {
  const { fields } = source.contract;
  for (const { name } of fields) decoderOf(source, name, TEXT);
  const files: HistoryFile[] = [];
  const present = { values: new Set<number>(), beside: new Set<number>() };
  const table = duckdb.newName('history_csv');
  // Only beside a path column a file may say the same a second time.
  const fromPath = new Set(source.history?.partitions ?? []);
  const mayBeBeside = fields.map(({ name }) => fromPath.has(name));
  const definitions = fields
    .map((_, index) => (mayBeBeside[index] ? `v${index} VARCHAR, b${index} VARCHAR` : `v${index} VARCHAR`))
    .join(', ');
  await duckdb.run(`CREATE TABLE ${table} (file_number INTEGER, row_number BIGINT, ${definitions})`);
  const close = (): Promise<void> => duckdb.run(`DROP TABLE ${table}`);
  try {
    for (const [index, file] of found.files.entries()) {
      const csv = await inspectCsv(source, file, signal);
      const { values, beside, structure } = csv;
      for (const [at, value] of values.entries()) if (value !== null) present.values.add(at);
      for (const [at, value] of beside.entries()) if (value !== null) present.beside.add(at);
      // Beside a path column, a file without one of its own says what its path says.
      const list = fields
        .map((_, at) => {
          const value = values[at] ?? 'NULL';
          return mayBeBeside[at] ? `${value}, ${beside[at] ?? value}` : value;
        })
        .join(', ');
      if (structure.rows > 0) {
        const scan = `SELECT ${index}, row_number() OVER () - 1, ${list} FROM ${relationOf(csv, dialectOf(source))}`;
        const [inserted] = await readingFile(source.name, file.path, () =>
          duckdb.query<{ Count: bigint }>(`INSERT INTO ${table} ${scan}`, [], signal),
        );
        if (Number(inserted?.Count) !== structure.rows) throw miscounted(source, csv, inserted?.Count);
      }
      files.push({ path: file.path, sizeBytes: file.sizeBytes, rows: structure.rows });
    }
  } catch (error) {
    await close();
    throw error;
  }
  const column = (index: number, letter: 'v' | 'b') => ({
    field: fields[index]!,
    expression: `${letter}${index}`,
    type: 'VARCHAR',
    variants: [TEXT],
  });
  const columns = [
    ...[...fields.keys()].filter((index) => present.values.has(index)).map((index) => column(index, 'v')),
    ...[...fields.keys()]
      .filter((index) => present.beside.has(index))
      .map((index) => ({ ...column(index, 'b'), isBesidePath: true })),
  ];
  return { relation: table, columns, file: 'file_number', row: 'row_number', files, stretch: null, alone: null, close };
}

/** The rows of one CSV file, parsed as they are scanned, in the order they lie; for a look at some. */
export function csvAlone(source: CompiledSource, csv: CsvFile): Pick<ColumnSource, 'relation' | 'columns'> {
  const columns = source.contract.fields.flatMap((field, index) => {
    const column = (expression: string | null | undefined, isBesidePath: boolean): HistoryColumn[] =>
      expression == null ? [] : [{ field, expression, type: 'VARCHAR', variants: [TEXT], isBesidePath }];
    return [...column(csv.values[index], false), ...column(csv.beside[index], true)];
  });
  const isBeside = ({ isBesidePath }: HistoryColumn): boolean => isBesidePath === true;
  return {
    relation: relationOf(csv, dialectOf(source)),
    columns: [...columns.filter((column) => !isBeside(column)), ...columns.filter(isBeside)],
  };
}

function relationOf({ path, structure }: CsvFile, dialect: CsvDialect): string {
  return csvSql(
    path,
    structure,
    dialect,
    structure.header.map((_, index) => `c${index}`),
  );
}

function miscounted(source: CompiledSource, { path, structure }: CsvFile, count: bigint | undefined): MillraceError {
  const reason = new Error(`it has ${structure.rows} rows, of which ${count} are read`);
  return unreadableHistory(source.name, path, reason, {
    remedy: 'Write the file as Parquet or JSONL, and report this.',
  });
}
