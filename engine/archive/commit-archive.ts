import type pg from 'pg';
import { internalBug } from '../errors/millrace-error.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { MonitorPart } from '../monitors/gather-records.ts';
import { insertMonitorParts } from '../monitors/monitor-parts.ts';
import type { BufferedRange } from './archive-buffer.ts';
import type { ArchiveClaim } from './archive-claim.ts';
import type { RunArchiveOptions } from './archive-options.ts';
import type { DraftFile } from './parquet-file.ts';

/** Thrown inside the transaction to leave it when a newer token stands. */
class Superseded extends Error {}

/**
 * Makes a file count as archived, and what its records told of their hours, in one transaction. First of all the compare-and-set of every partition's offset and token: where a row
 * does not match, nothing is written. False when a newer token stands. An error leaves the outcome unknown: the caller claims again,
 * and the rows say.
 */
export async function commitArchive(
  options: RunArchiveOptions,
  claim: ArchiveClaim,
  file: DraftFile,
  ranges: readonly BufferedRange[],
  told: readonly MonitorPart[],
): Promise<boolean> {
  try {
    await withTransaction(options.pool, async (client) => {
      // A writer that freezes in here holds the rows for this long at most.
      await runSql(client, sqlText`SELECT set_config('idle_in_transaction_session_timeout', '15s', true)`);
      await advance(client, options, claim, ranges);
      await options.failAt?.('after-cas');
      await insertArchiveFile(client, { source: options.source.name, ...claim }, file, ranges);
      await insertMonitorParts(client, options.source.name, told);
      await options.failAt?.('before-commit');
    });
  } catch (error) {
    if (error instanceof Superseded) return false;
    throw error;
  }
  await options.failAt?.('after-commit');
  return true;
}

/** Names a file and what it holds in the manifest. */
export async function insertArchiveFile(
  client: pg.PoolClient,
  { source, topic, clusterId }: { readonly source: string; readonly topic: string; readonly clusterId: string },
  file: DraftFile,
  ranges: readonly Pick<BufferedRange, 'partition' | 'fromOffset' | 'untilOffset' | 'rows'>[],
): Promise<void> {
  const rows = ranges.reduce((sum, range) => sum + range.rows, 0);
  const inserted = await runSql<{ id: number }>(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.archive_file (source, topic, cluster_id, path, rows, size_bytes, sha256)
    VALUES (${source}, ${topic}, ${clusterId}, ${file.path}, ${rows}, ${file.sizeBytes}, ${file.sha256}) RETURNING id`,
  );
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.archive_range (source, topic, partition, from_offset, until_offset, rows, file_id)
    SELECT ${source}, ${topic}, r.partition, r.from_offset, r.until_offset, r.rows, ${inserted.rows[0]!.id}
    FROM unnest(${ranges.map((r) => r.partition)}::int[], ${ranges.map((r) => r.fromOffset)}::bigint[],
      ${ranges.map((r) => r.untilOffset)}::bigint[], ${ranges.map((r) => r.rows)}::bigint[]) AS r(partition, from_offset, until_offset, rows)`,
  );
}

async function advance(
  client: pg.PoolClient,
  { source, fence }: RunArchiveOptions,
  { topic, clusterId }: ArchiveClaim,
  ranges: readonly BufferedRange[],
): Promise<void> {
  const column = <Value>(pick: (range: BufferedRange) => Value): Value[] => ranges.map(pick);
  const partitions = column((range) => range.partition);
  const { rowCount } = await runSql(
    client,
    sqlText`
    UPDATE ${CATALOG}.archive_offset o
    SET next_offset = r.until_offset, end_offset = r.end_offset, anchor_offset = coalesce(r.anchor_offset, o.anchor_offset),
      anchor_digest = coalesce(decode(r.anchor_digest, 'hex'), o.anchor_digest), updated_at = clock_timestamp()
    FROM unnest(${partitions}::int[], ${column((r) => r.fromOffset)}::bigint[], ${column((r) => r.untilOffset)}::bigint[],
      ${column((r) => r.endOffset)}::bigint[], ${column((r) => r.anchor?.offset ?? null)}::bigint[],
      ${column((r) => (r.anchor === null ? null : Buffer.from(r.anchor.digest).toString('hex')))}::text[]
    ) AS r(partition, from_offset, until_offset, end_offset, anchor_offset, anchor_digest)
    WHERE o.source = ${source.name} AND o.topic = ${topic} AND o.partition = r.partition AND o.cluster_id = ${clusterId}
      AND o.next_offset = r.from_offset AND o.generation = ${fence.generation} AND o.attempt_ms = ${fence.attemptMs}`,
  );
  if (rowCount === ranges.length) return;
  const { rows } = await runSql<{ generation: number; attempt_ms: number }>(
    client,
    sqlText`
    SELECT generation, attempt_ms FROM ${CATALOG}.archive_offset
    WHERE source = ${source.name} AND topic = ${topic} AND partition = ANY(${partitions}::int[])`,
  );
  const ours = rows.every((row) => row.generation === fence.generation && row.attempt_ms === fence.attemptMs);
  if (ours && rows.length === ranges.length)
    throw internalBug(`archive of ${source.name}: the token is ours and the stored offsets are not`);
  throw new Superseded();
}
