import type { InstallationNames } from '../engine/installation/installation-names.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { catalog, run } from '../engine/postgres/catalog.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { versions } from '../engine/postgres/view-versions.ts';
import { isoMicros } from './output.ts';

/** What one micro-batch applied of one partition. */
export interface ListedCommit {
  readonly version: number;
  readonly seq: number;
  readonly partition: number;
  readonly fromOffset: number;
  /** Exclusive. */
  readonly untilOffset: number;
  /** ISO UTC, like the next. */
  readonly watermark: string | null;
  readonly committedAt: string;
}

/** A view's newest commits, newest first, of all its versions. Older ones are in the archive. Throws `unknown-view`. */
export async function newestCommits(
  databaseUrl: string,
  installation: InstallationNames,
  view: string,
  limit: number,
): Promise<ListedCommit[]> {
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-log', installation });
  try {
    const rows = await run(
      pool,
      catalog
        .selectFrom('commit_record')
        .select(['version', 'seq', 'partition', 'from_offset', 'until_offset', 'watermark_us', 'committed_at'])
        .where('view', '=', view)
        .orderBy('version', 'desc')
        .orderBy('seq', 'desc')
        .orderBy('partition')
        .limit(limit),
    );
    // A misspelt view has none, either.
    if (rows.length === 0 && (await versions(pool, view)).length === 0) {
      throw new MillraceError('unknown-view', `no version of a view "${view}" was ever built`, {
        remedy: `Correct the name ("millrace plan" lists the views), or start it: millrace start ${view}`,
        httpStatus: 404,
      });
    }
    return rows.map((row) => ({
      version: row.version,
      seq: row.seq,
      partition: row.partition,
      fromOffset: row.from_offset,
      untilOffset: row.until_offset,
      watermark: row.watermark_us === null ? null : isoMicros(row.watermark_us),
      committedAt: isoMicros(row.committed_at),
    }));
  } finally {
    await pool.end();
  }
}
