import { BIGINT, type DuckDBType, type DuckDBValue, VARCHAR } from 'duckdb';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { HalfCharacter, JsonColumn, type JsonColumnType } from './json-column.ts';
import { type JsonRow, jsonRows } from './json-rows.ts';
import { checkNames, ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-columns.ts';
import { emptySpine, type SpineFile, unreadableSpine } from './spine-file.ts';

interface JsonSpineColumn {
  readonly name: string;
  readonly type: JsonColumnType;
  /** Read as a record's field would be: each value is kept as its JSON text, too. */
  readonly isSpecial: boolean;
}

/** Loads a JSON spine, read twice: to give each column the type that holds all its values as they are, and to fill it. Throws as `loadSpine`. */
export async function loadJsonSpine(
  duckdb: DuckDb,
  file: SpineFile,
  special: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<SpineColumn[]> {
  const columns = await findColumns(file, special, signal);
  checkNames(
    file.path,
    columns.map(({ name }) => name),
  );
  const stored = columns.flatMap(({ type, isSpecial }, index): [string, DuckDBType][] => [
    [`c${index}`, type.stored],
    ...(isSpecial ? [[`j${index}`, VARCHAR] as [string, DuckDBType]] : []),
  ]);
  const definitions = [...stored, [ROW_COLUMN, BIGINT] as const].map(([name, type]) => `${name} ${type.toString()}`);
  await duckdb.run(`CREATE TABLE ${SPINE_TABLE} (${definitions.join(', ')})`);
  const appender = await RowAppender.open(duckdb, SPINE_TABLE, [...stored.map(([, type]) => type), BIGINT]);
  try {
    let number = 0;
    for await (const rows of jsonRows(file, signal)) {
      for (const row of rows) {
        appender.append(...storedValues(file, columns, row, number), BigInt(number));
        number++;
      }
    }
  } finally {
    appender.close();
  }
  return columns.map(({ name, type: { name: type, isCast } }, index): SpineColumn => {
    const sql = `c${index}`;
    return {
      name,
      type,
      output: isCast ? `CAST(${sql} AS ${type})` : sql,
      raw: { door: 'json', expression: `j${index}`, type: 'VARCHAR' },
    };
  });
}

/** In the order in which rows name them. */
async function findColumns(
  file: SpineFile,
  special: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<JsonSpineColumn[]> {
  const found = new Map<string, JsonColumn>();
  let count = 0;
  for await (const rows of jsonRows(file, signal)) {
    count += rows.length;
    for (const row of rows) {
      for (const name of Object.keys(row)) {
        let column = found.get(name);
        if (column === undefined) found.set(name, (column = new JsonColumn()));
        column.add(row[name]);
      }
    }
  }
  if (count === 0) throw emptySpine(file.path);
  return [...found].map(([name, column]) => ({ name, type: column.type(), isSpecial: special.has(name) }));
}

function storedValues(
  file: SpineFile,
  columns: readonly JsonSpineColumn[],
  row: JsonRow,
  number: number,
): DuckDBValue[] {
  const values: DuckDBValue[] = [];
  for (const { name, type, isSpecial } of columns) {
    const value = Object.hasOwn(row, name) ? row[name] : null;
    try {
      values.push(value === null ? null : type.store(value));
      if (isSpecial) values.push(value === null ? null : JSON.stringify(value));
    } catch (error) {
      throw unstorable(file, name, number, error);
    }
  }
  return values;
}

/** What keeps a value of JSON from being stored, in terms of the file; a fault of another kind as it is. */
function unstorable(file: SpineFile, name: string, number: number, error: unknown): unknown {
  const place = `row ${number + 1}`;
  if (error instanceof HalfCharacter) {
    return unreadableSpine(file, `column "${name}" has half a surrogate pair, which is no text`, {
      place,
      remedy: 'Correct the text where it is written: such a \\u escape stands for nothing.',
      cause: error,
    });
  }
  if (!(error instanceof RangeError)) return error;
  return unreadableSpine(file, `column "${name}" is nested too deeply`, { place, cause: error });
}
