import type { InvalidRecord } from '../admission/invalid-record.ts';
import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';

const DEAD_LETTERS = 'millrace_catalog.dead_letter';
/** 11 values a row; Postgres takes 65,535 in one statement. */
const ROWS_PER_INSERT = 5_000;

/** An invalid record as it is kept, for the version of a view that met it. */
export interface DeadLetter extends Omit<InvalidRecord, 'number'> {
  readonly view: string;
  readonly version: number;
  readonly source: string;
  readonly createdAtUs: number;
}

/** Inserts dead letters; one that is there already (a batch done again) stays as it is. */
export async function insertDeadLetters(
  client: Queryable,
  letters: readonly Omit<DeadLetter, 'createdAtUs'>[],
): Promise<void> {
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
          })),
        )
        .onConflict((conflict) => conflict.doNothing()),
    );
  }
}

/** The newest dead letters of a view's versions, at most `limit`. */
export async function deadLetters(on: Queryable, view: string, limit: number): Promise<DeadLetter[]> {
  const rows = await run(
    on,
    catalog
      .selectFrom(DEAD_LETTERS)
      .selectAll()
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
    payload: row.payload,
    reasons: row.reasons,
    brokerTimestampUs: row.broker_timestamp_us,
    createdAtUs: row.created_at,
  }));
}

/** How many dead letters a version has. */
export async function countDeadLetters(on: Queryable, view: string, version: number): Promise<number> {
  const [row] = await run(
    on,
    catalog
      .selectFrom(DEAD_LETTERS)
      .select((eb) => eb.fn.countAll<number>().as('letters'))
      .where('view', '=', view)
      .where('version', '=', version),
  );
  return row?.letters ?? 0;
}
