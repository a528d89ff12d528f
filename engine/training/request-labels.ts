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
import { entityJoin, LABELS_TABLE, numberEntities, type SpineEntity } from './spine-labels.ts';

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
export async function requestReadings(
  duckdb: DuckDb,
  columns: readonly SpineColumn[],
  entities: readonly SpineEntity[],
  requestColumn: string,
  rule: TimeRule,
): Promise<LabelReadings> {
  const keyed = keyedEntities(columns, entities);
  const own = await labelReadings(duckdb, columns, keyed, null, rule);
  // The keys keep the places that their entities have among all.
  const keys = entities.map((entity, e) => {
    const found = own.keys[keyed.indexOf(entity)] ?? entity.keys.map(() => null);
    return found.map((key, k) => key && { ...key, staged: `e${e}k${k}` });
  });
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
  for (const { entity, e } of present) {
    await numberEntities(duckdb, e, entity, signal);
    await stageTexts(duckdb, entity, signal);
  }
  const ids = present.map(({ e }) => `, e${e}.id AS id${e}`).join('');
  const joins = present.map(({ entity, e }) => entityJoin(e, entity)).join(' ');
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
