import { join } from 'node:path';
import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { commitsOf, openCommitDuckDb } from './commit-file.ts';
import type { CommitRow, CommitTimeline, MergedCommits } from './commit-timeline.ts';
import { TimelineBuilder } from './timeline-builder.ts';
import { verifyFile } from './verify-file.ts';

const PAGE_COMMITS = 50_000;

/**
 * The commits of a version, from the catalog and from where older ones were rolled to, as of one instant: none is missed and none counted
 * twice, whatever rolls meanwhile.
 *
 * @throws MillraceError `commits-missing`, `archive-file-missing`, `archive-file-damaged`, `archive-not-configured`.
 * @example
 * const commits = await loadCommitTimeline({ pool, archiveDir, version: await liveVersion(pool, 'route_delays') });
 */
export async function loadCommitTimeline(options: {
  readonly pool: pg.Pool;
  /** The archive's folder; null where there is none, and then nothing was rolled. */
  readonly archiveDir: string | null;
  readonly version: ViewVersion;
}): Promise<CommitTimeline> {
  const { pool, archiveDir, version } = options;
  return withTransaction(
    pool,
    async (client) => {
      const lastSeq = await newestSeq(client, version);
      const merged = await mergedCommits(client, version);
      const builder = new TimelineBuilder(version, version.fingerprint, merged);
      const files = await commitFiles(client, version);
      await addFiles(builder, files, archiveDir, version);
      // Of commits that were merged only the last has rows.
      const first = Math.max(files.at(-1)?.untilSeq ?? 1, merged.at(-1)?.lastSeq ?? 1);
      for (let after = first - 1; after < lastSeq; after += PAGE_COMMITS)
        for (const row of await commitRows(client, version, after)) builder.add(row);
      builder.expectLast(lastSeq);
      return builder.build();
    },
    { isolation: 'repeatable read' },
  );
}

async function mergedCommits(client: pg.PoolClient, { view, version }: ViewVersion): Promise<MergedCommits[]> {
  const { rows } = await runSql<{ from_seq: number; last_seq: number; began_at: number }>(
    client,
    sqlText`
    SELECT from_seq, last_seq, began_at FROM ${CATALOG}.commit_merge
    WHERE view = ${view} AND version = ${version} ORDER BY from_seq`,
  );
  return rows.map(({ from_seq, last_seq, began_at }) => ({
    fromSeq: from_seq,
    lastSeq: last_seq,
    beganAtUs: began_at,
  }));
}

interface CommitFile {
  readonly fromSeq: number;
  readonly untilSeq: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: Buffer;
}

async function commitFiles(client: pg.PoolClient, { view, version }: ViewVersion): Promise<CommitFile[]> {
  const { rows } = await runSql<{
    from_seq: number;
    until_seq: number;
    path: string;
    size_bytes: number;
    sha256: Buffer;
  }>(
    client,
    sqlText`
    SELECT from_seq, until_seq, path, size_bytes, sha256 FROM ${CATALOG}.commit_file
    WHERE view = ${view} AND version = ${version} ORDER BY from_seq`,
  );
  return rows.map(({ from_seq, until_seq, path, size_bytes, sha256 }) => ({
    fromSeq: from_seq,
    untilSeq: until_seq,
    path,
    sizeBytes: size_bytes,
    sha256,
  }));
}

async function addFiles(
  builder: TimelineBuilder,
  files: readonly CommitFile[],
  archiveDir: string | null,
  { view, version }: ViewVersion,
): Promise<void> {
  if (files.length === 0) return;
  if (archiveDir === null) {
    throw new MillraceError(
      'archive-not-configured',
      `commits of ${view}, version ${version} are in the archive, and no folder is set for it`,
      { remedy: 'Set MILLRACE_ARCHIVE_DIR to the folder that the archivers write to.', httpStatus: 500 },
    );
  }
  const duckdb = await openCommitDuckDb();
  try {
    for (const file of files) {
      const what = `commits ${file.fromSeq} to ${file.untilSeq - 1} of ${view}, version ${version}`;
      await verifyFile(archiveDir, file, {
        what,
        details: { view, version, fromSeq: file.fromSeq, untilSeq: file.untilSeq },
      });
      for await (const row of commitsOf(duckdb, join(archiveDir, file.path))) builder.add(row);
    }
  } finally {
    await duckdb.close();
  }
}

/** In the snapshot at hand, so that it is the newest commit there. */
async function newestSeq(client: pg.PoolClient, { view, version }: ViewVersion): Promise<number> {
  const { rows } = await runSql<{ seq: number }>(
    client,
    sqlText`SELECT seq FROM ${CATALOG}.view_version WHERE view = ${view} AND version = ${version}`,
  );
  return rows[0]?.seq ?? 0;
}

interface CommitRecordRow {
  readonly seq: number;
  readonly partition: number;
  readonly from_offset: number;
  readonly until_offset: number;
  readonly committed_at_us: number;
  readonly fingerprint: string | null;
  readonly commit_id: string | null;
}

async function commitRows(client: pg.PoolClient, { view, version }: ViewVersion, after: number): Promise<CommitRow[]> {
  const { rows } = await runSql<CommitRecordRow>(
    client,
    sqlText`
    SELECT seq, partition, from_offset, until_offset, fingerprint, commit_id::text AS commit_id, (extract(epoch FROM committed_at) * 1000000)::bigint AS committed_at_us
    FROM ${CATALOG}.commit_record
    WHERE view = ${view} AND version = ${version} AND seq > ${after} AND seq <= ${after + PAGE_COMMITS}
    ORDER BY seq, partition`,
  );
  return rows.map((row) => ({
    seq: row.seq,
    partition: row.partition,
    fromOffset: row.from_offset,
    untilOffset: row.until_offset,
    committedAtUs: row.committed_at_us,
    fingerprint: row.fingerprint,
    commitId: row.commit_id === null ? null : BigInt(row.commit_id),
  }));
}
