import type { Queryable } from '../../engine/postgres/queryable.ts';
import { sqlState } from '../../engine/postgres/postgres-error.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';

/** Where a model's decisions are said, as its newest rollout has it. */
export interface ModelDecisions {
  readonly model: string;
  readonly decisions: string;
}

const MOST = 1_000;

/** Of models that were ever rolled out: of others nobody said where they decide. */
export async function modelDecisions(on: Queryable): Promise<readonly ModelDecisions[]> {
  try {
    const { rows } = await runSql<ModelDecisions>(
      on,
      sqlText`
      SELECT DISTINCT ON (model) model, asked ->> 'decisions' AS decisions FROM ${CATALOG}.rollout
      WHERE asked ->> 'decisions' IS NOT NULL ORDER BY model, started_at DESC LIMIT ${MOST}`,
    );
    return rows;
  } catch (error) {
    if (sqlState(error) === '42P01') return [];
    throw error;
  }
}
