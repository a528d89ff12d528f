import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { Queryable } from '../postgres/queryable.ts';

/** How far a version is behind another of its view. */
export interface Behind {
  /** Records that the other has taken in and it has not. */
  readonly records: number;
  /** Since the other took in the first of them, in seconds; null: longer than is known. 0 where it lacks none. */
  readonly seconds: number | null;
}

/**
 * How far `version` is behind `of`. Where they read different topics, it is behind the end of its own, as last seen.
 *
 * @example
 * const { records } = await behind(pool, 'route_delays', { version: 2, of: 1 });
 */
export async function behind(
  on: Queryable,
  view: string,
  { version, of }: { readonly version: number; readonly of: number },
): Promise<Behind> {
  const { rows } = await runSql<{ records: number; seconds: number | null }>(
    on,
    sqlText`
    WITH own AS (SELECT topic, partition, next_offset, end_offset FROM ${CATALOG}.stream_offset WHERE view = ${view} AND version = ${version}),
    other AS (
      SELECT topic, partition, next_offset FROM ${CATALOG}.stream_offset
      WHERE view = ${view} AND version = ${of}
        AND topic = (SELECT topic FROM ${CATALOG}.view_version WHERE view = ${view} AND version = ${version})),
    both_of AS (
      SELECT topic, partition, coalesce(own.next_offset, 0) AS own_next, coalesce(other.next_offset, own.end_offset) AS other_next
      FROM own FULL JOIN other USING (topic, partition))
    SELECT
      coalesce(sum(greatest(other_next - own_next, 0)), 0)::bigint AS records,
      (SELECT extract(epoch FROM clock_timestamp() - min(c.committed_at))::float8
       FROM ${CATALOG}.commit_record c JOIN both_of b USING (topic, partition)
       WHERE c.view = ${view} AND c.version = ${of} AND b.other_next > b.own_next AND c.until_offset > b.own_next) AS seconds
    FROM both_of`,
  );
  const { records, seconds } = rows[0]!;
  return { records, seconds: records === 0 ? 0 : seconds };
}
