import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { heldColumn } from './commit-pairs.ts';
import { lockJoin } from './pair-claim.ts';
import { PAIRS_VERSION, type PairRule, pairsOwner, type Side } from './pairs-options.ts';

/**
 * How late a record of a side may be, behind the watermark of its own partition: as late as it may be after the other, and not less than its source's ids
 * are remembered for.
 */
export function latenessUs(rule: Pick<PairRule, 'decisions' | 'outcomes' | 'horizonUs'>, side: Side): number {
  return Math.max(rule.horizonUs, rule[side].dedupeHorizonUs);
}

/**
 * Removes a step of what is held of the other side and can pair with nothing of this one any more: all partitions of this one are so far that what would
 * pair with it is late there. A partition without a record holds everything. Gives how many rows went.
 *
 * @param side which side's watermarks have moved
 */
export async function sweepHeld(options: {
  readonly pool: pg.Pool;
  readonly rule: PairRule;
  readonly side: Side;
  readonly rows: number;
}): Promise<number> {
  const { pool, rule, side } = options;
  const other: Side = side === 'decisions' ? 'outcomes' : 'decisions';
  // A decision waits for outcomes up to the horizon after it, an outcome for decisions up to its own time.
  const reachUs = side === 'outcomes' ? rule.horizonUs : 0;
  return await withTransaction(pool, async (client) => {
    if ((await lockJoin(client, rule.name)) === null) return 0;
    const { rows } = await runSql<{ paired: boolean; rows: number; bytes: number }>(
      client,
      sqlText`
      WITH floor AS (
        SELECT min(watermark_us) - ${latenessUs(rule, side)}::bigint - ${reachUs}::bigint AS us FROM ${CATALOG}.pair_offset
        WHERE label_set = ${rule.name} AND side = ${side} HAVING bool_and(watermark_us IS NOT NULL)
      ), due AS (
        SELECT ctid AS place, time_us FROM ${CATALOG}.pair_held
        WHERE label_set || '/' || side = ${`${rule.name}/${other}`} AND time_us < (SELECT us FROM floor)
        ORDER BY time_us LIMIT ${options.rows}
      ), gone AS (
        DELETE FROM ${CATALOG}.pair_held WHERE ctid = ANY(ARRAY(SELECT place FROM due))
        RETURNING paired, octet_length(value) AS bytes
      )
      SELECT paired, count(*) AS rows, sum(bytes)::bigint AS bytes FROM gone GROUP BY paired`,
    );
    const sum = (pick: (row: (typeof rows)[number]) => number): number =>
      rows.reduce((total, row) => total + pick(row), 0);
    const gone = sum((row) => row.rows);
    if (gone === 0) return 0;
    const unpaired = other === 'decisions' ? sqlText`unpaired_decisions` : sqlText`unpaired_outcomes`;
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.pair_join SET ${heldColumn(other, 'rows')} = ${heldColumn(other, 'rows')} - ${gone}::bigint,
        ${heldColumn(other, 'bytes')} = ${heldColumn(other, 'bytes')} - ${sum((row) => row.bytes)}::bigint,
        ${unpaired} = ${unpaired} + ${sum((row) => (row.paired ? 0 : row.rows))}::bigint
      WHERE label_set = ${rule.name}`,
    );
    return gone;
  });
}

/** Removes the oldest dead letters of a label set's joiner beyond so many. They stay counted. */
export async function sweepDeadLetters(pool: pg.Pool, labelSet: string, most: number): Promise<void> {
  const owner = pairsOwner(labelSet);
  await runSql(
    pool,
    sqlText`
    DELETE FROM ${CATALOG}.dead_letter d USING (
      SELECT topic, partition, "offset" FROM ${CATALOG}.dead_letter WHERE view = ${owner} AND version = ${PAIRS_VERSION}
      ORDER BY created_at DESC, topic, partition, "offset" DESC OFFSET ${most} LIMIT 5000) AS old
    WHERE d.view = ${owner} AND d.version = ${PAIRS_VERSION} AND d.topic = old.topic AND d.partition = old.partition AND d."offset" = old."offset"`,
  );
}
