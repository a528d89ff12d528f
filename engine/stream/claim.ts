import type pg from 'pg';
import { isRetired, semanticsRetired } from '../define/semantics.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { Anchor } from '../topic/anchor.ts';
import { type PartitionBounds, type PartitionEnds, realEnd, type TopicBounds } from '../topic/log-reader.ts';
import { clusterChanged, offsetsGone, topicRecreated } from '../topic/topic-errors.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { runSql } from '../postgres/run-sql.ts';
import { ensureCommitIds } from '../postgres/state-table.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { lockForClaim } from './stream-lock.ts';
import { mayTake } from '../slice/fence.ts';
import type { RunStreamOptions } from './stream-options.ts';

/** One partition as the database has it, under our token. */
export interface ClaimedPartition extends PartitionEnds {
  readonly partition: number;
  readonly nextOffset: number;
  readonly watermarkUs: number | null;
  readonly anchor: Anchor | null;
  readonly counts: LogCounts;
  /** Whether a record of it has reached dedupe. */
  readonly begun: boolean;
  readonly verdicts: Uint8Array | null;
  /** More than half of its last records are invalid. */
  readonly mostlyInvalid: boolean;
}

export interface Claim {
  readonly topic: string;
  readonly stateTable: string;
  readonly historyWatermarkUs: number | null;
  readonly partitions: readonly ClaimedPartition[];
  /** True when these are all partitions of the topic. */
  readonly whole: boolean;
  /** The version's newest commit as the claim was made. */
  readonly seq: number;
}

interface OffsetRow {
  readonly partition: number;
  readonly next_offset: number;
  readonly end_offset: number;
  readonly generation: number;
  readonly attempt_ms: number;
  readonly owner: string | null;
  readonly watermark_us: number | null;
  readonly cluster_id: string;
  readonly anchor_offset: number | null;
  readonly anchor_digest: Uint8Array | null;
  readonly counts: Partial<LogCounts>;
  readonly begun: boolean;
  readonly verdicts: Uint8Array | null;
  readonly mostly_invalid: boolean;
}

interface VersionRow {
  readonly fingerprint: string;
  readonly semantics: number;
  readonly status: string;
  readonly state_table: string;
  readonly topic: string | null;
  readonly history_watermark_us: number | null;
  readonly seq: number;
}

const STREAMABLE = new Set(['built', 'live', 'superseded']);

/**
 * Takes the partitions of a view version: from its commit on, no holder of an older token can write. Null when a newer token holds one.
 * A partition the topic has gained starts at offset 0.
 *
 * @param renew true when this run has claimed before: its own token does not count as another's
 * Throws `semantics-retired`, `definition-changed`, `version-not-streamable`, `stream-not-prepared`, `cluster-changed`, `topic-recreated`, `offsets-gone`.
 */
export async function claimPartitions(
  options: RunStreamOptions,
  bounds: TopicBounds,
  renew: boolean,
): Promise<Claim | null> {
  const { view, version, pool, fence } = options;
  return withTransaction(pool, async (client) => {
    await lockForClaim(client, view.name, version);
    const found = await runSql<VersionRow>(
      client,
      sqlText`
      SELECT fingerprint, semantics, status, state_table, topic, history_watermark_us, seq
      FROM ${CATALOG}.view_version WHERE view = ${view.name} AND version = ${version}`,
    );
    const row = found.rows[0];
    checkVersion(options, row);
    await ensureCommitIds(client, row.state_table);
    const { rows } = await runSql<OffsetRow>(
      client,
      sqlText`
      SELECT partition, next_offset, end_offset, generation, attempt_ms, owner, watermark_us, cluster_id, anchor_offset, anchor_digest, counts, begun, verdicts, mostly_invalid
      FROM ${CATALOG}.stream_offset
      WHERE view = ${view.name} AND version = ${version} AND topic = ${bounds.topic}
      ORDER BY partition FOR UPDATE`,
    );
    if (rows.length === 0) throw notPrepared(options, bounds.topic);
    if (rows.some((offset) => offset.generation > fence.generation)) return null;
    checkTopic(bounds, rows);
    const isWanted = wantedBy(options.partitions);
    const known = new Map(rows.map((offset) => [offset.partition, offset]));
    const mine = bounds.partitions.filter(({ partition }) => isWanted(partition));
    for (const held of mine) {
      const offset = known.get(held.partition);
      if (offset !== undefined && !mayTake(offset, fence, renew)) return null;
    }
    const claimed = mine.map((held) =>
      claimedPartition(held, known.get(held.partition), row.history_watermark_us, bounds.topic),
    );
    for (const partition of claimed)
      await takePartition(client, options, bounds, partition, known.has(partition.partition));
    return {
      topic: bounds.topic,
      stateTable: row.state_table,
      historyWatermarkUs: row.history_watermark_us,
      partitions: claimed,
      whole: mine.length === bounds.partitions.length,
      seq: row.seq,
    };
  });
}

