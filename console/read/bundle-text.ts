import type { Queryable } from '../../engine/postgres/queryable.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';

/** The text of a version's bundle, to be looked at and not to be run; null: none is kept. */
export async function bundleText(on: Queryable, fingerprint: string): Promise<string | null> {
  const { rows } = await runSql<{ bundle: Buffer }>(
    on,
    sqlText`SELECT bundle FROM ${CATALOG}.view_bundle WHERE fingerprint = ${fingerprint}`,
  );
  return rows[0]?.bundle.toString('utf8') ?? null;
}
