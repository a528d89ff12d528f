import { archiveStatus } from '../engine/archive/archive-status.ts';
import { compactArchive } from '../engine/archive/compact-archive.ts';
import { rollCommits } from '../engine/archive/roll-commits.ts';
import { catalog, run } from '../engine/postgres/catalog.ts';
import type { ArchiveTended } from '../workflows/archive-source/contract.ts';
import { type ActivityDeps, sourceNamed, topicReaderFor } from './activity-deps.ts';
import { type Pulse, STILL_FOR_MS, withPulse } from './heartbeat.ts';

/** What a page and a history have room for; `millrace log` tells all. */
const RANGES_KEPT = 20;

/** Merges small files, rolls old commit records of the source's views to Parquet, and says what there is. Safe to repeat. */
export async function tendArchive(deps: ActivityDeps, input: { readonly source: string }): Promise<ArchiveTended> {
  const source = sourceNamed(deps, input.source);
  const { pool, archiveDir, clock } = deps;
  return await withPulse({ stillForMs: STILL_FOR_MS }, async (pulse) => {
    pulse.report({ phase: 'merging small files' });
    const { merged } = await compactArchive({ source: source.name, pool, archiveDir, clock, signal: pulse.signal });
    const rolledCommits = await rollAll(deps, source.name, pulse);
    pulse.report({ phase: 'looking' });
    const { partitions } = await archiveStatus({ pool, source, reader: topicReaderFor(deps, source) });
    return {
      mergedFiles: merged,
      rolledCommits,
      partitions: partitions.map(({ partition, ranges, rows, files, holes, lag }) => ({
        partition,
        ranges: ranges
          .slice(-RANGES_KEPT)
          .map(({ fromOffset, untilOffset }) => ({ from: fromOffset, until: untilOffset })),
        rows,
        files,
        holes: holes
          .slice(-RANGES_KEPT)
          .map(({ fromOffset, untilOffset, reason }) => ({ from: fromOffset, until: untilOffset, reason })),
        lag,
      })),
    };
  });
}

async function rollAll({ pool, archiveDir }: ActivityDeps, source: string, pulse: Pulse): Promise<number> {
  const versions = await run(
    pool,
    catalog
      .selectFrom('millrace_catalog.view_version')
      .select(['view', 'version'])
      .where('source', '=', source)
      // What was ever read: also of versions whose states are gone long ago.
      .where('published_at', 'is not', null)
      .orderBy('view')
      .orderBy('version'),
  );
  let rolled = 0;
  for (const { view, version } of versions) {
    pulse.signal.throwIfAborted();
    pulse.report({ phase: `rolling commits of ${view} v${version}` });
    rolled += await rollCommits({ pool, archiveDir, view, version });
  }
  return rolled;
}
