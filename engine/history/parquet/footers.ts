import { type DuckDb, quoteName, quoteText } from '../../duckdb/duckdb.ts';
import { invariant } from '../../errors/millrace-error.ts';
import { exactPath, type FileSize, readingFile } from '../history-files.ts';

/** What DuckDB would alter in a column without a word: it cuts digits finer than a microsecond, rounds wide decimals, renames members. */
export type Alteration = 'int96' | 'utc-nanoseconds' | 'wide-decimal' | 'member-names';

/** A top-level column of Parquet files of one shape. */
export interface ParquetColumn {
  /** Its name as it stands in the file, and as DuckDB calls it: of names that differ only in case it renames all but one. */
  readonly name: string;
  readonly boundName: string;
  /** DuckDB type, as DESCRIBE prints it. */
  readonly type: string;
  readonly altered: Alteration | null;
  /** The type it has in the file, where it is altered; for messages. */
  readonly physicalType: string;
  /** Written as a column of nothing but nulls. */
  readonly isNull: boolean;
}

/** What Parquet files with the same columns, in the same order and of the same types, have in common. */
export interface ParquetShape {
  readonly key: string;
  readonly columns: readonly ParquetColumn[];
}

/** What the footer of a file says. */
export interface ParquetFooter extends FileSize {
  readonly rows: number;
  readonly shape: ParquetShape;
}

/** How many footers are read by one query: so many names a failure is sought among. */
const BATCH = 512;

