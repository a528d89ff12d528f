import { Context } from '@temporalio/activity';
import { archiveStatus, type PartitionArchive } from '../engine/archive/archive-status.ts';
import { compactArchive } from '../engine/archive/compact-archive.ts';
import { rollCommits } from '../engine/archive/roll-commits.ts';
import { foldSourceMonitors } from '../engine/archive/source-monitor.ts';
import { SERVED_SOURCE } from '../engine/served/served-source.ts';
import { catalog, run } from '../engine/postgres/catalog.ts';
import type { ArchiveSums, ArchiveTended } from '../workflows/archive-source/contract.ts';
import { worstPartitions } from '../workflows/archive-source/worst-partitions.ts';
import { type ActivityDeps, topicReaderFor } from './activity-deps.ts';
import { watchServed } from './watch-served.ts';
import { sourceNamed } from './source-named.ts';
import { type Pulse, STILL_FOR_MS, withPulse } from './heartbeat.ts';

/** Of one partition, what a page and a history have room for; `millrace log` tells all. */
const RANGES_KEPT = 20;

/** Merges small files, folds monitors, rolls old commit records of the source's views to Parquet, and says what there is. Safe to repeat. */
export async function tendArchive(deps: ActivityDeps, input: { readonly source: string }): Promise<ArchiveTended> {
  const source = await sourceNamed(deps, input.source);
  const { pool, archiveDir, clock, memory } = deps;
  return await withPulse({ stillForMs: STILL_FOR_MS }, async (pulse) => {
    pulse.report({ phase: 'merging small files' });
    const { signal } = pulse;
    const { merged } = await compactArchive({ source: source.name, pool, archiveDir, clock, memory, signal });
    pulse.report({ phase: 'folding monitors' });
    await foldSourceMonitors(pool, source, signal);
    if (source.name === SERVED_SOURCE) await lookAtServed(deps, signal);
    const rolledCommits = await rollAll(deps, source.name, pulse);
    pulse.report({ phase: 'looking' });
    const { partitions } = await archiveStatus({ pool, source, reader: topicReaderFor(deps, source) });
    const worst = new Set(worstPartitions(partitions.map(ranked)).map(({ partition }) => partition));
    return {
      mergedFiles: merged,
      rolledCommits,
      sums: sumsOf(partitions),
      partitions: partitions
        .filter(({ partition }) => worst.has(partition))
        .map(({ partition, ranges, rows, files, holes, lag }) => ({
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

/** What hinders it does not hinder the archive: the hours are looked at the next time. */
async function lookAtServed(deps: ActivityDeps, signal: AbortSignal): Promise<void> {
  try {
    await watchServed(deps, signal);
  } catch (error) {
    signal.throwIfAborted();
    Context.current().log.warn('what was served was not looked at', { error: String(error) });
  }
}

function ranked({ partition, lag, holes }: PartitionArchive) {
  return {
    partition,
    lag,
    holes: holes.map(({ fromOffset, untilOffset }) => ({ from: fromOffset, until: untilOffset })),
  };
}

function sumsOf(partitions: readonly PartitionArchive[]): ArchiveSums {
  const holes = partitions.flatMap((partition) => partition.holes);
  return {
    partitions: partitions.length,
    rows: partitions.reduce((sum, { rows }) => sum + rows, 0),
    lag: partitions.reduce((sum, { lag }) => sum + lag, 0),
    behind: partitions.filter(({ lag }) => lag > 0).length,
    holes: holes.length,
    lost: holes.reduce((sum, { fromOffset, untilOffset }) => sum + untilOffset - fromOffset, 0),
  };
}

async function rollAll({ pool, archiveDir }: ActivityDeps, source: string, pulse: Pulse): Promise<number> {
  const versions = await run(
    pool,
    catalog
      .selectFrom('view_version')
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
