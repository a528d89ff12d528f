import type { RolloutMode, RolloutVariant } from '../evidence/rollout-variants.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';

/** Of an open one units are assigned; the others have ended, and everybody has the champion. */
export type RolloutPhase = 'open' | RolloutEnd;

/** The candidate became the champion; a guardrail, or somebody, returned everyone; it was given up. */
export type RolloutEnd = 'promoted' | 'returned' | 'stopped';

/** The state of a rollout: the truth about it. */
export interface Rollout {
  readonly id: string;
  readonly model: string;
  /** From 1; each change of the state is another one. */
  readonly revision: number;
  readonly salt: string;
  readonly mode: RolloutMode;
  readonly phase: RolloutPhase;
  /** From 0. */
  readonly stage: number;
  /** The candidate decides beside `against`, and nothing is done of it. */
  readonly shadow: boolean;
  /** In the order of their intervals; `against` is the last. */
  readonly variants: readonly RolloutVariant[];
  /** What it was started with. */
  readonly asked: Readonly<Record<string, unknown>>;
  /** UTC epoch µs, by the database's clock. */
  readonly leaseUntilUs: number;
  /** What of the lease was left when the row was read, in ms: without the reader's clock. Not above 0: it has lapsed. */
  readonly leaseLeftMs: number;
  /** UTC epoch µs, as the following. */
  readonly startedAtUs: number;
  readonly movedAtUs: number;
  readonly endedAtUs: number | null;
}

/** A state that a rollout had, who brought it and why. */
export interface RolloutRevision extends Pick<Rollout, 'revision' | 'phase' | 'stage' | 'shadow' | 'variants'> {
  readonly rollout: string;
  readonly actor: string;
  readonly why: string;
  /** Since when, UTC epoch µs. */
  readonly atUs: number;
}

const COLUMNS = sqlText`id, model, revision, salt, mode, phase, stage, shadow, variants, asked, lease_until AS "leaseUntilUs",
  (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::float8 AS "leaseLeftMs", started_at AS "startedAtUs", moved_at AS "movedAtUs",
  ended_at AS "endedAtUs"`;

/** The open rollout of a model; null where there is none. */
export async function rolloutOf(on: Queryable, model: string): Promise<Rollout | null> {
  const { rows } = await runSql<Rollout>(
    on,
    sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.rollout WHERE model = ${model} AND phase = 'open'`,
  );
  return rows[0] ?? null;
}

/** The open rollouts of all models, by name. */
export async function openRollouts(on: Queryable): Promise<Rollout[]> {
  const { rows } = await runSql<Rollout>(
    on,
    sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.rollout WHERE phase = 'open' ORDER BY model`,
  );
  return rows;
}

/** A rollout, open or not; null where there is none. */
export async function rolloutById(on: Queryable, id: string): Promise<Rollout | null> {
  const { rows } = await runSql<Rollout>(on, sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.rollout WHERE id = ${id}`);
  return rows[0] ?? null;
}

/** As `rolloutById`, and nobody else changes it until the transaction ends. */
export async function lockRollout(client: Queryable, id: string): Promise<Rollout | null> {
  const { rows } = await runSql<Rollout>(
    client,
    sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.rollout WHERE id = ${id} FOR UPDATE`,
  );
  return rows[0] ?? null;
}

/** The rollouts of a model, or of all, newest first; all of them, or `limit`. */
export async function rollouts(on: Queryable, model?: string, limit?: number): Promise<Rollout[]> {
  const { rows } = await runSql<Rollout>(
    on,
    sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.rollout
    ${model === undefined ? sqlText`` : sqlText`WHERE model = ${model}`} ORDER BY started_at DESC, id LIMIT ${limit ?? null}::bigint`,
  );
  return rows;
}

/** The states a rollout had, in order. */
export async function rolloutRevisions(on: Queryable, id: string): Promise<RolloutRevision[]> {
  const { rows } = await runSql<RolloutRevision>(
    on,
    sqlText`SELECT rollout, revision, phase, stage, shadow, variants, actor, why, at AS "atUs" FROM ${CATALOG}.rollout_revision
    WHERE rollout = ${id} ORDER BY revision`,
  );
  return rows;
}

/** Adds the row of a rollout, open, at revision 1. */
export async function insertRollout(
  client: Queryable,
  {
    id,
    model,
    salt,
    mode,
    stage,
    shadow,
    variants,
    asked,
  }: Pick<Rollout, 'id' | 'model' | 'salt' | 'mode' | 'stage' | 'shadow' | 'variants' | 'asked'>,
  leaseMs: number,
): Promise<Rollout> {
  const { rows } = await runSql<Rollout>(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.rollout (id, model, revision, salt, mode, stage, shadow, variants, asked, lease_until)
    VALUES (${id}, ${model}, 1, ${salt}, ${mode}, ${stage}, ${shadow}, ${JSON.stringify(variants)}::jsonb, ${JSON.stringify(asked)}::jsonb,
      clock_timestamp() + ${leaseMs} * interval '1 ms')
    RETURNING ${COLUMNS}`,
  );
  return rows[0]!;
}

/** Gives a rollout its next state; in the transaction that locked it. */
export async function updateRollout(
  client: Queryable,
  { id, phase, stage, shadow, variants }: Pick<Rollout, 'id' | 'phase' | 'stage' | 'shadow' | 'variants'>,
  leaseMs: number,
): Promise<Rollout> {
  const { rows } = await runSql<Rollout>(
    client,
    sqlText`
    UPDATE ${CATALOG}.rollout SET revision = revision + 1, phase = ${phase}, stage = ${stage}, shadow = ${shadow},
      variants = ${JSON.stringify(variants)}::jsonb, moved_at = clock_timestamp(), lease_until = clock_timestamp() + ${leaseMs} * interval '1 ms',
      ended_at = CASE WHEN ${phase}::text = 'open' THEN NULL ELSE clock_timestamp() END
    WHERE id = ${id} RETURNING ${COLUMNS}`,
  );
  return rows[0]!;
}

/** Notes the state a rollout has now; in the transaction that gave it. */
export async function insertRolloutRevision(
  client: Queryable,
  { id, revision, phase, stage, shadow, variants }: Rollout,
  { actor, why }: Pick<RolloutRevision, 'actor' | 'why'>,
): Promise<void> {
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.rollout_revision (rollout, revision, phase, stage, shadow, variants, actor, why, at)
    SELECT ${id}, ${revision}, ${phase}, ${stage}, ${shadow}, ${JSON.stringify(variants)}::jsonb, ${actor}, ${why}, moved_at
    FROM ${CATALOG}.rollout WHERE id = ${id}`,
  );
}

/**
 * Says that an open rollout is watched for so long from now; false where it is not open. Whoever judges its evidence does it each time: without it nobody
 * would return units of a candidate that went wrong.
 */
export async function renewLease(on: Queryable, id: string, leaseMs: number): Promise<boolean> {
  const { rowCount } = await runSql(
    on,
    sqlText`UPDATE ${CATALOG}.rollout SET lease_until = clock_timestamp() + ${leaseMs} * interval '1 ms' WHERE id = ${id} AND phase = 'open'`,
  );
  return rowCount === 1;
}
