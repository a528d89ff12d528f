import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { openAlertCounts } from './alert-store.ts';
import { readSilences } from './silence.ts';

/** What a scrape tells of alerts. */
export interface AlertFigures {
  readonly open: Awaited<ReturnType<typeof openAlertCounts>>;
  /** Since the evaluation moved on, by the wall; null where it was never started. */
  readonly evaluatedAgeS: number | null;
}

/** @param wallMs by which silences count, UTC epoch ms */
export async function alertFigures(on: Queryable, wallMs: number): Promise<AlertFigures[]> {
  const { rows } = await runSql<{ age: number | null }>(
    on,
    sqlText`
    SELECT extract(epoch FROM clock_timestamp() - max(updated_at))::double precision AS age FROM ${CATALOG}.monitor_progress WHERE grain = 'hour'`,
  );
  const open = await openAlertCounts(on, await readSilences(on, wallMs), wallMs);
  return [{ open, evaluatedAgeS: rows[0]?.age ?? null }];
}
