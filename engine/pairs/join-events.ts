import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { type SqlText, sqlText } from '../postgres/sql.ts';
import type { Side } from './pairs-options.ts';
import type { PairEvent } from './side-batch.ts';

/** What joining a batch came to. */
export interface Joined {
  /** Records that are held now, and were not before. */
  readonly held: number;
  readonly heldBytes: number;
  /** Pairs that went to the outbox, and their bytes. */
  readonly pairs: number;
  readonly bytes: number;
  /** Of the given events, from 0, those that have a pair too large to be sent. */
  readonly tooLarge: readonly number[];
  readonly tooLargePairs: number;
}

/** Of a record's value: what is beyond it Kafka refuses by default. */
export const MAX_PAIR_BYTES = 900_000;

const NOTHING: Joined = { held: 0, heldBytes: 0, pairs: 0, bytes: 0, tooLarge: [], tooLargePairs: 0 };

interface JoinedRow {
  readonly held: number;
  readonly held_bytes: number;
  readonly pairs: number;
  readonly bytes: number;
  readonly too_large: readonly number[] | null;
  readonly too_large_pairs: number;
}

/**
 * Joins events of one side to what is held of the other, holds them, and writes their pairs to the outbox: one statement, so that no pair comes through
 * this process. Within a transaction that has locked the label set's join, so that of two sides the later one sees the earlier one's events.
 *
 * What is held is looked for event by event (OFFSET 0): of a table that was empty a moment ago the planner knows nothing, and would go through all of it.
 *
 * A pair's id stands for both ids and both times: an id that a log has anew, long after, makes pairs of its own. Both records are in it as they lay on their
 * topics, letter by letter.
 */
export async function joinEvents(
  client: pg.PoolClient,
  {
    labelSet,
    side,
    topic,
    horizonUs,
  }: {
    readonly labelSet: string;
    readonly side: Side;
    readonly topic: string;
    readonly horizonUs: number;
  },
  events: readonly PairEvent[],
): Promise<Joined> {
  if (events.length === 0) return NOTHING;
  const other: Side = side === 'decisions' ? 'outcomes' : 'decisions';
  // What an event is of its pair, and what is held of the other side.
  const [d, o] = side === 'decisions' ? [FRESH, HELD] : [HELD, FRESH];
  const within =
    side === 'decisions'
      ? sqlText`h.time_us - f.time_us BETWEEN 0 AND ${horizonUs}::bigint`
      : sqlText`f.time_us - h.time_us BETWEEN 0 AND ${horizonUs}::bigint`;
  const column = <Value>(pick: (event: PairEvent) => Value): Value[] => events.map(pick);
  const { rows } = await runSql<JoinedRow>(
    client,
    sqlText`
    WITH given AS (
      SELECT * FROM unnest(${column((e) => e.key)}::bytea[], ${column((e) => e.timeUs)}::bigint[], ${column((e) => e.idHash)}::bytea[],
        ${column((e) => e.id)}::text[], ${column((e) => e.recordKey)}::bytea[], ${column((e) => e.brokerUs)}::bigint[], ${column((e) => e.value)}::bytea[])
        WITH ORDINALITY AS g(key, time_us, id_hash, id, record_key, broker_us, value, place)
    ), fresh AS MATERIALIZED (
      SELECT DISTINCT ON (g.key, g.time_us, g.id_hash) g.* FROM given g
      LEFT JOIN LATERAL (
        SELECT true AS is_held FROM ${CATALOG}.pair_held
        WHERE label_set = ${labelSet} AND side = ${side} AND key = g.key AND time_us = g.time_us AND id_hash = g.id_hash OFFSET 0) AS known ON true
      WHERE known.is_held IS NULL
      ORDER BY g.key, g.time_us, g.id_hash, g.place
    ), joined AS MATERIALIZED (
      SELECT f.place, h.place AS held_place, h.time_us AS held_us, h.id_hash AS held_hash, ${d}.record_key, o_time.us AS time_us, made.id,
        coalesce(greatest(f.broker_us, h.broker_us), o_time.us) AS broker_us,
        convert_to('{"pair_id":"' || made.id || '","paired_at":"' ||
          to_char((timestamptz 'epoch' + o_time.us * interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ||
          '","decision":', 'UTF8') || ${d}.value || convert_to(',"outcome":', 'UTF8') || ${o}.value || convert_to('}', 'UTF8') AS value
      FROM fresh f
      JOIN LATERAL (
        SELECT ctid AS place, * FROM ${CATALOG}.pair_held
        WHERE label_set = ${labelSet} AND side = ${other} AND key = f.key OFFSET 0) AS h ON ${within}
      CROSS JOIN LATERAL (SELECT ${o}.time_us AS us) AS o_time
      CROSS JOIN LATERAL (
        SELECT left(encode(sha256(convert_to(
          '[' || ${d}.id || ',' || ${d}.time_us || ',' || ${o}.id || ',' || ${o}.time_us || ']', 'UTF8')), 'hex'), 32) AS id) AS made
    ), sent AS (
      INSERT INTO ${CATALOG}.outbox (topic, key, id, value, timestamp_ms)
      SELECT ${topic}::text, record_key, id, value, div(broker_us, 1000) FROM joined WHERE octet_length(value) <= ${MAX_PAIR_BYTES}::int
      ORDER BY place, held_us, held_hash
      RETURNING octet_length(value) + octet_length(key) AS bytes
    ), held AS (
      INSERT INTO ${CATALOG}.pair_held (label_set, side, key, time_us, id_hash, id, record_key, broker_us, paired, value)
      SELECT ${labelSet}::text, ${side}::text, key, time_us, id_hash, id, record_key, broker_us,
        place IN (SELECT j.place FROM joined j), value
      FROM fresh
      RETURNING octet_length(value) AS bytes
    ), marked AS (
      UPDATE ${CATALOG}.pair_held SET paired = true
      WHERE ctid = ANY(ARRAY(SELECT DISTINCT held_place FROM joined)) AND NOT paired
    )
    SELECT (SELECT count(*) FROM held) AS held, (SELECT coalesce(sum(bytes), 0) FROM held)::bigint AS held_bytes,
      (SELECT count(*) FROM sent) AS pairs, (SELECT coalesce(sum(bytes), 0) FROM sent)::bigint AS bytes,
      (SELECT jsonb_agg(DISTINCT place) FROM joined WHERE octet_length(value) > ${MAX_PAIR_BYTES}::int) AS too_large,
      (SELECT count(*) FROM joined WHERE octet_length(value) > ${MAX_PAIR_BYTES}::int) AS too_large_pairs`,
  );
  const row = rows[0]!;
  return {
    held: row.held,
    heldBytes: row.held_bytes,
    pairs: row.pairs,
    bytes: row.bytes,
    tooLarge: (row.too_large ?? []).map((place) => place - 1),
    tooLargePairs: row.too_large_pairs,
  };
}

const FRESH: SqlText = sqlText`f`;
const HELD: SqlText = sqlText`h`;