function wantedBy(partitions: RunStreamOptions['partitions']): (partition: number) => boolean {
  if (typeof partitions === 'function') return partitions;
  return partitions === undefined ? () => true : (partition) => partitions.includes(partition);
}

async function takePartition(
  client: pg.PoolClient,
  { view, version, fence }: RunStreamOptions,
  bounds: TopicBounds,
  claimed: ClaimedPartition,
  exists: boolean,
): Promise<void> {
  if (exists) {
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.stream_offset
      SET generation = ${fence.generation}, attempt_ms = ${fence.attemptMs}, owner = ${fence.owner}, end_offset = ${realEnd(claimed)}, updated_at = now()
      WHERE view = ${view.name} AND version = ${version} AND topic = ${bounds.topic} AND partition = ${claimed.partition}`,
    );
    return;
  }
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.stream_offset
      (view, version, topic, partition, next_offset, end_offset, generation, attempt_ms, owner, watermark_us, cluster_id, counts, begun)
    VALUES (${view.name}, ${version}, ${bounds.topic}, ${claimed.partition}, ${claimed.nextOffset}, ${realEnd(claimed)},
      ${fence.generation}, ${fence.attemptMs}, ${fence.owner}, ${claimed.watermarkUs}, ${bounds.clusterId}, ${JSON.stringify(claimed.counts)}, ${claimed.begun})`,
  );
}

function claimedPartition(
  held: PartitionBounds,
  row: OffsetRow | undefined,
  historyWatermarkUs: number | null,
  topic: string,
): ClaimedPartition {
  const { partition, lowOffset, endOffset, highWatermark, heldBy } = held;
  const nextOffset = row?.next_offset ?? 0;
  if (nextOffset < lowOffset) throw offsetsGone(topic, partition, nextOffset, lowOffset);
  if (nextOffset > endOffset) {
    throw topicRecreated(
      `${topic}, partition ${partition}: ${nextOffset} records were read, and the topic now ends at ${endOffset}`,
    );
  }
  return {
    partition,
    nextOffset,
    endOffset,
    highWatermark,
    heldBy,
    watermarkUs: row === undefined ? historyWatermarkUs : row.watermark_us,
    anchor:
      row?.anchor_offset == null || row.anchor_digest === null
        ? null
        : { offset: row.anchor_offset, digest: row.anchor_digest },
    counts: { ...emptyCounts(), ...row?.counts },
    begun: row?.begun ?? false,
    verdicts: row?.verdicts ?? null,
    mostlyInvalid: row?.mostly_invalid ?? false,
  };
}

function checkVersion({ view, version }: RunStreamOptions, row: VersionRow | undefined): asserts row is VersionRow {
  if (row === undefined || !STREAMABLE.has(row.status)) {
    throw new MillraceError(
      'version-not-streamable',
      `${view.name}, version ${version} is ${row?.status ?? 'not in the catalog'}; expected built or live`,
      {
        remedy: 'Back the view up first (start its lifecycle), or run the version that is live.',
        httpStatus: 409,
      },
    );
  }
  if (isRetired(row.semantics)) throw semanticsRetired(view.name, version, row.semantics);
  if (row.fingerprint !== view.fingerprint) {
    throw new MillraceError(
      'definition-changed',
      `${view.name}, version ${version} was built by definition ${row.fingerprint.slice(0, 12)}, and this worker has ${view.fingerprint.slice(0, 12)}`,
      {
        remedy: 'Run a worker with the old code, or `rebackfill` the view: a new version is built aside and flipped.',
        httpStatus: 409,
      },
    );
  }
}

function checkTopic(bounds: TopicBounds, rows: readonly OffsetRow[]): void {
  const foreign = rows.find((row) => row.cluster_id !== bounds.clusterId);
  if (foreign !== undefined) throw clusterChanged(bounds.topic, bounds.clusterId, foreign.cluster_id);
  const there = new Set(bounds.partitions.map(({ partition }) => partition));
  const missing = rows.find((row) => !there.has(row.partition));
  if (missing !== undefined) {
    throw topicRecreated(
      `topic ${bounds.topic} has ${there.size} partitions and no partition ${missing.partition} any more`,
    );
  }
}

function notPrepared({ view, version }: RunStreamOptions, topic: string): MillraceError {
  return new MillraceError(
    'stream-not-prepared',
    `${view.name}, version ${version} has no offsets for topic ${topic}`,
    {
      remedy: 'Back the view up with its topic: a backfill writes the offsets the stream starts at.',
      httpStatus: 409,
    },
  );
}
