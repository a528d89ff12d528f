import type { Queryable } from '../../engine/postgres/queryable.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';

/** What a stream committed in a part of the time that is looked at. */
export interface ActivityBucket {
  readonly us: number;
  readonly records: number;
  /** How far the newest event time was behind when it was committed, on average; null where nothing was. */
  readonly behindUs: number | null;
}

/** What the newest commits of a version tell of the last hours. */
export interface ViewActivity {
  readonly buckets: readonly ActivityBucket[];
  /** Commits that were looked at: at most `MOST_COMMITS`, the newest. */
  readonly commits: number;
}

const BUCKETS = 60;
const LONGEST_US = 86_400_000_000;
/** By the primary key, newest first: however many there are. */
export const MOST_COMMITS = 5_000;

/** The newest commits of a version in 60 equal parts of the time they took, one day at most. */
export async function viewActivity(on: Queryable, view: string, version: number, nowUs: number): Promise<ViewActivity> {
  const { rows } = await runSql<{ at: number; records: number; watermark: number | null }>(
    on,
    sqlText`
    SELECT committed_at AS at, (until_offset - from_offset)::bigint AS records, watermark_us AS watermark
    FROM ${CATALOG}.commit_record WHERE view = ${view} AND version = ${version} ORDER BY seq DESC LIMIT ${MOST_COMMITS}`,
  );
  const recent = rows.filter(({ at }) => at > nowUs - LONGEST_US);
  const [newest, oldest] = [recent[0], recent.at(-1)];
  if (newest === undefined || oldest === undefined) return { buckets: [], commits: 0 };
  const width = Math.max(1, Math.ceil((newest.at - oldest.at + 1) / BUCKETS));
  const sums = Array.from({ length: BUCKETS }, () => ({ records: 0, behind: 0, commits: 0 }));
  for (const { at, records, watermark } of recent) {
    const sum = sums[Math.floor((at - oldest.at) / width)]!;
    sum.records += records;
    if (watermark === null) continue;
    sum.behind += Math.max(0, at - watermark);
    sum.commits += 1;
  }
  const buckets = sums.map(({ records, behind, commits }, index) => ({
    us: oldest.at + index * width,
    records,
    behindUs: commits === 0 ? null : behind / commits,
  }));
  return { buckets, commits: recent.length };
}
