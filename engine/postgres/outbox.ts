import { type Fence, type HeldToken, mayTake } from '../slice/fence.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';

/** A record on its way to a topic. */
export interface OutboxRecord {
  /** Records of one key are sent in the order in which they were written; null: in any. */
  readonly key: Uint8Array | null;
  /** What readers dedupe by; it stands in the value too. */
  readonly id: string;
  readonly value: Uint8Array;
  readonly timestampMs: number;
}

/** A record that waits, and its place. */
export interface WaitingRecord extends OutboxRecord {
  readonly seq: number;
}

/** What waits for a topic. */
export interface OutboxFill {
  readonly rows: number;
  /** Of their keys and values. */
  readonly bytes: number;
  /** Acknowledged so far. */
  readonly sent: number;
}

/** Partition to the offset it ended at, of one cluster. */
export interface OutboxEnds {
  readonly clusterId: string;
  readonly ends: ReadonlyMap<number, number>;
}

const FULL_STATEMENT = 5_000;

/**
 * Writes records to the outbox of a topic, in the caller's transaction: they are sent if and when it commits, in this order per key. Whoever derives
 * them has to give the same id and bytes for the same input, and to write records of one key in transactions that follow each other.
 *
 * @example
 * await withTransaction(pool, async (client) => { await advanceOffsets(client); await writeToOutbox(client, 'millrace.alerts', records); });
 */
export async function writeToOutbox(client: Queryable, topic: string, records: readonly OutboxRecord[]): Promise<void> {
  for (let from = 0; from < records.length; from += FULL_STATEMENT) {
    const part = records.slice(from, from + FULL_STATEMENT);
    await runSql(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.outbox (topic, key, id, value, timestamp_ms)
      SELECT ${topic}::text, r.key, r.id, r.value, r.timestamp_ms
      FROM unnest(${part.map(({ key }) => (key === null ? null : Buffer.from(key)))}::bytea[], ${part.map(({ id }) => id)}::text[],
        ${part.map(({ value }) => Buffer.from(value))}::bytea[], ${part.map(({ timestampMs }) => timestampMs)}::bigint[])
        WITH ORDINALITY AS r(key, id, value, timestamp_ms, place)
      ORDER BY r.place`,
    );
  }
  const bytes = records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + value.length, 0);
  await noteWritten(client, topic, records.length, bytes);
}

/** Counts what a statement of the caller's wrote to the outbox itself; last in its transaction, since the topic's sender waits for it. */
export async function noteWritten(client: Queryable, topic: string, rows: number, bytes: number): Promise<void> {
  if (rows === 0) return;
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.outbox_topic AS t (topic, rows, bytes) VALUES (${topic}, ${rows}, ${bytes})
    ON CONFLICT (topic) DO UPDATE SET rows = t.rows + excluded.rows, bytes = t.bytes + excluded.bytes`,
  );
}

/** What waits for a topic. */
export async function outboxFill(on: Queryable, topic: string): Promise<OutboxFill> {
  const { rows } = await runSql<{ rows: number; bytes: number; sent: number }>(
    on,
    sqlText`SELECT rows, bytes, sent FROM ${CATALOG}.outbox_topic WHERE topic = ${topic}`,
  );
  return rows[0] ?? { rows: 0, bytes: 0, sent: 0 };
}

/** Per topic what waits, and since when its oldest record has; null where none does. */
export async function outboxTopics(
  on: Queryable,
): Promise<(OutboxFill & { readonly topic: string; readonly oldestAgeS: number | null })[]> {
  const { rows } = await runSql<{ topic: string; rows: number; bytes: number; sent: number; age: number | null }>(
    on,
    sqlText`
    SELECT t.topic, t.rows, t.bytes, t.sent, (
      SELECT extract(epoch FROM clock_timestamp() - o.written_at)::double precision FROM ${CATALOG}.outbox o
      WHERE o.topic = t.topic ORDER BY o.seq LIMIT 1) AS age
    FROM ${CATALOG}.outbox_topic t ORDER BY t.topic`,
  );
  return rows.map(({ age, ...row }) => ({ ...row, oldestAgeS: age }));
}

interface TopicRow extends HeldToken {
  readonly cluster_id: string | null;
  readonly ends: Readonly<Record<string, number>> | null;
}

/**
 * Takes the sending of a topic's outbox: from its commit on no holder of an older token can mark anything as sent. Gives where the partitions ended before
 * what waits was first sent, null where that is not known; `'superseded'` where a newer token holds it. To be called in a transaction.
 *
 * @param renew whether this run has taken it before
 */
export async function takeOutbox(
  client: Queryable,
  topic: string,
  fence: Fence,
  renew: boolean,
): Promise<OutboxEnds | null | 'superseded'> {
  await runSql(client, sqlText`INSERT INTO ${CATALOG}.outbox_topic (topic) VALUES (${topic}) ON CONFLICT DO NOTHING`);
  const { rows } = await runSql<TopicRow>(
    client,
    sqlText`
    SELECT generation, attempt_ms, owner, cluster_id, ends FROM ${CATALOG}.outbox_topic WHERE topic = ${topic} FOR UPDATE`,
  );
  const row = rows[0]!;
  if (!mayTake(row, fence, renew)) return 'superseded';
  await runSql(
    client,
    sqlText`
    UPDATE ${CATALOG}.outbox_topic SET generation = ${fence.generation}, attempt_ms = ${fence.attemptMs}, owner = ${fence.owner}, updated_at = now()
    WHERE topic = ${topic}`,
  );
  if (row.cluster_id === null || row.ends === null) return null;
  const ends = Object.entries(row.ends).map(([partition, end]) => [Number(partition), end] as const);
  return { clusterId: row.cluster_id, ends: new Map(ends) };
}

/** The oldest records that wait for a topic, up to a number and bytes, one at least. */
export async function waitingRecords(
  on: Queryable,
  topic: string,
  most: { readonly records: number; readonly bytes: number },
): Promise<WaitingRecord[]> {
  // Their sizes first: a thousand rows of 900 kB are not to be read for the first four.
  const { rows } = await runSql<{
    seq: number;
    key: Buffer | null;
    id: string;
    value: Buffer;
    timestamp_ms: number;
  }>(
    on,
    sqlText`
    WITH sized AS (
      SELECT seq, sum(octet_length(value) + coalesce(octet_length(key), 0)) OVER (ORDER BY seq) AS bytes, row_number() OVER (ORDER BY seq) AS place
      FROM (SELECT seq, key, value FROM ${CATALOG}.outbox WHERE topic = ${topic} ORDER BY seq LIMIT ${most.records}) AS oldest)
    SELECT o.seq, o.key, o.id, o.value, o.timestamp_ms
    FROM ${CATALOG}.outbox o JOIN sized s ON o.seq = s.seq
    WHERE o.topic = ${topic} AND (s.bytes <= ${most.bytes} OR s.place = 1) ORDER BY o.seq`,
  );
  return rows.map(({ timestamp_ms, ...row }) => ({ ...row, timestampMs: timestamp_ms }));
}

/** Records that wait, by what is needed to take them out. */
export interface SentRecords {
  readonly seqs: readonly number[];
  /** Of their keys and values. */
  readonly bytes: number;
}

/** The records to take out after a send. */
export function sentRecords(sent: readonly WaitingRecord[]): SentRecords {
  return {
    seqs: sent.map(({ seq }) => seq),
    bytes: sent.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + value.length, 0),
  };
}

