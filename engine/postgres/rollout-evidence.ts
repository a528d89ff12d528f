import type pg from 'pg';
import type { EvidenceCell } from '../evidence/evidence-sums.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';
import { withTransaction } from './transaction.ts';

/** What was concluded of a rollout at the last look. */
export interface RolloutLook<Rule = unknown, Judgement = unknown> {
  readonly rule: Rule;
  readonly judgement: Judgement;
  /** UTC epoch µs. */
  readonly lookedAtUs: number;
}

/** What was seen of a rollout on the topic of its decisions. */
export interface RolloutSeen {
  readonly firstDecidedUs: number;
  readonly lastDecidedUs: number;
  readonly decisions: number;
}

/** Puts the evidence of a look in the place of the one before, all or nothing. */
export async function putLook(
  pool: pg.Pool,
  rollout: string,
  {
    cells,
    rule,
    judgement,
  }: { readonly cells: readonly EvidenceCell[]; readonly rule: unknown; readonly judgement: unknown },
): Promise<void> {
  await withTransaction(pool, async (client) => {
    // Two looks at once, of a worker that was taken for dead: one after the other, and the last one stands.
    await runSql(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.rollout_look AS l (rollout, rule, judgement) VALUES (${rollout}, ${JSON.stringify(rule)}::jsonb, ${JSON.stringify(judgement)}::jsonb)
      ON CONFLICT (rollout) DO UPDATE SET rule = excluded.rule, judgement = excluded.judgement, looked_at = clock_timestamp()`,
    );
    await runSql(client, sqlText`DELETE FROM ${CATALOG}.rollout_evidence WHERE rollout = ${rollout}`);
    await runSql(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.rollout_evidence (rollout, metric, stage, variant, segment, moments)
      SELECT ${rollout}, metric, stage, variant, segment, moments
      FROM unnest(${cells.map(({ metric }) => metric)}::text[], ${cells.map(({ stage }) => stage)}::int[], ${cells.map(({ variant }) => variant)}::text[],
        ${cells.map(({ segment }) => segment ?? '')}::text[], ${cells.map(({ moments }) => Buffer.from(moments))}::bytea[])
        AS cell(metric, stage, variant, segment, moments)`,
    );
  });
}

/** The sums of a rollout. */
export async function rolloutEvidence(on: Queryable, rollout: string): Promise<EvidenceCell[]> {
  const { rows } = await runSql<EvidenceCell>(
    on,
    sqlText`SELECT metric, stage, variant, nullif(segment, '') AS segment, moments FROM ${CATALOG}.rollout_evidence WHERE rollout = ${rollout}
    ORDER BY metric, stage, variant, rollout_evidence.segment`,
  );
  return rows;
}

/** The last look at a rollout; null: none was. */
export async function rolloutLook<Rule, Judgement>(
  on: Queryable,
  rollout: string,
): Promise<RolloutLook<Rule, Judgement> | null> {
  const { rows } = await runSql<RolloutLook<Rule, Judgement>>(
    on,
    sqlText`SELECT rule, judgement, looked_at AS "lookedAtUs" FROM ${CATALOG}.rollout_look WHERE rollout = ${rollout}`,
  );
  return rows[0] ?? null;
}

/** Notes what was seen of a rollout. The span only grows: a watch that begins again sees less at first. */
export async function noteSeen(
  on: Queryable,
  rollout: string,
  { firstDecidedUs, lastDecidedUs, decisions }: RolloutSeen,
): Promise<void> {
  await runSql(
    on,
    sqlText`
    INSERT INTO ${CATALOG}.rollout_seen AS s (rollout, first_decided_us, last_decided_us, decisions)
    VALUES (${rollout}, ${firstDecidedUs}, ${lastDecidedUs}, ${decisions})
    ON CONFLICT (rollout) DO UPDATE SET first_decided_us = least(s.first_decided_us, excluded.first_decided_us),
      last_decided_us = greatest(s.last_decided_us, excluded.last_decided_us), decisions = greatest(s.decisions, excluded.decisions),
      seen_at = clock_timestamp()`,
  );
}

/** What was seen of a rollout; null: nothing. */
export async function rolloutSeen(on: Queryable, rollout: string): Promise<RolloutSeen | null> {
  const { rows } = await runSql<RolloutSeen>(
    on,
    sqlText`SELECT first_decided_us AS "firstDecidedUs", last_decided_us AS "lastDecidedUs", decisions FROM ${CATALOG}.rollout_seen
    WHERE rollout = ${rollout}`,
  );
  return rows[0] ?? null;
}

/** Notes the guardrail that a rollout was returned by; the first one stands. */
export async function noteBreach(on: Queryable, rollout: string, breach: unknown, why: string): Promise<void> {
  await runSql(
    on,
    sqlText`INSERT INTO ${CATALOG}.rollout_breach (rollout, breach, why) VALUES (${rollout}, ${JSON.stringify(breach)}::jsonb, ${why})
    ON CONFLICT (rollout) DO NOTHING`,
  );
}

/** The guardrail that a rollout was returned by; null: by none. */
export async function rolloutBreach<Breach>(
  on: Queryable,
  rollout: string,
): Promise<{ readonly breach: Breach; readonly why: string } | null> {
  const { rows } = await runSql<{ breach: Breach; why: string }>(
    on,
    sqlText`SELECT breach, why FROM ${CATALOG}.rollout_breach WHERE rollout = ${rollout}`,
  );
  return rows[0] ?? null;
}