/** Reads the footers of all files, many at a time. Throws `history-unreadable`. */
export async function readFooters(
  source: string,
  files: readonly FileSize[],
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<ParquetFooter[]> {
  const footers: ParquetFooter[] = [];
  const shapes = new Map<string, ParquetShape>();
  for (let from = 0; from < files.length; from += BATCH) {
    const batch = files.slice(from, from + BATCH);
    const found = await readBatch(source, batch, duckdb, signal);
    for (const file of batch) {
      const { rows, key } = found.get(file.path) ?? {};
      invariant(rows !== undefined && key !== undefined, `DuckDB gave no footer of ${file.path}`);
      let shape = shapes.get(key);
      if (shape === undefined) {
        const columns = await readingFile(source, file.path, () => columnsOf(file.path, duckdb, signal));
        shapes.set(key, (shape = { key, columns }));
      }
      footers.push({ ...file, rows, shape });
    }
  }
  return footers;
}

type Found = ReadonlyMap<string, { readonly rows: number; readonly key: string }>;

async function readBatch(
  source: string,
  files: readonly FileSize[],
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<Found> {
  try {
    return await queryFooters(files, duckdb, signal);
  } catch (error) {
    signal?.throwIfAborted();
    // One by one, the faulty file is named.
    for (const file of files) await readingFile(source, file.path, () => queryFooters([file], duckdb, signal));
    throw error;
  }
}

async function queryFooters(
  files: readonly FileSize[],
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const list = parquetList(files.map(({ path }) => path));
  const rows = await duckdb.query<{ path: string; n: bigint; key: string }>(
    `WITH shapes AS (SELECT file_name, md5(to_json(list([name, type, type_length::VARCHAR, duckdb_type, converted_type, logical_type,
       num_children::VARCHAR, scale::VARCHAR, precision::VARCHAR] ORDER BY column_id))::VARCHAR) AS key
       FROM parquet_schema(${list}) GROUP BY file_name)
     SELECT file_name AS path, num_rows AS n, key FROM parquet_file_metadata(${list}) JOIN shapes USING (file_name)`,
    [],
    signal,
  );
  return new Map(rows.map(({ path, n, key }) => [path, { rows: Number(n), key }]));
}

/** Paths as DuckDB's Parquet functions take them. */
export function parquetList(paths: readonly string[]): string {
  return `[${paths.map((path) => quoteText(exactPath(path))).join(', ')}]`;
}

interface SchemaNode {
  readonly name: string;
  readonly type: string | null;
  readonly children: bigint | null;
  readonly logical: string | null;
  readonly duckdb: string | null;
  readonly precision: bigint | null;
  readonly converted: string | null;
}

async function columnsOf(path: string, duckdb: DuckDb, signal: AbortSignal | undefined): Promise<ParquetColumn[]> {
  const list = parquetList([path]);
  const nodes = await duckdb.query<SchemaNode>(
    `SELECT name, type, num_children::BIGINT AS children, logical_type AS logical, duckdb_type AS duckdb, precision::BIGINT AS precision,
       converted_type AS converted FROM parquet_schema(${list}) ORDER BY column_id`,
    [],
    signal,
  );
  const described = await duckdb.query<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM read_parquet(${list}, hive_partitioning = false)`,
    [],
    signal,
  );
  const tops = topLevel(nodes);
  invariant(tops.length === described.length, `DuckDB gives ${described.length} columns of ${tops.length} in ${path}`);
  return tops.map((subtree, index) => {
    const bound = described[index] as { column_name: string; column_type: string };
    const [top] = subtree as [SchemaNode];
    const faulty = subtree.map((node) => [node, alterationOf(node)] as const).find(([, altered]) => altered !== null);
    const altered = faulty?.[1] ?? (hasLikeMembers(subtree) ? 'member-names' : null);
    return {
      name: top.name,
      boundName: bound.column_name,
      type: bound.column_type,
      altered,
      physicalType: faulty === undefined ? bound.column_type : physicalName(faulty[0]),
      isNull: top.logical?.startsWith('NullType') === true,
    };
  });
}

/** The nodes below the root, each top-level column's apart, itself first. */
function topLevel(nodes: readonly SchemaNode[]): SchemaNode[][] {
  const columns: SchemaNode[][] = [];
  for (let at = 1; at < nodes.length; ) {
    const end = endOf(nodes, at);
    columns.push(nodes.slice(at, end));
    at = end;
  }
  return columns;
}

function endOf(nodes: readonly SchemaNode[], at: number): number {
  let next = at + 1;
  for (let child = 0; child < Number(nodes[at]?.children ?? 0); child++) next = endOf(nodes, next);
  return next;
}

function alterationOf({ type, logical, precision, duckdb }: SchemaNode): Alteration | null {
  if (type === 'INT96') return 'int96';
  if (logical !== null && /^TimestampType\(isAdjustedToUTC=1\b.*NANOS=NanoSeconds/.test(logical))
    return 'utc-nanoseconds';
  return precision !== null && precision > 38n && duckdb === 'DOUBLE' ? 'wide-decimal' : null;
}

function physicalName({ type, logical, precision }: SchemaNode): string {
  if (type === 'INT96') return 'INT96';
  return logical?.startsWith('TimestampType') === true
    ? 'TIMESTAMP with nanoseconds in UTC'
    : `a decimal of ${precision} digits`;
}

/** Whether members of one struct have names that differ only in case. */
function hasLikeMembers(subtree: readonly SchemaNode[]): boolean {
  for (let at = 0; at < subtree.length; at++) {
    const seen = new Set<string>();
    let child = at + 1;
    for (let index = 0; index < Number(subtree[at]?.children ?? 0); index++) {
      const name = subtree[child]?.name.toLowerCase() ?? '';
      if (seen.has(name)) return true;
      seen.add(name);
      child = endOf(subtree, child);
    }
  }
  return false;
}

/** SQL: a column of a shape in a scan of files of that shape, as a type whose raw form readers know. */
export function columnSql({ boundName, type }: ParquetColumn): { readonly expression: string; readonly type: string } {
  const name = quoteName(boundName);
  if (type === 'TIMESTAMP_S' || type === 'TIMESTAMP_MS') return { expression: `${name}::TIMESTAMP`, type: 'TIMESTAMP' };
  if (type === 'UUID' || type === 'JSON' || type.startsWith('ENUM(')) {
    return { expression: `${name}::VARCHAR`, type: 'VARCHAR' };
  }
  return { expression: name, type };
}
