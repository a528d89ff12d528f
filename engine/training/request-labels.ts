import { VARCHAR, BIGINT } from 'duckdb';
import type { Reading } from '../values/convert.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { KEY_SPELLING } from '../values/spelling.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { entityKeys } from './entity-index.ts';
import { type LabelColumn, labelReadings, type LabelReadings, REQUEST_PURPOSE } from './label-columns.ts';
import type { TimeRule } from './label-time.ts';
import { READ_TABLE, readingOf, type SpineColumn } from './spine-columns.ts';
import { missingColumn, type SpineFault } from './spine-faults.ts';
import {
  entitiesOf,
  entityJoin,
  LABELS_TABLE,
  numberEntities,
  type SpineEntity,
  type SpinePlace,
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

/** The places all of whose columns the spine has. */
export function keyedPlaces(columns: readonly SpineColumn[], places: readonly SpinePlace[]): SpinePlace[] {
  const names = new Set(columns.map((column) => column.name));
  return places.filter((place) => place.columns.every((name) => names.has(name)));
}

/** Finds the request id, and the join keys of the places the spine has all of: they tell the entities of one request apart. */
export async function requestReadings(
  duckdb: DuckDb,
  columns: readonly SpineColumn[],
  places: readonly SpinePlace[],
  requestColumn: string,
  rule: TimeRule,
): Promise<LabelReadings> {
  const keyed = keyedPlaces(columns, places);
  const own = await labelReadings(duckdb, columns, keyed, null, rule);
  const keys = places.map((place) => own.keys[keyed.indexOf(place)] ?? place.columns.map(() => null));
  const { request, fault } = requestReading(columns, requestColumn);
  return { time: null, request, keys, faults: fault === null ? own.faults : [fault, ...own.faults] };
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
  const text = readingOf(column, { kind: 'string' }, KEY_SPELLING);
  if (text === null || column.type === 'JSON') {
    const fault: SpineFault = {
      code: 'spine-bad-request',
      message: `column "${name}" (${REQUEST_PURPOSE}) is ${column.type}; expected text`,
      remedy: 'Write request ids as they were answered: as text.',
    };
    return { request: null, fault };
  }
  const reading: Reading = {
    ...text,
    expected: 'a request id',
    convert: (raw) => (raw === '' ? undefined : text.convert(raw)),
  };
  return {
    request: { column, purpose: REQUEST_PURPOSE, type: { kind: 'string' }, reading, staged: 'request_id' },
    fault: null,
  };
}

/** Makes the table of labels: row number, request id, and the id of the entity in each keyed place; and the keys' texts. Gives the number of rows. */
export async function requestLabels(
  duckdb: DuckDb,
  places: readonly SpinePlace[],
  readings: LabelReadings,
  signal: AbortSignal,
): Promise<number> {
  const present = places.filter(({ number }) => readings.keys[number]?.every((key) => key !== null));
  for (const entity of entitiesOf(present)) {
    await numberEntities(duckdb, entity, present, signal);
    await stageTexts(duckdb, entity, signal);
  }
  const ids = present.map(({ number }) => `, p${number}.id AS id${number}`).join('');
  const joins = present.map(entityJoin).join(' ');
  await duckdb.run(
    `CREATE TABLE ${LABELS_TABLE} AS SELECT l.row_number, l.request_id${ids} FROM ${READ_TABLE} l ${joins}`,
    [],
    signal,
  );
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
