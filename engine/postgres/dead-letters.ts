import { sql } from 'kysely';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';

const DEAD_LETTERS = 'dead_letter';
/** 12 values a row; Postgres takes 65,535 in one statement. */
const ROWS_PER_INSERT = 5_000;

/** An invalid record as it is kept, for the version of a view that met it. */
export interface DeadLetter extends Omit<InvalidRecord, 'number'> {
  readonly view: string;
  readonly version: number;
  readonly source: string;
  readonly createdAtUs: number;
}

/** A dead letter before it is kept. `number`: as in `InvalidRecord`. */
type NewDeadLetter = Omit<DeadLetter, 'createdAtUs'> & { readonly number?: number | undefined };

/** Inserts dead letters; one that is there already (a batch done again) stays as it is. */
export async function insertDeadLetters(client: Queryable, letters: readonly NewDeadLetter[]): Promise<void> {
  for (let from = 0; from < letters.length; from += ROWS_PER_INSERT) {
    await run(
      client,
      catalog
        .insertInto(DEAD_LETTERS)
        .values(
          letters.slice(from, from + ROWS_PER_INSERT).map((letter) => ({
            view: letter.view,
            version: letter.version,
            source: letter.source,
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            // Neither text nor jsonb can hold NUL; the payload keeps it.
            file: letter.file,
            payload: letter.payload === null ? null : Buffer.from(letter.payload),
            reasons: JSON.stringify(letter.reasons.map((reason) => reason.replaceAll('\0', '\u2400').toWellFormed())),
            broker_timestamp_us: letter.brokerTimestampUs,
            number: letter.number ?? null,
          })),
        )
        .onConflict((conflict) => conflict.doNothing()),
    );
  }
}

/** Gives a version the dead letters of another, as old as they are. */
export async function copyDeadLetters(client: Queryable, view: string, from: number, to: number): Promise<void> {
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.dead_letter (view, version, source, topic, partition, "offset", file, payload, reasons, broker_timestamp_us, created_at, number)
    SELECT view, ${to}::int, source, topic, partition, "offset", file, payload, reasons, broker_timestamp_us, created_at, number
    FROM ${CATALOG}.dead_letter WHERE view = ${view} AND version = ${from}`,
  );
}

/** A dead letter as it was stored, its payload perhaps only by its beginning. */
export interface ShownDeadLetter extends DeadLetter {
  /** Of the whole payload; null where there is none. */
  readonly payloadBytes: number | null;
}

/** The most that one `bytea` holds. */
const WHOLE = 2 ** 30;

/**
 * The newest dead letters of a view's versions, at most `limit`, with at most `payloadBytes` of each payload: a record may have megabytes.
 *
 * @example
 * await deadLetters(pool, 'route_delays', 20, 256);
 */
export async function deadLetters(
  on: Queryable,
  view: string,
  limit: number,
  payloadBytes = WHOLE,
): Promise<ShownDeadLetter[]> {
  const rows = await run(
    on,
    catalog
      .selectFrom(DEAD_LETTERS)
      .select(['view', 'version', 'source', 'topic', 'partition', 'offset', 'file', 'reasons'])
      .select(['broker_timestamp_us', 'created_at'])
      .select(sql<Buffer | null>`substring(payload, 1, ${payloadBytes}::integer)`.as('beginning'))
      .select(sql<number | null>`octet_length(payload)`.as('bytes'))
      .where('view', '=', view)
      .orderBy('created_at', 'desc')
      .orderBy('partition')
      .orderBy('offset', 'desc')
      .limit(limit),
  );
  return rows.map((row) => ({
    view: row.view,
    version: row.version,
    source: row.source,
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    file: row.file,
    payload: row.beginning,
    payloadBytes: row.bytes,
    reasons: row.reasons,
    brokerTimestampUs: row.broker_timestamp_us,
    createdAtUs: row.created_at,
  }));
}

/** An invalid record by its place, as the limit of a batch judges it. */
type PlacedLetter = Pick<InvalidRecord, 'topic' | 'partition' | 'offset' | 'number' | 'file' | 'reasons'>;

const LETTERS_PER_PAGE = 5_000;

/** The invalid records of a version whose places are known, by place; read by the page. */
export async function* placedLetters(on: Queryable, view: string, version: number): AsyncGenerator<PlacedLetter> {
  const all = catalog
    .selectFrom(DEAD_LETTERS)
    .select(['topic', 'partition', 'offset', 'number', 'file', 'reasons'])
    .where('view', '=', view)
    .where('version', '=', version)
    .orderBy('topic')
    .orderBy('partition')
    .orderBy('offset')
    .limit(LETTERS_PER_PAGE);
  for (let page = all; ; ) {
    const rows = await run(on, page);
    for (const { number, ...row } of rows) if (number !== null) yield { ...row, number };
    const last = rows.at(-1);
    if (last === undefined || rows.length < LETTERS_PER_PAGE) return;
    const { topic, partition, offset } = last;
    page = all.where((eb) => eb(eb.refTuple('topic', 'partition', 'offset'), '>', eb.tuple(topic, partition, offset)));
  }
}

/** How many dead letters a version has had, those that a bound has made go included. */
export async function countDeadLetters(on: Queryable, view: string, version: number): Promise<number> {
  const [row] = await run(
    on,
    catalog
      .selectFrom('kept_size')
      .select(sql<number>`rows + dropped_rows`.as('letters'))
      .where('kind', '=', 'dead-letters')
      .where('view', '=', view)
      .where('version', '=', version),
  );
  return row?.letters ?? 0;
}
