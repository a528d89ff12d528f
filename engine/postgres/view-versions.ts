import { sql } from 'kysely';
import { internalBug } from '../errors/millrace-error.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import type { ObservedFields } from '../define/observed-fields.ts';
import type { ViewTags } from '../define/view-tags.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import { randomCommitId } from './commit-id.ts';
import { catalog, CLOCK, run, type StoredHistory, type VersionStatus } from './catalog.ts';
import type { Cut } from '../topic/cut.ts';
import { versionOf } from './live-version.ts';
import type { Queryable } from './queryable.ts';
import { stateTableName } from './state-table.ts';

/** One version of a view as the catalog knows it. */
export interface ViewVersion {
  readonly view: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly layout: ViewLayout;
  readonly layoutTag: number;
  /** Of the engine that built it; see `engine/define/semantics.ts`. */
  readonly semantics: number;
  readonly status: VersionStatus;
  /** Name of its table in the schema of states. */
  readonly stateTable: string;
  readonly source: string;
  readonly topic: string | null;
  readonly cut: Cut | null;
  readonly history: StoredHistory | null;
  /** Where the records of the backfill went; the stream's own counts stand with its offsets. */
  readonly counts: Partial<LogCounts>;
  readonly entities: number;
  readonly historyWatermarkUs: number | null;
  readonly seq: number;
  readonly builder: string | null;
  readonly createdAtUs: number;
  /** When its build ended; null of one that is being built, and where it was not noted. */
  readonly builtAtUs: number | null;
  /** When readers began to get it, the last time. */
  readonly publishedAtUs: number | null;
  /** When readers stopped getting it, the last time; null while they get it, or never did. */
  readonly endedAtUs: number | null;
  /** The times before that at which readers got it, epoch µs; see `servedTimes`. */
  readonly servedBefore: readonly (readonly [fromUs: number, untilUs: number])[];
  /** Until when it is kept for readers to be flipped back to it; null of one that is not. */
  readonly keptUntilUs: number | null;
  /** The form of its SQL view and function; of a published version. */
  readonly sqlSurface: number;
  /** Whose attempts may go on with it while it is built, or take it for built; null: nobody's. */
  readonly build: string | null;
  /** Of its backfill: a version that was lost, and another that got its number, have different ones. A decimal number; null before the database is migrated. */
  readonly commitId: string | null;
  /** Of its features and states; null where it was made before these were noted, or by definitions that have none. */
  readonly tags: ViewTags | null;
  /** Which fields its features were observed to read when it was begun; null where that was not noted. */
  readonly observedFields: ObservedFields | null;
  /** The version of whose states it was made; null: it was built from the log. */
  readonly madeFrom: number | null;
  /** Rows of expired entities that its stream has removed. */
  readonly expiredRows: number;
  /** Their newest events, and those of the ones that were missing from the start, lay before it, µs; null: every entity's row is there. */
  readonly expiredBeforeUs: number | null;
}

export interface NewVersion {
  readonly view: string;
  readonly fingerprint: string;
  readonly layout: ViewLayout;
  readonly layoutTag: number;
  readonly source: string;
  readonly topic: string | null;
  /** Who builds it, for people. */
  readonly builder: string;
  readonly build?: string | null | undefined;
  /** Default: a random one. */
  readonly commitId?: bigint | undefined;
  readonly tags?: ViewTags | undefined;
  readonly observedFields?: ObservedFields | null | undefined;
}

export interface BuiltVersion {
  readonly view: string;
  readonly version: number;
  readonly cut: Cut | null;
  readonly history: StoredHistory | null;
  readonly counts: LogCounts;
  readonly entities: number;
  readonly historyWatermarkUs: number | null;
  /** Default null: from the log. */
  readonly madeFrom?: number | null | undefined;
  /** See `ViewVersion`. Default null: every entity's row is there. */
  readonly expiredBeforeUs?: number | null | undefined;
}

const VERSIONS = 'view_version';

/** With the time that ends, of a version that is served once more. */
const SERVED_BEFORE = sql<string>`CASE WHEN published_at IS NULL OR ended_at IS NULL THEN served_before ELSE served_before || jsonb_build_array(jsonb_build_array(
  (extract(epoch FROM published_at) * 1000000)::bigint, (extract(epoch FROM ended_at) * 1000000)::bigint)) END`;

/**
 * Adds the next version of a view in status `building` and returns its number and state table. Inside a transaction it holds
 * the view's lock until the end, so that two builders get different numbers.
 */
export async function insertVersion(
  on: Queryable,
  version: NewVersion,
): Promise<{ version: number; stateTable: string }> {
  // One statement: it must be right on a pool too, where a lock of its own statement would be gone at once.
  for (;;) {
    const [next] = await run(
      on,
      catalog
        .selectFrom(VERSIONS)
        .select((eb) => sql<number>`coalesce(${eb.fn.max('version')}, 0) + 1`.as('version'))
        .where('view', '=', version.view),
    );
    if (next === undefined) throw internalBug('an aggregate without a row');
    const stateTable = stateTableName(version.view, next.version);
    const [inserted] = await run(
      on,
      catalog
        .insertInto(VERSIONS)
        .values({
          view: version.view,
          version: next.version,
          fingerprint: version.fingerprint,
          layout: JSON.stringify(version.layout),
          layout_tag: version.layoutTag,
          semantics: version.layout.semantics,
          status: 'building',
          state_table: stateTable,
          source: version.source,
          topic: version.topic,
          builder: version.builder,
          build: version.build ?? null,
          commit_id: String(version.commitId ?? randomCommitId()),
          tags: version.tags === undefined ? null : JSON.stringify(version.tags),
          observed_fields: version.observedFields == null ? null : JSON.stringify(version.observedFields),
        })
        .onConflict((conflict) => conflict.columns(['view', 'version']).doNothing())
        .returning('version'),
    );
    if (inserted !== undefined) return { version: inserted.version, stateTable };
  }
}

