import type pg from 'pg';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { nextFence } from './archive-fixture.ts';

/** Where a user's archive is made. */
export interface ArchivedFolder {
  readonly features: string;
  readonly pool: pg.Pool;
  readonly archiveDir: string;
  readonly reader: LogReader;
}

/**
 * Archives sources to the present end of their topics by the engine alone. The workflow's first slice is a minute long, and its id is the source's:
 * two files of tests that run at once would share one.
 *
 * @returns records by source
 */
export async function archiveNow(
  { features, pool, archiveDir, reader }: ArchivedFolder,
  names: readonly string[],
): Promise<Record<string, number>> {
  const { sources } = await loadDefinitions(features);
  const records: Record<string, number> = {};
  for (const name of names) {
    const source = sources.get(name)!;
    const ended = await runArchive({
      source,
      reader,
      pool,
      archiveDir,
      fence: nextFence(),
      until: 'present-end',
      clock: systemClock,
    });
    records[name] = ended.records;
  }
  return records;
}
