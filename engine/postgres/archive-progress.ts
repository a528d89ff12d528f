import type { Queryable } from './queryable.ts';
import { CATALOG } from './schemas.ts';
import { postgresTypes } from './type-parsers.ts';

/** How far the archive of a source is, as the catalog knows. */
export interface ArchiveProgress {
  readonly source: string;
  /** Records behind the topic's real end, as the archiver last saw it. */
  readonly lag: number;
  readonly holes: number;
  /** Offsets in them: what the topic deleted before it was archived. */
  readonly lost: number;
  /** When a file was last added, or a claim made; UTC epoch µs. One that does not run grows old, whatever its lag says. */
  readonly updatedAtUs: number;
}

/** The progress of every archive, in one statement. */
export async function archiveProgress(on: Queryable): Promise<ArchiveProgress[]> {
  const { rows } = await on.query<{ source: string; lag: number; holes: number; lost: number; updated_at: number }>({
    text: `
      SELECT o.source, sum(greatest(o.end_offset - o.next_offset, 0))::bigint AS lag, max(o.updated_at) AS updated_at,
        (SELECT count(*) FROM ${CATALOG.text}.archive_hole h WHERE h.source = o.source)::bigint AS holes,
        (SELECT coalesce(sum(h.until_offset - h.from_offset), 0) FROM ${CATALOG.text}.archive_hole h WHERE h.source = o.source)::bigint AS lost
      FROM ${CATALOG.text}.archive_offset o GROUP BY o.source ORDER BY o.source`,
    types: postgresTypes,
  });
  return rows.map(({ source, lag, holes, lost, updated_at }) => ({
    source,
    lag,
    holes,
    lost,
    updatedAtUs: updated_at,
  }));
}
