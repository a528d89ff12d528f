import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { MonitorPart } from './gather-records.ts';

/** Adds what some records told, to be folded into its buckets: in the transaction that counts those records. */
export async function insertMonitorParts(on: Queryable, source: string, parts: readonly MonitorPart[]): Promise<void> {
  for (const { grain, beginMs, newestMs, state } of parts)
    await runSql(
      on,
      sqlText`
      INSERT INTO ${CATALOG}.monitor_part (source, grain, begin_ms, newest_ms, state)
      VALUES (${source}, ${grain}, ${beginMs}, ${newestMs}, ${Buffer.from(state)})`,
    );
}
