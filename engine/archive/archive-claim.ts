import type pg from 'pg';
import { checkAnchor } from '../topic/check-anchor.ts';
import { type PartitionBounds, type PartitionEnds, realEnd, type TopicBounds } from '../topic/log-reader.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { archivedTopicRecreated, RECREATED_REMEDY } from './archive-errors.ts';
import { mayTake } from '../slice/fence.ts';
import type { ArchiveHole, RunArchiveOptions } from './archive-options.ts';

export interface ArchiveClaim {
  readonly topic: string;
  readonly clusterId: string;
  /** Begins the names of this archive's files. */
  readonly mark: string;
  readonly partitions: readonly ClaimedPartition[];
  /** Holes that were recorded with this claim. */
  readonly holes: readonly ArchiveHole[];
}

export interface ClaimedPartition extends PartitionEnds {
  readonly partition: number;
  readonly nextOffset: number;
}

interface OffsetRow {
  readonly partition: number;
  readonly cluster_id: string;
  readonly next_offset: number;
  readonly generation: number;
  readonly attempt_ms: number;
  readonly owner: string | null;
  readonly anchor_offset: number | null;
  readonly anchor_digest: Uint8Array | null;
}

/**
 * Takes a source's archive: from its commit on, no holder of an older token can add a file. Null when a newer token holds it. Offsets that
 * the topic has deleted since are recorded as holes, in the same transaction that steps over them.
 *
 * @param renew true when this run has claimed before: its own token does not count as another's
 * Throws `topic-recreated`.
 */
export async function claimArchive(
  options: RunArchiveOptions,
  bounds: TopicBounds,
  renew: boolean,
): Promise<ArchiveClaim | null> {
  const { source, pool, fence } = options;
  return withTransaction(pool, async (client) => {
    const archive = await lockSource(client, source.name);
    if (archive.generation > fence.generation) return null;
    const { rows } = await runSql<OffsetRow>(
      client,
      sqlText`
      SELECT partition, cluster_id, next_offset, generation, attempt_ms, owner, anchor_offset, anchor_digest
      FROM ${CATALOG}.archive_offset
      WHERE source = ${source.name} AND topic = ${bounds.topic} ORDER BY partition FOR UPDATE`,
    );
    if (rows.some((row) => !mayTake(row, fence, renew))) return null;
    checkTopic(bounds, rows);
    await runSql(
      client,
      sqlText`UPDATE ${CATALOG}.archive_source SET generation = ${fence.generation} WHERE source = ${source.name}`,
    );
    const known = new Map(rows.map((row) => [row.partition, row]));
    const holes: ArchiveHole[] = [];
    const partitions: ClaimedPartition[] = [];
    for (const held of bounds.partitions) {
      const row = known.get(held.partition);
      const nextOffset = Math.max(row?.next_offset ?? 0, held.lowOffset);
      const hole = holeOf(held, row, rows.length > 0);
      if (hole !== null) {
        holes.push(hole);
        await insertHole(client, source.name, bounds.topic, hole);
      }
      await takePartition(client, options, bounds, held, nextOffset);
      const { partition, endOffset, highWatermark, heldBy } = held;
      partitions.push({ partition, nextOffset, endOffset, highWatermark, heldBy });
    }
    return { topic: bounds.topic, clusterId: bounds.clusterId, mark: archive.mark, partitions, holes };
  });
}

/**
 * The last record that was archived of each partition must still be where it was, or have gone by retention.
 * Throws `topic-recreated`.
 */
export async function checkAnchors(
  options: Pick<RunArchiveOptions, 'pool' | 'reader'>,
  source: string,
  bounds: TopicBounds,
): Promise<void> {
  const { rows } = await runSql<AnchorRow>(
    options.pool,
    sqlText`
    SELECT partition, anchor_offset, anchor_digest FROM ${CATALOG}.archive_offset
    WHERE source = ${source} AND topic = ${bounds.topic} AND cluster_id = ${bounds.clusterId} AND anchor_offset IS NOT NULL`,
  );
  for (const { partition, anchor_offset, anchor_digest } of rows) {
    const held = bounds.partitions.find((candidate) => candidate.partition === partition);
    const anchor = { offset: anchor_offset, digest: anchor_digest };
    await checkAnchor({ reader: options.reader, topic: bounds.topic, partition, held }, anchor, RECREATED_REMEDY);
  }
}

export interface AnchorRow {
  readonly partition: number;
  readonly anchor_offset: number;
  readonly anchor_digest: Uint8Array;
}

/** The source's row, made if it is not there; locked until the transaction ends, so that claims and fences go one by one. */
export async function lockSource(
  client: pg.PoolClient,
  source: string,
): Promise<{ readonly mark: string; readonly generation: number }> {
  await runSql(
    client,
    sqlText`INSERT INTO ${CATALOG}.archive_source (source) VALUES (${source}) ON CONFLICT DO NOTHING`,
  );
  const { rows } = await runSql<{ mark: string; generation: number }>(
    client,
    sqlText`SELECT mark, generation FROM ${CATALOG}.archive_source WHERE source = ${source} FOR UPDATE`,
  );
  return rows[0]!;
}

function checkTopic(bounds: TopicBounds, rows: readonly OffsetRow[]): void {
  const held = new Map(bounds.partitions.map((each) => [each.partition, each]));
  for (const { partition, cluster_id, next_offset } of rows) {
    const now = held.get(partition);
    if (cluster_id !== bounds.clusterId)
      throw archivedTopicRecreated(
        `topic ${bounds.topic} is on Kafka cluster ${bounds.clusterId}, and was archived from ${cluster_id}`,
      );
    if (now === undefined)
      throw archivedTopicRecreated(`topic ${bounds.topic} has no partition ${partition} any more, which was archived`);
    if (now.endOffset < next_offset)
      throw archivedTopicRecreated(
        `${bounds.topic}, partition ${partition}: archived up to ${next_offset}, and the topic now ends at ${now.endOffset}`,
      );
  }
}

function holeOf(held: PartitionBounds, row: OffsetRow | undefined, archivedBefore: boolean): ArchiveHole | null {
  const { partition, lowOffset } = held;
  const fromOffset = row?.next_offset ?? 0;
  if (lowOffset <= fromOffset) return null;
  // A partition that was added while we archived had all its records then.
  const reason = archivedBefore ? 'retention' : 'before-archiving';
  return { partition, fromOffset, untilOffset: lowOffset, reason };
}

async function insertHole(client: pg.PoolClient, source: string, topic: string, hole: ArchiveHole): Promise<void> {
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.archive_hole (source, topic, partition, from_offset, until_offset, reason)
    VALUES (${source}, ${topic}, ${hole.partition}, ${hole.fromOffset}, ${hole.untilOffset}, ${hole.reason})`,
  );
}

async function takePartition(
  client: pg.PoolClient,
  { source, fence }: RunArchiveOptions,
  { topic, clusterId }: TopicBounds,
  held: PartitionBounds,
  nextOffset: number,
): Promise<void> {
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.archive_offset
      (source, topic, partition, cluster_id, first_offset, next_offset, end_offset, generation, attempt_ms, owner)
    VALUES (${source.name}, ${topic}, ${held.partition}, ${clusterId}, ${nextOffset}, ${nextOffset}, ${realEnd(held)},
      ${fence.generation}, ${fence.attemptMs}, ${fence.owner})
    ON CONFLICT (source, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset, end_offset = EXCLUDED.end_offset,
      generation = EXCLUDED.generation, attempt_ms = EXCLUDED.attempt_ms, owner = EXCLUDED.owner, updated_at = now()`,
  );
}
