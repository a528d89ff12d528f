import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';

/** What is kept of one kind for a version of a view, and what a bound has made go. */
export interface KeptSize {
  readonly kind: 'commits' | 'dead-letters';
  readonly view: string;
  readonly version: number;
  readonly rows: number;
  /** As `kept_size` counts them: what was written, before Postgres compresses it. */
  readonly bytes: number;
  readonly droppedRows: number;
  readonly droppedBytes: number;
  /** UTC epoch µs; null where nothing was dropped. */
  readonly firstDroppedAtUs: number | null;
}

/** Of every version of a view, or of all views. */
export async function keptSizes(on: Queryable, view?: string): Promise<KeptSize[]> {
  const all = catalog.selectFrom('kept_size').selectAll().orderBy('view').orderBy('version');
  const rows = await run(on, view === undefined ? all : all.where('view', '=', view));
  return rows.map((row) => ({
    kind: row.kind,
    view: row.view,
    version: row.version,
    rows: row.rows,
    bytes: row.bytes,
    droppedRows: row.dropped_rows,
    droppedBytes: row.dropped_bytes,
    firstDroppedAtUs: row.first_dropped_at,
  }));
}
