import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';

/** The log of outcomes that labels were told of. */
export interface OutcomesLog {
  readonly source: string;
  readonly topic: string;
  readonly clusterId: string;
}

/** Up to when labels were told of an archive's outcomes, UTC epoch µs; null: they never were. */
export async function toldLabelTimeUs(on: Queryable, log: OutcomesLog): Promise<number | null> {
  const { rows } = await runSql<{ told_us: number }>(
    on,
    sqlText`SELECT told_us FROM ${CATALOG}.label_time WHERE source = ${log.source} AND topic = ${log.topic} AND cluster_id = ${log.clusterId}`,
  );
  return rows[0]?.told_us ?? null;
}

/** Notes that labels were told up to a time: what was told stays, where that was later. */
export async function noteLabelTime(on: Queryable, log: OutcomesLog, toldUs: number): Promise<void> {
  await runSql(
    on,
    sqlText`
      INSERT INTO ${CATALOG}.label_time (source, topic, cluster_id, told_us)
      VALUES (${log.source}, ${log.topic}, ${log.clusterId}, ${toldUs})
      ON CONFLICT (source, topic, cluster_id)
      DO UPDATE SET told_us = excluded.told_us, told_at = clock_timestamp() WHERE label_time.told_us < excluded.told_us`,
  );
}

/** The next offset to archive of each partition of a topic; none: it is not archived. */
export async function archivedOffsets(on: Queryable, source: string, topic: string): Promise<Map<number, number>> {
  const { rows } = await runSql<{ partition: number; next_offset: number }>(
    on,
    sqlText`SELECT partition, next_offset FROM ${CATALOG}.archive_offset WHERE source = ${source} AND topic = ${topic}`,
  );
  return new Map(rows.map((row) => [row.partition, row.next_offset]));
}
