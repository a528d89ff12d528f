import type { CommitTimeline } from '../archive/commit-timeline.ts';
import { loadCommitTimeline } from '../archive/load-commit-timeline.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import type { MillraceErrorCode } from '../errors/error-codes.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { type ViewVersion, versions } from '../postgres/view-versions.ts';
import type { ReadContext } from './reading.ts';
import { poolOf } from './served-plan.ts';

/** Rows whose read was of a commit that the catalog has no more, and rows of which that cannot be told. */
export interface LostReads {
  readonly rowsLostCommit: number;
  readonly rowsCommitUnknown: number;
}

/** Why a version's commits may not be at hand; what was logged is exported all the same. */
const UNTOLD: ReadonlySet<string> = new Set<MillraceErrorCode>([
  'archive-not-configured',
  'archive-file-missing',
  'archive-file-damaged',
  'commits-missing',
]);

/**
 * Counts the rows that got what a commit gave which was lost since, by a failover or a restored backup. What they were served is in the log, and theirs; no
 * replay gives it any more.
 *
 * @param matches Table of rows and the numbers of their reads.
 * @param metaTable As `StagedReads` has it.
 */
export async function countLostReads(
  context: ReadContext,
  view: CompiledView,
  { matches, metaTable }: { readonly matches: string; readonly metaTable: string },
): Promise<LostReads> {
  const { duckdb, signal } = context;
  const known = new Map((await versions(poolOf(context), view.name)).map((version) => [version.version, version]));
  const timelines = new Map<number, CommitTimeline | null>();
  let rowsLostCommit = 0;
  let rowsCommitUnknown = 0;
  const commits = duckdb.chunks(
    `SELECT m.version, m.fingerprint, m.seq, m.commit_id, count(*) AS n FROM ${matches} JOIN ${metaTable} m USING (number) GROUP BY ALL`,
    [],
    signal,
  );
  for await (const chunk of commits) {
    for (const [version, fingerprint, seq, commitId, n] of chunk.getRows() as [
      number,
      string,
      bigint | null,
      bigint | null,
      bigint,
    ][]) {
      const stored = known.get(version);
      if (stored === undefined || stored.fingerprint !== fingerprint) {
        rowsLostCommit += Number(n);
        continue;
      }
      if (!timelines.has(version)) timelines.set(version, await timelineOf(context, stored));
      const fate = timelines.get(version)?.fateOf(seq === null ? null : Number(seq), commitId) ?? 'merged';
      if (fate === 'lost') rowsLostCommit += Number(n);
      if (fate === 'merged') rowsCommitUnknown += Number(n);
    }
  }
  return { rowsLostCommit, rowsCommitUnknown };
}

async function timelineOf(context: ReadContext, version: ViewVersion): Promise<CommitTimeline | null> {
  try {
    return await loadCommitTimeline({
      pool: poolOf(context),
      archiveDir: context.options.archiveDir ?? null,
      version,
    });
  } catch (error) {
    if (isMillraceError(error) && UNTOLD.has(error.code)) return null;
    throw error;
  }
}
