import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { type CommitRow, type CommitTimeline, TimelineBuilder } from './commit-timeline.ts';

const PAGE_COMMITS = 50_000;

/**
 * The commits of a version, from the catalog and from where older ones were rolled to, as of one instant: none is missed and none counted
 * twice, whatever rolls meanwhile.
 *
 * @throws MillraceError `commits-missing`, `archive-file-missing`, `archive-file-damaged`.
 * @example
 * const commits = await loadCommitTimeline({ pool, archiveDir, version: await liveVersion(pool, 'route_delays') });
 */
export async function loadCommitTimeline(options: {
  readonly pool: pg.Pool;
  /** The archive's folder; null where there is none, and then nothing was rolled. */
  readonly archiveDir: string | null;
  readonly version: ViewVersion;
}): Promise<CommitTimeline> {
  const { pool, version } = options;
  const builder = new TimelineBuilder(version, version.fingerprint);
  await withTransaction(
    pool,
    async (client) => {
      let after = 0;
      const lastSeq = await newestSeq(client, version);
      while (after < lastSeq) {
        const { rows } = await runSql<CommitRowRow>(
          client,
          sqlText`
          SELECT seq, partition, from_offset, until_offset, (extract(epoch FROM committed_at) * 1000000)::bigint AS committed_at_us, fingerprint
          FROM millrace_catalog.commit_record
          WHERE view = ${version.view} AND version = ${version.version} AND seq > ${after} AND seq <= ${after + PAGE_COMMITS}
          ORDER BY seq, partition`,
        );
        for (const row of rows) builder.add(fromRow(row));
        after += PAGE_COMMITS;
      }
      builder.expectLast(lastSeq);
    },
    { isolation: 'repeatable read' },
  );
  return builder.build();
}

/** In the snapshot at hand, so that it is the newest commit there. */
async function newestSeq(client: pg.PoolClient, { view, version }: ViewVersion): Promise<number> {
  const { rows } = await runSql<{ seq: number }>(
    client,
    sqlText`SELECT seq FROM millrace_catalog.view_version WHERE view = ${view} AND version = ${version}`,
  );
  return rows[0]?.seq ?? 0;
}

interface CommitRowRow {
  readonly seq: number;
  readonly partition: number;
  readonly from_offset: number;
  readonly until_offset: number;
  readonly committed_at_us: number;
  readonly fingerprint: string | null;
}

function fromRow(row: CommitRowRow): CommitRow {
  return {
    seq: row.seq,
    partition: row.partition,
    fromOffset: row.from_offset,
    untilOffset: row.until_offset,
    committedAtUs: row.committed_at_us,
    fingerprint: row.fingerprint,
  };
}
