import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MillraceError } from '../errors/millrace-error.ts';
import { type DuckDb, quoteName } from '../duckdb/duckdb.ts';
import { outputSql } from './scalar-sql.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import { READ_TABLE, ROW_COLUMN, SPINE_TABLE } from './spine-columns.ts';
import type { TrainingManifest } from './training-types.ts';

const ROW_GROUP_ROWS = 122_880;

/** The manifest's place beside a training set. */
export function manifestPath(out: string): string {
  return `${out}.manifest.json`;
}

/** Where a comparison of the modes stands beside a training set. */
export function comparisonPaths(out: string): { readonly json: string; readonly svg: string } {
  return { json: `${out}.compare.json`, svg: `${out}.compare.svg` };
}

/** A comparison as it is written. */
export interface WrittenComparison {
  readonly json: string;
  readonly svg: string;
}

/** A training set while it is written: in a folder of its own beside its place, moved there when whole. */
export class OutputFile {
  readonly path: string;
  readonly #folder: string;

  private constructor(path: string, folder: string) {
    this.path = path;
    this.#folder = folder;
  }

  /** Throws `out-folder-missing`, `out-exists`, `out-not-writable`. */
  static async create(path: string, overwrite: boolean): Promise<OutputFile> {
    const folder = dirname(path);
    if (!(await stat(folder).catch(() => null))?.isDirectory()) {
      throw new MillraceError('out-folder-missing', `cannot write ${path}: there is no folder ${folder}`, {
        remedy: 'Make the folder, or choose another path.',
      });
    }
    await refuseExisting(path, overwrite);
    try {
      return new OutputFile(path, await mkdtemp(join(folder, `.${basename(path)}.partial-`)));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MillraceError('out-not-writable', `cannot write into ${folder}: ${reason}`, {
        remedy: 'Allow writing to the folder, or choose another path.',
        cause,
      });
    }
  }

  /** Where the Parquet file is while it is written. */
  get partialPath(): string {
    return join(this.#folder, 'rows.parquet');
  }

  /** Puts manifest, comparison and file in place, the file last: where the file stands, all of it does. */
  async publish(manifest: TrainingManifest, comparison: WrittenComparison | null, overwrite: boolean): Promise<void> {
    const paths = comparisonPaths(this.path);
    const beside = new Map([[manifestPath(this.path), `${JSON.stringify(manifest, null, 2)}\n`]]);
    if (comparison !== null) beside.set(paths.json, comparison.json).set(paths.svg, comparison.svg);
    const partial = [...beside].map(([place, text], number) => ({
      place,
      text,
      path: join(this.#folder, `beside-${number}`),
    }));
    for (const { path, text } of partial) await writeFile(path, text);
    await refuseExisting(this.path, overwrite);
    for (const { path, place } of partial) await rename(path, place);
    // That of the set which is replaced says nothing of this one.
    if (comparison === null) for (const path of Object.values(paths)) await rm(path, { force: true });
    await rename(this.partialPath, this.path);
  }

  /** Removes what is not in place. */
  async dispose(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function refuseExisting(path: string, overwrite: boolean): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || (overwrite && found.isFile())) return;
  const what = found.isFile() ? 'the file exists' : 'there is something else of that name';
  throw new MillraceError('out-exists', `cannot write ${path}: ${what}`, {
    remedy: 'Choose another path, or allow to overwrite the file (overwrite; CLI: --overwrite).',
    httpStatus: 409,
  });
}

/**
 * Writes the spine's rows in order with their features. The bytes depend on the rows alone: one thread, fixed row groups,
 * fixed compression, and nothing in the file that tells the time.
 */
export async function writeRows(
  duckdb: DuckDb,
  path: string,
  { output, isRead, features }: Pick<PreparedSpine, 'output' | 'isRead' | 'features'>,
  stagedTables: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const columns = output.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`);
  const positions = new Map<string, number>();
  const wide: string[] = [];
  for (const { view, feature, column } of features) {
    const position = positions.get(view) ?? 0;
    positions.set(view, position + 1);
    wide.push(`${outputSql(feature.result, `${stagedTables.get(view)}.f${position}`)} AS ${quoteName(column)}`);
  }
  const row = `${SPINE_TABLE}.${ROW_COLUMN}`;
  const joined = [...(isRead ? [READ_TABLE] : []), ...stagedTables.values()];
  const joins = joined.map((table) => `JOIN ${table} ON ${table}.row_number = ${row}`);
  await duckdb.run('SET threads = 1');
  await duckdb.run('SET preserve_insertion_order = true');
  await duckdb.run(
    `COPY (
       SELECT ${[...columns, ...wide].join(', ')} FROM ${SPINE_TABLE} ${joins.join(' ')} ORDER BY ${row}
     ) TO $1 (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`,
    [path],
    signal,
  );
}

/** Nulls per feature of one view, in layout order, and how many rows were staged. */
export async function countNulls(
  duckdb: DuckDb,
  table: string,
  featureCount: number,
): Promise<{ rows: number; nulls: number[] }> {
  const counts = Array.from({ length: featureCount }, (_, f) => `, count(*) - count(f${f}) AS n${f}`).join('');
  const counted = await duckdb.query<Record<string, bigint>>(`SELECT count(*) AS n${counts} FROM ${table}`);
  const [rows, ...nulls] = Object.values(counted[0] ?? {}).map(Number);
  return { rows: rows ?? 0, nulls };
}