/** Notes which files a version is of. */
export async function noteHistory(on: Queryable, view: string, version: number, history: StoredHistory): Promise<void> {
  await run(
    on,
    catalog
      .updateTable(VERSIONS)
      .set({ history: JSON.stringify(history) })
      .where('view', '=', view)
      .where('version', '=', version),
  );
}

/** Records what a backfill found and turns `building` into `built`. Throws `internal-bug` when the version is not being built. */
export async function markBuilt(on: Queryable, built: BuiltVersion): Promise<void> {
  const rows = await run(
    on,
    catalog
      .updateTable(VERSIONS)
      .set({
        status: 'built',
        built_at: CLOCK,
        cut: built.cut === null ? null : JSON.stringify(built.cut),
        history: built.history === null ? null : JSON.stringify(built.history),
        counts: JSON.stringify(built.counts),
        entities: built.entities,
        history_watermark_us: built.historyWatermarkUs,
        made_from: built.madeFrom ?? null,
        expired_before_us: built.expiredBeforeUs ?? null,
      })
      .where('view', '=', built.view)
      .where('version', '=', built.version)
      .where('status', '=', 'building')
      .returning('version'),
  );
  if (rows.length !== 1) throw internalBug(`version ${built.version} of view "${built.view}" is not being built`);
}

/** Moves a version to `to` if its status is one of `from`; false when it is not. */
export async function setVersionStatus(
  on: Queryable,
  view: string,
  version: number,
  from: readonly VersionStatus[],
  to: VersionStatus,
): Promise<boolean> {
  const rows = await run(
    on,
    catalog
      .updateTable(VERSIONS)
      .set({
        status: to,
        kept_until: null,
        // The clock, not the transaction's begin: what was read before the flip was read from the version before.
        ...(to === 'live' ? { published_at: CLOCK, ended_at: null, served_before: SERVED_BEFORE } : {}),
        ...(to === 'superseded' || to === 'retired'
          ? { ended_at: sql<string>`CASE WHEN status = 'live' THEN clock_timestamp() ELSE ended_at END` }
          : {}),
      })
      .where('view', '=', view)
      .where('version', '=', version)
      .where('status', 'in', from)
      .returning('version'),
  );
  return rows.length === 1;
}

/** Keeps a version that readers do not get any more, for them to be flipped back to it; gives until when, epoch ms. */
export async function keepVersion(on: Queryable, view: string, version: number, keepMs: number): Promise<number> {
  const [row] = await run(
    on,
    catalog
      .updateTable(VERSIONS)
      .set({ kept_until: sql<string>`clock_timestamp() + ${keepMs} * interval '1 ms'` })
      .where('view', '=', view)
      .where('version', '=', version)
      .where('status', '=', 'superseded')
      .returning('kept_until'),
  );
  if (row?.kept_until == null) throw internalBug(`version ${version} of view "${view}" is not there to be kept`);
  return Math.floor(row.kept_until / 1000);
}

/** Notes which form of SQL view and function a version has now. */
export async function setSqlSurface(on: Queryable, view: string, version: number, form: number): Promise<void> {
  await run(
    on,
    catalog.updateTable(VERSIONS).set({ sql_surface: form }).where('view', '=', view).where('version', '=', version),
  );
}

/** The live version of every view, by name. */
export async function liveVersions(on: Queryable): Promise<ViewVersion[]> {
  const rows = await run(on, catalog.selectFrom(VERSIONS).selectAll().where('status', '=', 'live').orderBy('view'));
  return rows.map(versionOf);
}

/** Of the live version of every view what tells it, by view: without the files it is of, which may be thousands. */
export async function liveIdentities(
  on: Queryable,
): Promise<Pick<ViewVersion, 'view' | 'version' | 'source' | 'fingerprint'>[]> {
  return await run(
    on,
    catalog
      .selectFrom(VERSIONS)
      .select(['view', 'version', 'source', 'fingerprint'])
      .where('status', '=', 'live')
      .orderBy('view'),
  );
}

/** One version, or null. */
export async function viewVersion(on: Queryable, view: string, version: number): Promise<ViewVersion | null> {
  const [row] = await run(
    on,
    catalog.selectFrom(VERSIONS).selectAll().where('view', '=', view).where('version', '=', version),
  );
  return row === undefined ? null : versionOf(row);
}

/** All versions of a view (of all views without a name), newest first. */
export async function versions(on: Queryable, view?: string): Promise<ViewVersion[]> {
  let query = catalog.selectFrom(VERSIONS).selectAll().orderBy('view').orderBy('version', 'desc');
  if (view !== undefined) query = query.where('view', '=', view);
  const rows = await run(on, query);
  return rows.map(versionOf);
}

/** Takes the next commit number of a version; the row stays locked until the transaction ends, so commits are numbered in order. */
export async function nextSeq(client: Queryable, view: string, version: number): Promise<number> {
  const [row] = await run(
    client,
    catalog
      .updateTable(VERSIONS)
      .set({ seq: sql<number>`seq + 1` })
      .where('view', '=', view)
      .where('version', '=', version)
      .returning('seq'),
  );
  if (row === undefined) throw internalBug(`no version ${version} of view "${view}" to commit to`);
  return row.seq;
}
