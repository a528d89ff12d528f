import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDb, quoteName } from '../duckdb/duckdb.ts';
import {
  columnSql,
  type ParquetColumn,
  type ParquetFooter,
  parquetList,
  readFooters,
} from '../history/parquet/footers.ts';
import { withoutUtcNanoseconds } from '../history/parquet/utc-flags.ts';
import { verifyChecksums } from '../history/parquet/page-checksums.ts';
import { checkNames, ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-columns.ts';
import { type SpineFault, spineError } from './spine-faults.ts';
import { type SpineFile, unreadableSpine } from './spine-file.ts';

/** The types that come out of DuckDB as they went in. */
const KEPT =
  /^(?:BOOLEAN|U?(?:TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|VARCHAR|BLOB|JSON|UUID|DATE|TIME|TIME_NS|TIME WITH TIME ZONE|TIMESTAMP|TIMESTAMP_(?:S|MS|NS)|TIMESTAMP WITH TIME ZONE|INTERVAL)$/;

/** Loads a Parquet spine: every column in its own type, to come out in it. Throws `history-unreadable`, and as `loadSpine`. */
export async function loadParquetSpine(
  duckdb: DuckDb,
  file: SpineFile,
  spillDir: string,
  signal: AbortSignal,
): Promise<SpineColumn[]> {
  const [footer] = (await readFooters('spine', [file], duckdb, signal)) as [ParquetFooter];
  const { columns } = footer.shape;
  checkNames(
    file.path,
    columns.map(({ name }) => name),
  );
  const faults = columns.map(alterationFault).filter((fault) => fault !== null);
  if (faults.length > 0) throw spineError(file.path, faults);
  const names = columns.map(({ name }) => name);
  await verifyChecksums('spine', [file], names, duckdb, signal);
  const load = async (path: string): Promise<void> => {
    const list = columns.map(({ boundName }, index) => `${quoteName(boundName)} AS c${index}`);
    await duckdb.run(
      `CREATE TABLE ${SPINE_TABLE} AS SELECT ${list.join(', ')}, row_number() OVER () - 1 AS ${ROW_COLUMN}
       FROM read_parquet(${parquetList([path])}, hive_partitioning = false)`,
      [],
      signal,
    );
  };
  const nanoseconds = [...columns.keys()].filter((index) => isUtcNanoseconds(columns[index]!));
  if (nanoseconds.length === 0) await load(file.path);
  else {
    const folder = await mkdtemp(join(spillDir, 'spine-'));
    try {
      const copy = join(folder, 'spine.parquet');
      await withoutUtcNanoseconds(file.path, copy);
      await load(copy);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    for (const index of nanoseconds) await toMicroseconds(duckdb, file.path, columns[index]!.name, `c${index}`, signal);
  }
  const [loaded] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${SPINE_TABLE}`);
  if (Number(loaded?.n) !== footer.rows) {
    throw unreadableSpine(file, `its footer says ${footer.rows} rows, of which ${loaded?.n} are there`);
  }
  return columns.map((column, index): SpineColumn => {
    const { name, type } = column;
    return {
      name,
      type,
      output: `c${index}`,
      raw: { door: 'typed', ...columnSql({ ...column, boundName: `c${index}` }) },
    };
  });
}

/** What pandas writes: times with a zone, to the nanosecond. A column of such is held to the microsecond, value by value. */
function isUtcNanoseconds({ altered, type }: ParquetColumn): boolean {
  return altered === 'utc-nanoseconds' && type === 'TIMESTAMP WITH TIME ZONE';
}

/** Makes nanoseconds that are whole microseconds such, in UTC. Throws `spine-column-altered` where one is none. */
async function toMicroseconds(
  duckdb: DuckDb,
  path: string,
  name: string,
  column: string,
  signal: AbortSignal,
): Promise<void> {
  const [finer] = await duckdb.query<{ n: bigint; first: bigint; text: string }>(
    `SELECT count(*) AS n, min(${ROW_COLUMN}) AS first, arg_min(${column}::VARCHAR, ${ROW_COLUMN}) AS text
     FROM ${SPINE_TABLE} WHERE epoch_ns(${column}) % 1000 <> 0`,
    [],
    signal,
  );
  if (finer !== undefined && finer.n > 0n) {
    const more = finer.n === 1n ? '' : ` (and ${finer.n - 1n} more)`;
    throw spineError(path, [
      {
        code: 'spine-column-altered',
        message: `column "${name}" has nanoseconds in UTC, row ${finer.first + 1n}: ${finer.text}${more}; digits finer than a microsecond would be cut off`,
        remedy:
          "Write it in microseconds (pandas: .dt.floor('us'), or coerce_timestamps='us'), or leave the column out.",
      },
    ]);
  }
  await duckdb.run(
    `ALTER TABLE ${SPINE_TABLE} ALTER ${column} TYPE TIMESTAMPTZ USING make_timestamptz(epoch_ns(${column}) // 1000)`,
    [],
    signal,
  );
}

/** Why a column would not come out as it went in; null where it does. */
function alterationFault(column: ParquetColumn): SpineFault | null {
  const { name, type, altered, isNull } = column;
  const fault = (what: string, remedy: string): SpineFault => ({
    code: 'spine-column-altered',
    message: `column "${name}" ${what}`,
    remedy: `${remedy} Or leave the column out.`,
  });
  switch (altered) {
    case 'int96':
      return fault(
        'is INT96, whose digits finer than a microsecond are cut off in reading',
        'Write it as INT64 microseconds (Spark: spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS).',
      );
    case 'utc-nanoseconds':
      if (isUtcNanoseconds(column)) return null;
      return fault(
        'has a TIMESTAMP of nanoseconds in UTC, whose digits finer than a microsecond are cut off in reading',
        'Write it as TIMESTAMP in microseconds.',
      );
    case 'wide-decimal':
      return fault(
        `is ${column.physicalType}; more than 38 are rounded in reading`,
        'Write it as a decimal of at most 38 digits, or as text.',
      );
    case 'member-names':
      return fault(
        'has members whose names differ only in case, which are renamed in reading',
        'Give the members names of their own.',
      );
    case null:
      return isNull || leafTypes(type).every((leaf) => KEPT.test(leaf))
        ? null
        : fault(`is ${type}, which does not come out as it went in`, 'Write it as text or in another type.');
  }
}

/** The types within a type: of the members of structs, the items of lists, the keys and values of maps. */
function leafTypes(type: string): string[] {
  const text = type.trim();
  if (text.endsWith('[]')) return leafTypes(text.slice(0, -2));
  const nested = /^(?:STRUCT|MAP)\((.*)\)$/s.exec(text);
  if (nested === null) return [text];
  return members(nested[1] as string).flatMap((member) =>
    leafTypes(text.startsWith('MAP') ? member : member.replace(/^\s*(?:"(?:[^"]|"")*"|\S+)\s+/, '')),
  );
}

/** Splits at commas outside of brackets and quotes. */
function members(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let isQuoted = false;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === ',' && depth === 0) {
      found.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...found, text.slice(start)];
}
