import { BIGINT, VARCHAR } from 'duckdb';
import type { CompiledSource } from '../define/compiled-view.ts';
import { ColumnRows } from './column-rows.ts';
import { type ColumnSource, type HistoryColumn, positionSql } from './column-source.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { eventIdText } from '../admission/event-id.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { repeatedHashes } from './repeated-hashes.ts';
import { RowAppender } from '../duckdb/row-appender.ts';

/** The positions of rows that lost to an earlier one of the same id. */
export interface Losers {
  /** Table with BIGINT columns `position` and `event_time`. */
  readonly table: string;
  readonly count: number;
  /** The newest event time among them, µs: a duplicate moves the watermark, too. */
  readonly newestEventTimeUs: number;
}

/**
 * Finds the duplicates of a history in columns: over all of it, the valid row inside `until` that is first by (event time, position)
 * wins. Ids that occur once (told apart by a 64-bit hash, so a few too many may be looked at) cost a look at their hashes; only the rows of
 * the others are decoded here, since an invalid row claims no id. Null where there are none.
 */
export async function findDuplicates(
  source: CompiledSource,
  history: ColumnSource,
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<Losers | null> {
  const idColumn = history.columns.find(({ field }) => field.name === source.eventIdField);
  if (idColumn === undefined) return null;
  const key = idKeySql(idColumn);
  const rows = history.files.reduce((sum, file) => sum + file.rows, 0);
  const hashes = `SELECT ${key} AS k FROM ${history.relation} WHERE ${idColumn.expression} IS NOT NULL`;
  const repeated = await repeatedHashes(hashes, rows, duckdb, signal);
  if (repeated === null) return null;
  try {
    const claims = await collectClaims(source, history, duckdb, `${key} IN (SELECT k FROM ${repeated})`, signal);
    return await losersOf(claims, duckdb, signal);
  } finally {
    await duckdb.run(`DROP TABLE ${repeated}`);
  }
}

/** Table `(id, event_time, position)` of the valid claims to an id, made into a table of those that lost. Drops `claims`. */
export async function losersOf(claims: string, duckdb: DuckDb, signal?: AbortSignal): Promise<Losers | null> {
  const table = duckdb.newName('losers');
  await duckdb.run(
    `CREATE TABLE ${table} AS SELECT position, event_time FROM (SELECT position, event_time, row_number() OVER (PARTITION BY id ORDER BY event_time, position) AS place FROM ${claims}) ` +
      'WHERE place > 1',
    [],
    signal,
  );
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

async function collectClaims(
  source: CompiledSource,
  history: ColumnSource,
  duckdb: DuckDb,
  condition: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const claims = duckdb.newName('claims');
  await duckdb.run(`CREATE TABLE ${claims} (id VARCHAR, event_time BIGINT, position BIGINT)`);
  const appender = await RowAppender.open(duckdb, claims, [VARCHAR, BIGINT, BIGINT]);
  const decoded = new ColumnRows(source.contract, history.columns);
  const readPosition = rawColumn('BIGINT');
  const positions: unknown[] = [];
  const untilUs = source.history?.untilUs ?? Number.POSITIVE_INFINITY;
  const list = [...history.columns.map(({ expression }) => expression), `${positionSql(history)}::BIGINT`].join(', ');
  const sql = `SELECT ${list} FROM ${history.relation} WHERE ${condition}`;
  try {
    for await (const chunk of duckdb.chunks(sql, [], signal)) {
      const count = decoded.decode(chunk);
      readPosition(chunk, decoded.width, positions);
      for (let index = 0; index < count; index++) {
        if (decoded.reasons.has(index)) continue;
        const row = decoded.rows[index] as Record<string, unknown>;
        const eventTimeUs = row[source.eventTimeField];
        const id = eventIdText(row[source.eventIdField as string]);
        if (typeof eventTimeUs !== 'number' || !(eventTimeUs < untilUs) || id === null) continue;
        appender.append(id, BigInt(eventTimeUs), BigInt(positions[index] as number));
      }
    }
  } finally {
    appender.close();
  }
  return claims;
}

/** SQL: a hash that rows of equal ids share, whatever the ids look like in the column ("7", 7.0). */
function idKeySql({ field, expression, type }: HistoryColumn): string {
  const isNumber = field.type.kind === 'int' || field.type.kind === 'int64';
  if (!isNumber || /^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/.test(type)) return `hash(${expression})`;
  return `hash(coalesce((try_cast(${expression} AS DOUBLE) + 0.0)::VARCHAR, ${expression}::VARCHAR))`;
}
