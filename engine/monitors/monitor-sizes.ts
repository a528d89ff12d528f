import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';

/** What the monitors of a source take, and may take. */
export interface MonitorSize {
  readonly source: string;
  readonly bytes: number;
  readonly budgetBytes: number;
  /** Sketches of its smallest segments had to go. */
  readonly hasDropped: boolean;
}

/** Of every source that is monitored, by name. */
export async function monitorSizes(on: Queryable): Promise<MonitorSize[]> {
  const { rows } = await runSql<{ source: string; bytes: number; budget_bytes: number; dropped: boolean }>(
    on,
    sqlText`
    SELECT source, bytes, budget_bytes, sketched IS NOT NULL AS dropped FROM ${CATALOG}.monitor_source ORDER BY source`,
  );
  return rows.map(({ source, bytes, budget_bytes, dropped }) => ({
    source,
    bytes,
    budgetBytes: budget_bytes,
    hasDropped: dropped,
  }));
}
