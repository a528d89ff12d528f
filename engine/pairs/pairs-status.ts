import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { Side } from './pairs-options.ts';

type PerSide = Readonly<Record<Side, number>>;

/** Where a label set's records went, since they were first joined. */
export interface PairsFigures {
  readonly pairs: number;
  /** Pairs too large for a record: they are dead letters. */
  readonly tooLarge: number;
  readonly held: PerSide;
  /** Given up without a pair, since nothing may pair with them any more. */
  readonly unpaired: PerSide;
  /** Too late, behind the watermark of their own partition, to be paired. */
  readonly late: PerSide;
  readonly invalid: PerSide;
  /** Joined by nothing: their key was null. */
  readonly nullKey: PerSide;
  readonly lag: PerSide;
  /** Waiting to be sent. */
  readonly outbox: number;
}

interface JoinRow {
  readonly generation: number;
  readonly pairs: number;
  readonly too_large: number;
  readonly held_decisions: number;
  readonly held_outcomes: number;
  readonly unpaired_decisions: number;
  readonly unpaired_outcomes: number;
}

interface SideRow {
  readonly side: Side;
  readonly generation: number;
  readonly lag: number;
  readonly late: number;
  readonly invalid: number;
  readonly null_key: number;
}

/**
 * How the pairs of a label set stand, all zero where it was never joined, and the highest fencing generation any joiner of it has had.
 *
 * @param topic of its pairs
 * @example
 * const { figures } = await pairsStatus(pool, 'late', 'millrace.pairs.late');
 */
export async function pairsStatus(
  on: Queryable,
  labelSet: string,
  topic: string,
): Promise<{ readonly generation: number; readonly figures: PairsFigures }> {
  const join = await runSql<JoinRow>(
    on,
    sqlText`
    SELECT generation, pairs, too_large, held_decisions, held_outcomes, unpaired_decisions, unpaired_outcomes
    FROM ${CATALOG}.pair_join WHERE label_set = ${labelSet}`,
  );
  const { rows } = await runSql<SideRow>(
    on,
    sqlText`
    SELECT side, max(generation) AS generation, sum(end_offset - next_offset)::bigint AS lag, sum(coalesce((counts->>'late')::bigint, 0))::bigint AS late,
      sum(coalesce((counts->>'invalid')::bigint, 0))::bigint AS invalid, sum(coalesce((counts->>'nullKey')::bigint, 0))::bigint AS null_key
    FROM ${CATALOG}.pair_offset WHERE label_set = ${labelSet} GROUP BY side`,
  );
  const outbox = await runSql<{ generation: number; rows: number }>(
    on,
    sqlText`SELECT generation, rows FROM ${CATALOG}.outbox_topic WHERE topic = ${topic}`,
  );
  const of = (pick: (row: SideRow) => number): PerSide => {
    const side = (name: Side): number =>
      rows.filter((row) => row.side === name).reduce((sum, row) => sum + pick(row), 0);
    return { decisions: side('decisions'), outcomes: side('outcomes') };
  };
  const joined = join.rows[0];
  const generations = [joined, ...rows, outbox.rows[0]].map((row) => row?.generation ?? 0);
  return {
    generation: Math.max(...generations),
    figures: {
      pairs: joined?.pairs ?? 0,
      tooLarge: joined?.too_large ?? 0,
      held: { decisions: joined?.held_decisions ?? 0, outcomes: joined?.held_outcomes ?? 0 },
      unpaired: { decisions: joined?.unpaired_decisions ?? 0, outcomes: joined?.unpaired_outcomes ?? 0 },
      late: of((row) => row.late),
      invalid: of((row) => row.invalid),
      nullKey: of((row) => row.null_key),
      lag: of((row) => row.lag),
      outbox: outbox.rows[0]?.rows ?? 0,
    },
  };
}

/** The label sets that were ever joined, with the topic of their pairs. */
async function joinedLabelSets(
  on: Queryable,
): Promise<readonly { readonly labelSet: string; readonly topic: string }[]> {
  const { rows } = await runSql<{ label_set: string; topic: string }>(
    on,
    sqlText`SELECT label_set, topic FROM ${CATALOG}.pair_join ORDER BY label_set`,
  );
  return rows.map(({ label_set, topic }) => ({ labelSet: label_set, topic }));
}

/** How the pairs of every label set stand. */
export async function allPairs(
  on: Queryable,
): Promise<{ readonly labelSet: string; readonly figures: PairsFigures }[]> {
  const found: { readonly labelSet: string; readonly figures: PairsFigures }[] = [];
  for (const { labelSet, topic } of await joinedLabelSets(on))
    found.push({ labelSet, figures: (await pairsStatus(on, labelSet, topic)).figures });
  return found;
}

/** Whether decisions and outcomes of a label set were ever joined here. */
export async function wasJoined(on: Queryable, labelSet: string): Promise<boolean> {
  const { rowCount } = await runSql(on, sqlText`SELECT FROM ${CATALOG}.pair_join WHERE label_set = ${labelSet}`);
  return rowCount === 1;
}
