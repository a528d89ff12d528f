import type { DuckDBDataChunk } from 'duckdb';
import type { ScalarType } from '../values/field-type.ts';
import type { CompiledService } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { type DuckDb, quoteName } from '../duckdb/duckdb.ts';
import { BoundValues } from './bound-values.ts';
import { type ColumnReading, keyReading, outputSql, timeReading } from './scalar-sql.ts';
import { missingColumn, type SpineFault } from './spine-faults.ts';
import { ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-file.ts';

/** Row number, time, and the id of each entity (`id0`, …), by time. */
export const LABELS_TABLE = 'training_labels';

/** Half-open: fromUs <= t < untilUs, epoch µs. */
export interface TimeRange {
  readonly fromUs: number;
  readonly untilUs: number;
}

/** What a column of request ids is for, in messages. */
export const REQUEST_PURPOSE = 'the request id';

/** SQL: whether a label is of the range. */
export function inRange({ fromUs, untilUs }: TimeRange): string {
  return `(time_us >= ${fromUs} AND time_us < ${untilUs})`;
}

/** An entity of the service, as the spine's rows name it. */
export interface SpineEntity {
  readonly name: string;
  readonly keys: readonly { readonly name: string; readonly type: ScalarType }[];
  /** DuckDB table of its distinct keys in the spine: `id` from 0, then `k0`, `k1`, … */
  readonly table: string;
}

/** The entities of a service's views, each once. */
export function entitiesOf(service: CompiledService): SpineEntity[] {
  const entities = new Map<string, SpineEntity>();
  for (const { layout } of service.views) {
    if (entities.has(layout.entity)) continue;
    entities.set(layout.entity, { name: layout.entity, keys: layout.keys, table: `training_entity_${entities.size}` });
  }
  return [...entities.values()];
}

/** A column that is needed, and how it is understood. */
export interface LabelColumn {
  readonly name: string;
  readonly purpose: string;
  readonly reading: ColumnReading;
}

/** How the spine's columns are understood; `faults` names the columns that are not there or can never be. */
export interface LabelReadings {
  readonly time: LabelColumn | null;
  /** Where the rows name requests. */
  readonly request?: LabelColumn | null | undefined;
  /** Per entity, per key. */
  readonly keys: readonly (readonly (LabelColumn | null)[])[];
  readonly bound: BoundValues;
  readonly faults: readonly SpineFault[];
}

/** Finds the label time (where one is named) and every join key among the spine's columns. */
export function labelReadings(
  columns: readonly SpineColumn[],
  entities: readonly SpineEntity[],
  timeColumn: string | null,
): LabelReadings {
  const bound = new BoundValues();
  const faults: SpineFault[] = [];
  const names = columns.map((column) => column.name);
  const missing = new Set<string>();
  const find = (name: string, purpose: string): SpineColumn | null => {
    const column = columns.find((candidate) => candidate.name === name) ?? null;
    if (column === null && !missing.has(name)) faults.push(missingColumn(name, purpose, names));
    if (column === null) missing.add(name);
    return column;
  };

  let time: LabelColumn | null = null;
  const timeSource = timeColumn === null ? null : find(timeColumn, 'the label time');
  if (timeColumn !== null && timeSource !== null) {
    const reading = timeReading(quoteName(timeSource.name), timeSource.type);
    if (reading !== null) time = { name: timeColumn, purpose: 'the label time', reading };
    else
      faults.push({
        code: 'spine-bad-time',
        message: `column "${timeColumn}" (the label time) is ${timeSource.type}; expected TIMESTAMP, TIMESTAMPTZ, DATE or ISO 8601 text`,
        remedy: 'Write the label time as a timestamp, or name another column with timeColumn (CLI: --time COLUMN).',
      });
  }

  const keys = entities.map((entity) =>
    entity.keys.map((key): LabelColumn | null => {
      const purpose = `join key of entity "${entity.name}"`;
      const column = find(key.name, purpose);
      if (column === null) return null;
      const reading = keyReading(key.type, quoteName(column.name), column.type, bound);
      if (reading !== null) return { name: key.name, purpose, reading };
      faults.push({
        code: 'spine-bad-key',
        message: `column "${key.name}" (${purpose}) is ${column.type}; expected ${key.type.kind}`,
        remedy: 'Cast the column to the type of the join key.',
      });
      return null;
    }),
  );
  return { time, keys, bound, faults };
}

/** Looks through all rows for null keys and times, and for values that are none of their type: every fault, with its first row. */
export async function findBadValues(
  duckdb: DuckDb,
  readings: LabelReadings,
  signal: AbortSignal,
): Promise<SpineFault[]> {
  const columns = [readings.time, readings.request ?? null, ...readings.keys.flat()].filter(
    (column) => column !== null,
  );
  if (columns.length === 0) return [];
  const tests = columns.flatMap(({ name, reading }) => {
    const raw = quoteName(name);
    const bad = `FILTER (${raw} IS NOT NULL AND (${reading.sql}) IS NULL)`;
    const none = `FILTER (${raw} IS NULL)`;
    return [
      `count(*) ${none}`,
      `min(${ROW_COLUMN}) ${none}`,
      `count(*) ${bad}`,
      `min(${ROW_COLUMN}) ${bad}`,
      `arg_min(CAST(${raw} AS VARCHAR), ${ROW_COLUMN}) ${bad}`,
    ];
  });
  const sql = `SELECT ${tests.map((test, index) => `${test} AS v${index}`).join(', ')} FROM ${SPINE_TABLE}`;
  const found = await duckdb.query<Record<string, bigint | string | null>>(sql, readings.bound.values, signal);
  const row = Object.values(found[0] ?? {});
  const faults: SpineFault[] = [];
  columns.forEach(({ name, purpose, reading }, index) => {
    const [nulls, firstNull, bads, firstBad, value] = row.slice(index * 5, index * 5 + 5);
    const isTime = purpose === 'the label time';
    const isRequest = purpose === REQUEST_PURPOSE;
    if (Number(nulls) > 0) {
      faults.push({
        code: isTime ? 'spine-bad-time' : isRequest ? 'spine-bad-request' : 'spine-null-key',
        message: `column "${name}" (${purpose}), row ${Number(firstNull) + 1}: null${andMore(Number(nulls))}`,
        remedy: `Fill in or drop the rows without a value in "${name}".`,
      });
    }
    if (Number(bads) > 0) {
      const what = `expected ${reading.expected}, received ${JSON.stringify(value)}`;
      faults.push({
        code: isTime ? 'spine-bad-time' : isRequest ? 'spine-bad-request' : 'spine-bad-key',
        message: `column "${name}" (${purpose}), row ${Number(firstBad) + 1}: ${what}${andMore(Number(bads))}`,
        remedy: `Correct or drop these rows of "${name}" (row 1 is the first row of labels).`,
      });
    }
  });
  return faults;
}

function andMore(count: number): string {
  if (count === 1) return '';
  return count === 2 ? ' (and 1 more row)' : ` (and ${count - 1} more rows)`;
}

/** How the spine's own columns go to the output: keys and times of a text format in their types, all else as it is. */
export function outputColumns(
  columns: readonly SpineColumn[],
  entities: readonly SpineEntity[],
  readings: LabelReadings,
  isText: boolean,
): { name: string; sql: string }[] {
  return columns.map(({ name, output }) => {
    const plain = { name, sql: output ?? quoteName(name) };
    if (!isText) return plain;
    if (name === readings.time?.name)
      return { name, sql: outputSql({ kind: 'timestamp' }, `(${readings.time.reading.sql})`) };
    for (const [entityIndex, entity] of entities.entries()) {
      const keyIndex = entity.keys.findIndex((key) => key.name === name);
      const type = entity.keys[keyIndex]?.type;
      const column = readings.keys[entityIndex]?.[keyIndex];
      if (type === undefined || column === undefined || column === null) continue;
      const isAsWritten = type.kind === 'string' || type.kind === 'enum';
      return isAsWritten ? plain : { name, sql: outputSql(type, `(${column.reading.sql})`) };
    }
    return plain;
  });
}

/** Gives every distinct key of entity number `e` in table `training_keys` (columns `e<e>k<k>`) an id, from 0, in `entity.table`. */
export async function numberEntities(
  duckdb: DuckDb,
  e: number,
  entity: SpineEntity,
  signal: AbortSignal,
): Promise<void> {
  const keys = entity.keys.map((_, k) => `e${e}k${k} AS k${k}`).join(', ');
  await duckdb.run(
    `CREATE TABLE ${entity.table} AS
     SELECT row_number() OVER () - 1 AS id, * FROM (SELECT DISTINCT ${keys} FROM training_keys ORDER BY ALL)`,
    [],
    signal,
  );
}

/** SQL: joins rows `l` of `training_keys` with the ids of their entities. */
export function entityJoin(e: number, entity: SpineEntity): string {
  const on = entity.keys.map((_, k) => `e${e}.k${k} = l.e${e}k${k}`).join(' AND ');
  return `JOIN ${entity.table} e${e} ON ${on}`;
}

/** Sorts the labels by time into a table of small columns: row number, time, and an id per entity. */
export async function sortLabels(
  duckdb: DuckDb,
  entities: readonly SpineEntity[],
  readings: LabelReadings,
  signal: AbortSignal,
): Promise<number> {
  const keySql = readings.keys.map((keys, e) => keys.map((key, k) => `${key?.reading.sql} AS e${e}k${k}`)).flat();
  await duckdb.run(
    `CREATE TABLE training_keys AS
     SELECT ${ROW_COLUMN} AS row_number, ${readings.time?.reading.sql} AS time_us, ${keySql.join(', ')} FROM ${SPINE_TABLE}`,
    readings.bound.values,
    signal,
  );
  for (const [e, entity] of entities.entries()) await numberEntities(duckdb, e, entity, signal);
  const ids = entities.map((_, e) => `e${e}.id AS id${e}`).join(', ');
  const joins = entities.map((entity, e) => entityJoin(e, entity));
  await duckdb.run(
    `CREATE TABLE ${LABELS_TABLE} AS
     SELECT l.row_number, l.time_us, ${ids} FROM training_keys l ${joins.join(' ')} ORDER BY l.time_us, l.row_number`,
    [],
    signal,
  );
  await duckdb.run('DROP TABLE training_keys');
  const counted = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${LABELS_TABLE}`);
  return Number(counted[0]?.n);
}

/** A cursor over the labels in time order. `timeUs` is Infinity when none is left. */
export class LabelCursor {
  readonly #chunks: AsyncGenerator<DuckDBDataChunk>;
  #columns: Float64Array[] = [];
  #at = 0;
  #rowCount = 0;
  /** The label at hand. */
  timeUs = Number.NEGATIVE_INFINITY;
  rowNumber = -1;
  /** How many labels were passed before the one at hand. */
  position = -1;

  private constructor(chunks: AsyncGenerator<DuckDBDataChunk>) {
    this.#chunks = chunks;
  }

  /** Stands on the first label (of the range). `close` must follow. */
  static async open(duckdb: DuckDb, entityCount: number, signal: AbortSignal, range?: TimeRange): Promise<LabelCursor> {
    const ids = Array.from({ length: entityCount }, (_, e) => `, CAST(id${e} AS DOUBLE)`).join('');
    const cursor = new LabelCursor(
      duckdb.chunks(
        `SELECT CAST(row_number AS DOUBLE), CAST(time_us AS DOUBLE)${ids} FROM ${LABELS_TABLE}
         ${range === undefined ? '' : `WHERE ${inRange(range)}`} ORDER BY time_us, row_number`,
        [],
        signal,
      ),
    );
    await cursor.fill();
    return cursor;
  }

  /** The id of entity number `entity` in the label at hand. */
  entityId(entity: number): number {
    return this.#columns[entity + 2]![this.#at]!;
  }

  /** Steps to the next label; false where `fill` must be awaited first. */
  advance(): boolean {
    const next = this.#at + 1;
    if (next >= this.#rowCount) return false;
    this.#stand(next);
    return true;
  }

  /** Fetches the next labels, and stands on the first of them or at the end. */
  async fill(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done) {
      this.timeUs = Number.POSITIVE_INFINITY;
      this.position++;
      this.#rowCount = 0;
      return;
    }
    const chunk = next.value;
    this.#rowCount = chunk.rowCount;
    this.#columns = Array.from({ length: chunk.columnCount }, (_, column) => {
      const vector = chunk.getColumnVector(column);
      const numbers = new Float64Array(chunk.rowCount);
      for (let row = 0; row < numbers.length; row++) numbers[row] = Number(vector.getItem(row));
      return numbers;
    });
    this.#stand(0);
  }

  async close(): Promise<void> {
    await this.#chunks.return(undefined);
  }

  #stand(at: number): void {
    const timeUs = this.#columns[1]![at]!;
    if (timeUs < this.timeUs) throw internalBug('labels came out of time order');
    this.#at = at;
    this.timeUs = timeUs;
    this.rowNumber = this.#columns[0]![at]!;
    this.position++;
  }
}
