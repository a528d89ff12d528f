import type { FieldSpec } from '../values/field-type.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { type DuckDb, quoteName, quoteText } from '../duckdb/duckdb.ts';
import { type HistoryFile, type HistoryFiles, missingColumns, unreadableHistory } from './history-files.ts';

/** A contract field that the history has a column for. */
export interface HistoryColumn {
  readonly field: FieldSpec;
  /** SQL over the relation, giving a value of `type`. */
  readonly expression: string;
  /** DuckDB type, as DESCRIBE prints it. */
  readonly type: string;
  /** Which of the two readings its values go through: of text (a CSV's cells, folders of a path), or of typed values. */
  readonly reading: 'text' | 'typed';
}

/** A history in columns, as a relation DuckDB can scan again and again. */
export interface ColumnSource {
  readonly relation: string;
  readonly columns: readonly HistoryColumn[];
  /** SQL: the number of the file, and of the row in it, from 0. */
  readonly file: string;
  readonly row: string;
  readonly files: readonly HistoryFile[];
  /** Whether any of the files alone, made a relation, has the same columns: what `newestSlicesFirst` may take apart. */
  readonly isUniform: boolean;
  close(): Promise<void>;
}

type Types = ReadonlyMap<string, string>;

/** Parquet is scanned where it lies. Throws `history-unreadable`, `history-column-missing`, `column-type-mismatch`. */
export async function openParquet(
  source: CompiledSource,
  found: HistoryFiles,
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<ColumnSource> {
  const files: HistoryFile[] = [];
  const shapes = new Set<string>();
  const types = new Map<string, { type: string; path: string }>();
  for (const { path, sizeBytes } of found.files) {
    const literal = parquetPath(path);
    const [columns, rows] = await readingFile(source, path, async () => {
      const [metadata] = await duckdb.query<{ n: bigint }>(
        `SELECT num_rows AS n FROM parquet_file_metadata(${literal})`,
      );
      const relation = `read_parquet(${literal}, hive_partitioning = false)`;
      return [await describe(duckdb, relation, signal), Number(metadata?.n ?? 0n)] as const;
    });
    for (const name of contractColumns(source, path, columns)) {
      const type = columns.get(name) as string;
      const known = types.get(name);
      if (known === undefined) types.set(name, { type, path });
      else checkSameType(source, name, known, { type, path });
    }
    const shape = source.contract.fields.map(({ name }) => columns.get(name) ?? '');
    shapes.add(shape.join());
    files.push({ path, sizeBytes, rows });
  }
  const relation = parquetRelation(files.map(({ path }) => path));
  const united = await describe(duckdb, relation, signal);
  const columns = source.contract.fields
    .filter(({ name }) => united.has(name))
    .map((field) => ({
      field,
      reading: 'typed' as const,
      ...castColumn(quoteName(field.name), united.get(field.name) as string),
    }));
  const isUniform = shapes.size === 1;
  return { relation, columns, file: 'file_index', row: 'file_row_number', files, isUniform, close: async () => {} };
}

/** Parquet files as one relation. */
export function parquetRelation(paths: readonly string[]): string {
  return `read_parquet([${paths.map(parquetPath).join(', ')}], union_by_name = true, hive_partitioning = false)`;
}

/** A path as DuckDB's Parquet functions take it. */
export function parquetPath(path: string): string {
  return quoteText(exactPath(path));
}

/** CSV is parsed once, into a table of text that spills. Throws `history-unreadable`, `history-column-missing`. */
export async function openCsv(
  source: CompiledSource,
  found: HistoryFiles,
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<ColumnSource> {
  const table = duckdb.newName('history_csv');
  const { fields } = source.contract;
  const definitions = fields.map((_, index) => `c${index} VARCHAR`).join(', ');
  await duckdb.run(`CREATE TABLE ${table} (file_number INTEGER, row_number BIGINT, ${definitions})`);
  const files: HistoryFile[] = [];
  const present = new Set<string>();
  for (const [index, { path, sizeBytes }] of found.files.entries()) {
    const relation =
      `read_csv(${quoteText(exactPath(path))}, header = true, all_varchar = true, delim = ',', quote = '"', escape = '"', ` +
      `comment = '', skip = 0, strict_mode = true, null_padding = false, ignore_errors = false, nullstr = '', ` +
      `allow_quoted_nulls = false, normalize_names = false)`;
    const rows = await readingFile(source, path, async () => {
      const columns = sizeBytes === 0 ? new Map<string, string>() : await describe(duckdb, relation, signal);
      const has = contractColumns(source, path, columns);
      for (const name of has) present.add(name);
      const values = fields.map(({ name }) => (has.includes(name) ? quoteName(name) : 'NULL')).join(', ');
      const scan = `SELECT ${index}, row_number() OVER () - 1, ${values} FROM ${relation}`;
      const [inserted] = await duckdb.query<{ Count: bigint }>(`INSERT INTO ${table} ${scan}`, [], signal);
      return Number(inserted?.Count ?? 0n);
    });
    files.push({ path, sizeBytes, rows });
  }
  const columns = fields.flatMap((field, index) =>
    present.has(field.name) ? [{ field, expression: `c${index}`, type: 'VARCHAR', reading: 'text' as const }] : [],
  );
  const close = (): Promise<void> => duckdb.run(`DROP TABLE ${table}`);
  return { relation: table, columns, file: 'file_number', row: 'row_number', files, isUniform: false, close };
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

async function describe(duckdb: DuckDb, relation: string, signal: AbortSignal | undefined): Promise<Types> {
  const rows = await duckdb.query<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM ${relation}`,
    [],
    signal,
  );
  return new Map(rows.map(({ column_name, column_type }) => [column_name, column_type]));
}

/** The contract's fields that a file has columns for; refuses a file that lacks one that must be there. */
function contractColumns(source: CompiledSource, path: string, columns: Types): string[] {
  const missing = source.contract.fields.filter(({ name, optional }) => !optional && !columns.has(name));
  if (missing.length > 0) {
    throw missingColumns(
      source.name,
      path,
      missing.map(({ name }) => name),
      [...columns.keys()],
    );
  }
  return source.contract.fields.map(({ name }) => name).filter((name) => columns.has(name));
}

const interchangeable = [
  /^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/,
  /^TIMESTAMP(?:_S|_MS|TZ| WITH TIME ZONE)?$/,
];

/** Files are read as one relation: only types that unite without loss may differ. */
function checkSameType(
  source: CompiledSource,
  name: string,
  a: { type: string; path: string },
  b: { type: string; path: string },
): void {
  if (a.type === b.type || interchangeable.some((family) => family.test(a.type) && family.test(b.type))) return;
  throw new MillraceError(
    'column-type-mismatch',
    `source "${source.name}": column "${name}" is ${a.type} in ${a.path}, but ${b.type} in ${b.path}`,
    { remedy: 'Write the files with one type for the column.', details: { source: source.name, column: name } },
  );
}

/** Types whose values the raw form knows only by another type's. */
function castColumn(name: string, type: string): { expression: string; type: string } {
  if (type === 'TIMESTAMP_S' || type === 'TIMESTAMP_MS') return { expression: `${name}::TIMESTAMP`, type: 'TIMESTAMP' };
  if (type === 'UUID' || type.startsWith('ENUM(')) {
    return { expression: `${name}::VARCHAR`, type: 'VARCHAR' };
  }
  return { expression: name, type };
}

async function readingFile<T>(source: CompiledSource, path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    // What DuckDB says of a file carries the kind of its fault in front; anything else has its name already.
    const isFileFault =
      error instanceof Error &&
      /^(?:Invalid Input|IO|Conversion|Parser|Binder|Serialization) Error/.test(error.message);
    throw isFileFault ? unreadableHistory(source.name, path, error) : error;
  }
}

/** DuckDB takes a path for a glob: characters that mean something there stand for themselves in brackets. */
function exactPath(path: string): string {
  return path.replaceAll(/[*?[]/g, '[$&]');
}
