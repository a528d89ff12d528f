import { VARCHAR, BIGINT } from 'duckdb';
import type { ScalarValue } from '../values/field-type.ts';
import { type DuckDb, quoteName } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { entityKeys } from './entity-index.ts';
import { missingColumn, type SpineFault } from './spine-faults.ts';
import { ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-file.ts';
import {
  entityJoin,
  type LabelColumn,
  LABELS_TABLE,
  labelReadings,
  type LabelReadings,
  numberEntities,
  REQUEST_PURPOSE,
  type SpineEntity,
} from './spine-labels.ts';

export const DEFAULT_REQUEST_COLUMN = 'request_id';

/** Table of an entity's keys as text: `id`, `text`. */
export function keyTextTable(entity: SpineEntity): string {
  return `${entity.table}_text`;
}

/** An entity's key as one text, the same for equal keys only. */
export function requestKeyText(key: readonly ScalarValue[]): string {
  return JSON.stringify(key.map(String));
}

/** The entities all of whose join keys are columns of the spine. */
export function keyedEntities(columns: readonly SpineColumn[], entities: readonly SpineEntity[]): SpineEntity[] {
  const names = new Set(columns.map((column) => column.name));
  return entities.filter((entity) => entity.keys.every((key) => names.has(key.name)));
}

/** Finds the request id, and the join keys of the entities the spine has all of: they tell the entities of one request apart. */
export function requestReadings(
  columns: readonly SpineColumn[],
  entities: readonly SpineEntity[],
  requestColumn: string,
): LabelReadings {
  const keyed = keyedEntities(columns, entities);
  const own = labelReadings(columns, keyed, null);
  const keys = entities.map((entity) => own.keys[keyed.indexOf(entity)] ?? entity.keys.map(() => null));
  const { request, fault } = requestReading(columns, requestColumn);
  return { time: null, request, keys, bound: own.bound, faults: fault === null ? own.faults : [fault, ...own.faults] };
}

function requestReading(
  columns: readonly SpineColumn[],
  name: string,
): { request: LabelColumn | null; fault: SpineFault | null } {
  const column = columns.find((candidate) => candidate.name === name);
  if (column === undefined) {
    const known = columns.map((candidate) => candidate.name);
    return { request: null, fault: missingColumn(name, REQUEST_PURPOSE, known) };
  }
  if (column.type !== 'VARCHAR' && column.type !== 'UUID' && !column.type.startsWith('ENUM(')) {
    const fault = {
      code: 'spine-bad-request',
      message: `column "${name}" (${REQUEST_PURPOSE}) is ${column.type}; expected text`,
      remedy: 'Write request ids as they were answered: as text.',
    };
    return { request: null, fault };
  }
  const reading = { sql: `nullif(CAST(${quoteName(name)} AS VARCHAR), '')`, expected: 'a request id' };
  return { request: { name, purpose: REQUEST_PURPOSE, reading }, fault: null };
}

/** Makes the table of labels: row number, request id, and the id of each keyed entity; and the keys' texts. Gives the number of rows. */
export async function requestLabels(
  duckdb: DuckDb,
  entities: readonly SpineEntity[],
  readings: LabelReadings,
  signal: AbortSignal,
): Promise<number> {
  const present = entities.flatMap((entity, e) =>
    readings.keys[e]?.every((key) => key !== null) ? [{ entity, e }] : [],
  );
  const keys = present.flatMap(({ e }) => readings.keys[e]!.map((key, k) => `${key?.reading.sql} AS e${e}k${k}`));
  const columns = [`${ROW_COLUMN} AS row_number`, `${readings.request?.reading.sql} AS request_id`, ...keys];
  await duckdb.run(
    `CREATE TABLE training_keys AS SELECT ${columns.join(', ')} FROM ${SPINE_TABLE}`,
    readings.bound.values,
    signal,
  );
  for (const { entity, e } of present) {
    await numberEntities(duckdb, e, entity, signal);
    await stageTexts(duckdb, entity, signal);
  }
  const ids = present.map(({ e }) => `, e${e}.id AS id${e}`).join('');
  const joins = present.map(({ entity, e }) => entityJoin(e, entity)).join(' ');
  await duckdb.run(
    `CREATE TABLE ${LABELS_TABLE} AS SELECT l.row_number, l.request_id${ids} FROM training_keys l ${joins}`,
    [],
    signal,
  );
  await duckdb.run('DROP TABLE training_keys');
  const counted = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${LABELS_TABLE}`);
  return Number(counted[0]?.n);
}

async function stageTexts(duckdb: DuckDb, entity: SpineEntity, signal: AbortSignal): Promise<void> {
  const table = keyTextTable(entity);
  await duckdb.run(`CREATE TABLE ${table} (id BIGINT, text VARCHAR)`);
  const appender = await RowAppender.open(duckdb, table, [BIGINT, VARCHAR]);
  try {
    for await (const { id, key } of entityKeys(duckdb, entity, signal))
      appender.append(BigInt(id), requestKeyText(key));
  } finally {
    appender.close();
  }
}
