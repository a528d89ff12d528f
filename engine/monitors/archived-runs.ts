import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';

/** Archived offsets without a hole. */
export interface ArchivedRun {
  readonly partition: number;
  readonly fromOffset: number;
  /** Exclusive. */
  untilOffset: number;
}

/** What is archived of a source, and which of its parts are not folded yet, at one instant. */
export interface ArchivedNow {
  /** Per partition ascending. */
  readonly runs: readonly ArchivedRun[];
  readonly records: number;
  readonly files: number;
  readonly partIds: readonly number[];
}

/** Reads both in the transaction's snapshot, which has to be one for all its statements. */
export async function archivedNow(on: Queryable, source: string, topic: string): Promise<ArchivedNow> {
  const ranges = await runSql<{
    partition: number;
    from_offset: number;
    until_offset: number;
    rows: number;
    file_id: number;
  }>(
    on,
    sqlText`
    SELECT partition, from_offset, until_offset, rows, file_id FROM ${CATALOG}.archive_range
    WHERE source = ${source} AND topic = ${topic} ORDER BY partition, from_offset`,
  );
  const runs: ArchivedRun[] = [];
  for (const { partition, from_offset, until_offset } of ranges.rows) {
    const last = runs.at(-1);
    if (last?.partition === partition && last.untilOffset === from_offset) last.untilOffset = until_offset;
    else runs.push({ partition, fromOffset: from_offset, untilOffset: until_offset });
  }
  const parts = await runSql<{ id: number }>(
    on,
    sqlText`SELECT id FROM ${CATALOG}.monitor_part WHERE source = ${source} ORDER BY id`,
  );
  return {
    runs,
    records: ranges.rows.reduce((sum, { rows }) => sum + rows, 0),
    files: new Set(ranges.rows.map(({ file_id }) => file_id)).size,
    partIds: parts.rows.map(({ id }) => id),
  };
}
