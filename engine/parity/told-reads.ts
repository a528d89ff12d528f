import type { CommitTimeline } from '../archive/commit-timeline.ts';
import { LOST_COMMIT } from '../postgres/parity-audits.ts';
import type { AuditedRead } from './audited-entity.ts';
import type { StoredRow } from './live-snapshot.ts';
import { type Skipped, skip } from './served-sample.ts';

/**
 * Of an entity's reads, those whose commits this database has, and tells apart; the others are counted. A row that its entity still has was not changed since,
 * so that a read of it is one of the commit that its own was merged into.
 *
 * @param lastSeq the newest commit of the replay
 */
export function toldReads(
  reads: readonly AuditedRead[],
  commits: CommitTimeline,
  lastSeq: number,
  present: Pick<StoredRow, 'seq' | 'commitId'> | null,
  skipped: Skipped,
): AuditedRead[] {
  return reads.flatMap((read) => {
    const { commitId } = read.served;
    const fate = read.seq !== null && read.seq > lastSeq ? 'lost' : commits.fateOf(read.seq, commitId);
    if (fate === 'kept') return [read];
    const isPresent = fate === 'merged' && read.seq === present?.seq;
    if (isPresent && (commitId === null || present.commitId === null || commitId === present.commitId))
      return [{ ...read, seq: commits.mergedInto(read.seq ?? 0) }];
    if (fate === 'lost' || isPresent) skip(skipped, LOST_COMMIT);
    else skip(skipped, 'commits-merged');
    return [];
  });
}
