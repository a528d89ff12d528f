import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { Queryable } from './queryable.ts';
import { CATALOG } from './schemas.ts';
import { WATERMARK_SQL } from './watermark-sql.ts';
import { postgresTypes } from './type-parsers.ts';

/** How far a live view is, as the catalog knows. */
export interface ViewProgress {
  readonly view: string;
  /** Records behind the topic's end as last seen; null for a view without a stream's offsets. */
  readonly lag: number | null;
  /** See `viewWatermark`: held back by partitions that lag. */
  readonly watermarkUs: number | null;
  /** Partitions of whose last 20 records more than half are invalid. */
  readonly mostlyInvalid: number;
  /** Of the engine that built what is served. */
  readonly semantics: number;
  /** When a stream last wrote how far it is; UTC epoch µs, null where none has. */
  readonly committedAtUs: number | null;
  /** Where records and rows of history went: those of the build and of the stream since. */
  readonly counts: LogCounts;
  /** Rows of expired entities that its stream has removed. */
  readonly expiredRows: number;
}

/**
 * The progress of every live view, or of one, in one statement. A reader is upgraded before the workers that migrate: what later migrations added is asked
 * for by its name in the row, and not there is null.
 */
export async function viewProgress(on: Queryable, view?: string): Promise<ViewProgress[]> {
  const { rows } = await on.query<{
    view: string;
    lag: number | null;
    watermark_us: number | null;
    mostly_invalid: number;
    semantics: number;
    committed_at: number | null;
    counts: Partial<LogCounts>;
    partition_counts: Partial<LogCounts>[];
    expired_rows: number | null;
  }>({
    text: `
      SELECT v.view,
        (sum(o.end_offset - o.next_offset))::bigint AS lag,
        ${WATERMARK_SQL} AS watermark_us,
        count(*) FILTER (WHERE (to_jsonb(o)->>'mostly_invalid')::boolean)::int AS mostly_invalid,
        (v.layout->>'semantics')::int AS semantics,
        max(o.updated_at) AS committed_at,
        v.counts,
        coalesce(jsonb_agg(o.counts) FILTER (WHERE o.view IS NOT NULL), '[]') AS partition_counts,
        (SELECT (to_jsonb(w)->>'expired_rows')::bigint FROM ${CATALOG.text}.view_version w WHERE w.view = v.view AND w.status = 'live') AS expired_rows
      FROM ${CATALOG.text}.view_version v
      LEFT JOIN ${CATALOG.text}.stream_offset o ON o.view = v.view AND o.version = v.version
      WHERE v.status = 'live' AND v.view = coalesce($1, v.view)
      GROUP BY v.view, v.history_watermark_us, v.layout->>'semantics', v.counts
      ORDER BY v.view`,
    values: [view ?? null],
    types: postgresTypes,
  });
  return rows.map((row) => ({
    view: row.view,
    lag: row.lag,
    watermarkUs: row.watermark_us,
    mostlyInvalid: row.mostly_invalid,
    semantics: row.semantics,
    committedAtUs: row.committed_at,
    counts: sumOf([row.counts, ...row.partition_counts]),
    expiredRows: row.expired_rows ?? 0,
  }));
}

function sumOf(parts: readonly Partial<LogCounts>[]): LogCounts {
  const sum = emptyCounts();
  for (const part of parts) addCounts(sum, { ...emptyCounts(), ...part });
  return sum;
}
