import type pg from 'pg';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import { tagOf } from '../define/tag-of.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { mayTake } from '../slice/fence.ts';
import type { Anchor } from '../topic/anchor.ts';
import { type PartitionBounds, type PartitionEnds, realEnd, type TopicBounds } from '../topic/log-reader.ts';
import { clusterChanged, offsetsGone, topicRecreated } from '../topic/topic-errors.ts';
import type { PairRule, RunPairsOptions, Side } from './pairs-options.ts';

/** One partition of a side as the database has it, under our token. */
export interface ClaimedPartition extends PartitionEnds {
  readonly partition: number;
  readonly nextOffset: number;
  readonly watermarkUs: number | null;
  readonly begun: boolean;
  readonly anchor: Anchor | null;
  readonly verdicts: Uint8Array | null;
  readonly counts: LogCounts;
}

interface OffsetRow {
  readonly partition: number;
  readonly next_offset: number;
  readonly generation: number;
  readonly attempt_ms: number;
  readonly owner: string | null;
  readonly watermark_us: number | null;
  readonly cluster_id: string;
  readonly begun: boolean;
  readonly anchor_offset: number | null;
  readonly anchor_digest: Uint8Array | null;
  readonly verdicts: Uint8Array | null;
  readonly counts: Partial<LogCounts>;
}

/** What decides the pairs of a label set: what its labels are of outcomes, and when they are final, does not. */
export function pairTag(rule: PairRule): string {
  const { decisions, outcomes, horizonUs, isByDecision, tag } = rule;
  const logs = [decisions, outcomes].map(({ name, topic, dedupeHorizonUs }) => ({ name, topic, dedupeHorizonUs }));
  // By keys of the user's its code counts, and that is told apart as a whole.
  return tagOf({ logs, horizonUs, by: isByDecision ? 'decision' : tag });
}

/** The row of a label set's join, made if it is not there; locked until the transaction ends: claims, fences and commits of both sides go one by one. */
export async function lockJoin(
  client: pg.PoolClient,
  labelSet: string,
): Promise<{ readonly tag: string; readonly generation: number } | null> {
  const { rows } = await runSql<{ tag: string; generation: number }>(
    client,
    sqlText`SELECT tag, generation FROM ${CATALOG}.pair_join WHERE label_set = ${labelSet} FOR UPDATE`,
  );
  return rows[0] ?? null;
}

/**
 * Takes one side of a label set's join: from its commit on, no holder of an older token can write. Null when a newer token holds it. A log is read from
 * the first record there is; a partition that it gains later from 0.
 *
 * @param renew true when this run has claimed this side before: its own token does not count as another's
 * @throws MillraceError `pairs-changed`, `cluster-changed`, `topic-recreated`, `offsets-gone`
 */
export async function claimSide(
  options: Pick<RunPairsOptions, 'rule' | 'topic' | 'pool' | 'fence'>,
  side: Side,
  bounds: TopicBounds,
  renew: boolean,
): Promise<readonly ClaimedPartition[] | null> {
  const { rule, topic, pool, fence } = options;
  return withTransaction(pool, async (client) => {
    const tag = pairTag(rule);
    await runSql(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.pair_join (label_set, tag, topic) VALUES (${rule.name}, ${tag}, ${topic}) ON CONFLICT DO NOTHING`,
    );
    const join = (await lockJoin(client, rule.name))!;
    if (join.generation > fence.generation) return null;
    if (join.tag !== tag) throw pairsChanged(rule.name);
    const { rows } = await runSql<OffsetRow>(
      client,
      sqlText`
      SELECT partition, next_offset, generation, attempt_ms, owner, watermark_us, cluster_id, begun, anchor_offset, anchor_digest, verdicts, counts
      FROM ${CATALOG}.pair_offset WHERE label_set = ${rule.name} AND side = ${side} ORDER BY partition FOR UPDATE`,
    );
    if (rows.some((row) => !mayTake(row, fence, renew))) return null;
    checkTopic(bounds, rows);
    await runSql(
      client,
      sqlText`UPDATE ${CATALOG}.pair_join SET generation = ${fence.generation} WHERE label_set = ${rule.name}`,
    );
    const known = new Map(rows.map((row) => [row.partition, row]));
    const claimed: ClaimedPartition[] = [];
    for (const held of bounds.partitions) {
      const row = known.get(held.partition);
      const firstOffset = rows.length === 0 ? held.lowOffset : 0;
      const partition = claimedPartition(bounds.topic, held, row, firstOffset);
      claimed.push(partition);
      await runSql(
        client,
        sqlText`
        INSERT INTO ${CATALOG}.pair_offset
          (label_set, side, topic, partition, cluster_id, first_offset, next_offset, end_offset, generation, attempt_ms, owner)
        VALUES (${rule.name}, ${side}, ${bounds.topic}, ${held.partition}, ${bounds.clusterId}, ${firstOffset}, ${partition.nextOffset},
          ${realEnd(held)}, ${fence.generation}, ${fence.attemptMs}, ${fence.owner})
        ON CONFLICT (label_set, side, partition) DO UPDATE SET end_offset = excluded.end_offset, generation = excluded.generation,
          attempt_ms = excluded.attempt_ms, owner = excluded.owner, updated_at = now()`,
      );
    }
    return claimed;
  });
}

function claimedPartition(
  topic: string,
  { partition, lowOffset, endOffset, highWatermark, heldBy }: PartitionBounds,
  row: OffsetRow | undefined,
  firstOffset: number,
): ClaimedPartition {
  const nextOffset = row?.next_offset ?? firstOffset;
  if (nextOffset < lowOffset) throw offsetsGone(topic, partition, nextOffset, lowOffset);
  if (nextOffset > endOffset)
    throw topicRecreated(
      `${topic}, partition ${partition}: ${nextOffset} records were read, and the topic now ends at ${endOffset}`,
    );
  return {
    partition,
    nextOffset,
    endOffset,
    highWatermark,
    heldBy,
    watermarkUs: row?.watermark_us ?? null,
    begun: row?.begun ?? false,
    anchor:
      row?.anchor_offset == null || row.anchor_digest === null
        ? null
        : { offset: row.anchor_offset, digest: row.anchor_digest },
    verdicts: row?.verdicts ?? null,
    counts: { ...emptyCounts(), ...row?.counts },
  };
}

function checkTopic(bounds: TopicBounds, rows: readonly OffsetRow[]): void {
  const foreign = rows.find((row) => row.cluster_id !== bounds.clusterId);
  if (foreign !== undefined) throw clusterChanged(bounds.topic, bounds.clusterId, foreign.cluster_id);
  const there = new Set(bounds.partitions.map(({ partition }) => partition));
  const missing = rows.find((row) => !there.has(row.partition));
  if (missing !== undefined)
    throw topicRecreated(`topic ${bounds.topic} has no partition ${missing.partition} any more`);
}

function pairsChanged(labelSet: string): MillraceError {
  return new MillraceError(
    'pairs-changed',
    `label set "${labelSet}": its logs, its horizon or what both sides are joined by are not those that its pairs were made by so far`,
    {
      remedy:
        'Give the changed label set another name: its pairs go to a topic of their own, from the beginning. Or put back what was changed.',
      httpStatus: 409,
    },
  );
}
