import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';

const HOUR_MS = 3_600_000;
const HOUR_US = HOUR_MS * 1000;
/** Ten weeks: what an hour is compared with, and some. */
const KEPT_MS = 70 * 24 * HOUR_MS;

/** What a version of a view made of the records of one hour of event time, all of which its source had taken for valid and new. */
export interface HourCounts {
  /** UTC epoch ms. */
  readonly beginMs: number;
  /** Records that came to the view. */
  offered: number;
  /** Of these, which its `where` left out, … */
  filtered: number;
  /** … which belong to no entity, … */
  nullKey: number;
  /** … of which a row function failed, … */
  failed: number;
  /** … and which no window could see any more. */
  late: number;
}

/** The hours of one micro-batch. */
export class BatchHours {
  readonly #hours = new Map<number, HourCounts>();
  #last: HourCounts | null = null;

  /** Hot path. The counts of the hour that an event time, µs, lies in. */
  at(eventTimeUs: number): HourCounts {
    const beginMs = Math.floor(eventTimeUs / HOUR_US) * HOUR_MS;
    if (this.#last !== null && this.#last.beginMs === beginMs) return this.#last;
    let hour = this.#hours.get(beginMs);
    if (hour === undefined) {
      hour = { beginMs, offered: 0, filtered: 0, nullKey: 0, failed: 0, late: 0 };
      this.#hours.set(beginMs, hour);
    }
    this.#last = hour;
    return hour;
  }

  /** What was counted, in the order of time; begins anew. */
  take(): HourCounts[] {
    const hours = [...this.#hours.values()].sort((a, b) => a.beginMs - b.beginMs);
    this.#hours.clear();
    this.#last = null;
    return hours;
  }
}

/** Adds what a commit counted, in its transaction: so each record counts once, as it is applied once. */
export async function addViewHours(
  client: Queryable,
  view: string,
  version: number,
  hours: readonly HourCounts[],
): Promise<void> {
  if (hours.length === 0) return;
  const column = (name: keyof HourCounts): number[] => hours.map((hour) => hour[name]);
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.view_hour AS h (view, version, begin_ms, offered, filtered, null_key, failed, late)
    SELECT ${view}, ${version}, * FROM unnest(${column('beginMs')}::bigint[], ${column('offered')}::bigint[], ${column('filtered')}::bigint[],
      ${column('nullKey')}::bigint[], ${column('failed')}::bigint[], ${column('late')}::bigint[])
    ON CONFLICT (view, version, begin_ms) DO UPDATE SET offered = h.offered + excluded.offered, filtered = h.filtered + excluded.filtered,
      null_key = h.null_key + excluded.null_key, failed = h.failed + excluded.failed, late = h.late + excluded.late`,
  );
}

/** Removes the hours of each view that lie more than ten weeks before its newest. */
export async function forgetViewHours(on: Queryable): Promise<void> {
  await runSql(
    on,
    sqlText`
    DELETE FROM ${CATALOG}.view_hour h USING (SELECT view, max(begin_ms) AS newest_ms FROM ${CATALOG}.view_hour GROUP BY view) n
    WHERE h.view = n.view AND h.begin_ms < n.newest_ms - ${KEPT_MS}`,
  );
}

/** An hour of a version of a view, and the share of its records that `where` kept. */
export interface ViewHour extends Readonly<HourCounts> {
  readonly version: number;
  /** Of `offered`. */
  readonly keptShare: number;
}

/**
 * What versions of a view made of the records of each hour since they stream, in the order of time, then of versions. Counted exactly once, with the commits that
 * applied them; what a version was built from is not in it.
 *
 * @example
 * await viewHours(pool, { view: 'route_delays', fromMs, untilMs }); // [{ version: 3, beginMs: 991357200000, offered: 812, filtered: 9, keptShare: 0.989, … }]
 */
export async function viewHours(
  on: Queryable,
  { view, fromMs, untilMs }: { readonly view: string; readonly fromMs: number; readonly untilMs: number },
): Promise<ViewHour[]> {
  const { rows } = await runSql<Omit<ViewHour, 'keptShare'>>(
    on,
    sqlText`
    SELECT version, begin_ms AS "beginMs", offered, filtered, null_key AS "nullKey", failed, late
    FROM ${CATALOG}.view_hour WHERE view = ${view} AND begin_ms >= ${fromMs} AND begin_ms < ${untilMs} ORDER BY begin_ms, version`,
  );
  return rows.map((row) => ({ ...row, keptShare: (row.offered - row.filtered) / row.offered }));
}
