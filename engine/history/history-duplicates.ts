import { BIGINT, VARCHAR } from 'duckdb';
import { ColumnRows } from './column-rows.ts';
import { type ColumnSource, type HistoryColumn, positionSql } from './column-source.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { eventIdText } from '../admission/event-id.ts';
import { eventTimeOf } from '../define/event-time.ts';
import { oldestRepeatedUs } from '../admission/partition-dedupe.ts';
import type { HistoryRun } from './history-run.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { repeatedHashes } from './repeated-hashes.ts';
import { RowAppender } from '../duckdb/row-appender.ts';

/** The positions of rows that repeat an earlier claim of their id. */
export interface Losers {
  /** Table with BIGINT columns `position` and `event_time`. */
  readonly table: string;
  readonly count: number;
  /** The newest event time among them, µs: a duplicate moves the watermark, too. */
  readonly newestEventTimeUs: number;
}

/**
 * Finds the duplicates of a history in columns, by the topic's rule over its rows in the order (event time, position). Ids that occur once
 * (told apart by a 64-bit hash, so a few too many may be looked at) cost a look at their hashes; only the rows of the others are decoded here,
 * since what stops before dedupe claims no id. Null where there are none.
 */
export async function findDuplicates(run: HistoryRun, history: ColumnSource): Promise<Losers | null> {
  const { source, duckdb, signal } = run;
  const idColumn = history.columns.find(({ field }) => field.name === source.eventIdField);
  if (idColumn === undefined) return null;
  const key = idKeySql(idColumn, source.history?.csv?.decimal === ',');
  const rows = history.files.reduce((sum, file) => sum + file.rows, 0);
  const hashes = `SELECT ${key} AS k FROM ${history.relation} WHERE ${idColumn.expression} IS NOT NULL`;
  const repeated = await repeatedHashes(hashes, rows, duckdb, signal);
  if (repeated === null) return null;
  try {
    const claims = await collectClaims(run, history, `${key} IN (SELECT k FROM ${repeated})`);
    return await losersOf(claims, source.dedupeHorizonUs, duckdb, signal);
  } finally {
    await duckdb.run(`DROP TABLE ${repeated}`);
  }
}

/**
 * Table `(id, event_time, position)` of the rows with an id that reach dedupe, made into a table of those that repeat a claim. Drops `claims`.
 * In the order of event time the watermark before a row is never later than its own time: whether it repeats is between it and its id's last claim.
 */
export async function losersOf(
  claims: string,
  horizonUs: number,
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<Losers | null> {
  const table = duckdb.newName('losers');
  // Ids all of whose rows lie within a horizon of the first, nearly all of them: every other row repeats it.
  await duckdb.run(
    `CREATE TABLE ${table} AS SELECT position, event_time FROM (
       SELECT position, event_time, row_number() OVER (PARTITION BY id ORDER BY event_time, position) AS place,
         max(event_time) OVER (PARTITION BY id) - min(event_time) OVER (PARTITION BY id) AS span FROM ${claims})
     WHERE place > 1 AND span <= $1::BIGINT`,
    [BigInt(horizonUs)],
    signal,
  );
  await addWideLosers(claims, table, horizonUs, duckdb, signal);
  await duckdb.run(`DROP TABLE ${claims}`);
  const [lost] = await duckdb.query<{ n: bigint; newest: bigint | null }>(
    `SELECT count(*) AS n, max(event_time) AS newest FROM ${table}`,
  );
  if (lost !== undefined && lost.newest !== null) {
    return { table, count: Number(lost.n), newestEventTimeUs: Number(lost.newest) };
  }
  await duckdb.run(`DROP TABLE ${table}`);
  return null;
}

/** The ids that are used again beyond the horizon: one by one, claim after claim. */
async function addWideLosers(
  claims: string,
  table: string,
  horizonUs: number,
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<void> {
  const sql = `SELECT event_time, position, row_number() OVER (PARTITION BY id ORDER BY event_time, position) AS place FROM ${claims}
    WHERE id IN (SELECT id FROM ${claims} GROUP BY id HAVING max(event_time) - min(event_time) > ${Math.floor(horizonUs)})
    ORDER BY id, event_time, position`;
  const readNumber = rawColumn('BIGINT');
  const times: number[] = [];
  const positions: number[] = [];
  const places: number[] = [];
  let claimedAtUs = Number.NaN;
  const appender = await RowAppender.open(duckdb, table, [BIGINT, BIGINT]);
  try {
    for await (const chunk of duckdb.chunks(sql, [], signal)) {
      readNumber(chunk, 0, times);
      readNumber(chunk, 1, positions);
      readNumber(chunk, 2, places);
      for (let index = 0; index < chunk.rowCount; index++) {
        const timeUs = times[index] as number;
        const isFirst = places[index] === 1;
        if (isFirst || claimedAtUs < oldestRepeatedUs(null, timeUs, horizonUs)) claimedAtUs = timeUs;
        else appender.append(BigInt(positions[index] as number), BigInt(timeUs));
      }
    }
  } finally {
    appender.close();
  }
}

async function collectClaims(
  { source, duckdb, signal, guard, within }: HistoryRun,
  history: ColumnSource,
  condition: string,
): Promise<string> {
  const claims = duckdb.newName('claims');
  await duckdb.run(`CREATE TABLE ${claims} (id VARCHAR, event_time BIGINT, position BIGINT)`);
  const appender = await RowAppender.open(duckdb, claims, [VARCHAR, BIGINT, BIGINT]);
  const decoded = new ColumnRows(source, history.columns);
  const eventTime = eventTimeOf(source);
  const readPosition = rawColumn('BIGINT');
  const positions: unknown[] = [];
  const list = [...history.columns.map(({ expression }) => expression), `${positionSql(history)}::BIGINT`].join(', ');
  const sql = `SELECT ${list} FROM ${history.relation} WHERE ${condition}`;
  try {
    for await (const chunk of duckdb.chunks(sql, [], signal)) {
      const count = decoded.decode(chunk);
      readPosition(chunk, decoded.width, positions);
      for (let index = 0; index < count; index++) {
        if (decoded.reasons.has(index)) continue;
        const row = decoded.rows[index] as Record<string, unknown>;
        const eventTimeUs = eventTime(row[source.eventTimeField]);
        const id = eventIdText(row[source.eventIdField as string]);
        if (id === null || eventTimeUs > guard.boundUs || !within(eventTimeUs)) continue;
        appender.append(id, BigInt(eventTimeUs), BigInt(positions[index] as number));
      }
    }
  } finally {
    appender.close();
  }
  return claims;
}

/** SQL: a hash that rows of equal ids share, whatever the ids look like in the column ("7", 7.0). */
function idKeySql({ field, expression, type, variants }: HistoryColumn, hasDecimalComma: boolean): string {
  const isNumber = field.type.kind === 'int' || field.type.kind === 'int64';
  const text = type === 'UNION' ? `${expression}::VARCHAR` : expression;
  if (!isNumber || /^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/.test(type)) return `hash(${text})`;
  const number =
    hasDecimalComma && variants.some(({ reading }) => reading === 'text') ? `replace(${text}, ',', '.')` : text;
  return `hash(coalesce((try_cast(${number} AS DOUBLE) + 0.0)::VARCHAR, ${text}::VARCHAR))`;
}