/**
 * Of the records that wait for a topic, those whose values are among these.
 *
 * @param digests SHA-256 of values
 */
export async function waitingAmong(on: Queryable, topic: string, digests: readonly Uint8Array[]): Promise<SentRecords> {
  const { rows } = await runSql<{ seq: number; bytes: number }>(
    on,
    sqlText`
    SELECT seq, octet_length(value) + coalesce(octet_length(key), 0) AS bytes FROM ${CATALOG}.outbox
    WHERE topic = ${topic} AND sha256(value) = ANY(${digests.map((digest) => Buffer.from(digest))}::bytea[])`,
  );
  return { seqs: rows.map(({ seq }) => seq), bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/**
 * Takes records out of the outbox that are on the topic, and notes where its partitions end now; with none, only that. False where a newer token stands:
 * then nothing was changed. To be called in a transaction.
 */
export async function markSent(
  client: Queryable,
  topic: string,
  fence: Fence,
  { seqs, bytes }: SentRecords,
  { clusterId, ends }: OutboxEnds,
): Promise<boolean> {
  const { rowCount } = await runSql(
    client,
    sqlText`
    UPDATE ${CATALOG}.outbox_topic SET rows = rows - ${seqs.length}::bigint, bytes = bytes - ${bytes}::bigint, sent = sent + ${seqs.length}::bigint,
      cluster_id = ${clusterId}, ends = ${JSON.stringify(Object.fromEntries(ends))}::jsonb, updated_at = now()
    WHERE topic = ${topic} AND generation = ${fence.generation} AND attempt_ms = ${fence.attemptMs}`,
  );
  if (rowCount !== 1) return false;
  if (seqs.length > 0)
    await runSql(
      client,
      sqlText`DELETE FROM ${CATALOG}.outbox WHERE topic = ${topic} AND seq = ANY(${seqs}::bigint[])`,
    );
  return true;
}
