import {
  type ColumnType,
  type CompiledQuery,
  DummyDriver,
  type Generated,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  sql,
} from 'kysely';
import type { LogCounts } from '../admission/log-counts.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import type { ObservedFields } from '../define/observed-fields.ts';
import type { ViewTags } from '../define/view-tags.ts';
import type { NamedFile } from '../history/history-files.ts';
import { OPEN_NAMES } from '../installation/open-names.ts';
import type { Cut } from '../topic/cut.ts';
import type { EventDetails } from './event-details.ts';
import type { Queryable } from './queryable.ts';
import { postgresTypes } from './type-parsers.ts';

/** A jsonb column: read as `Value`, written as JSON text. */
type Json<Value> = ColumnType<Value, string, string>;
type JsonDefault<Value> = ColumnType<Value, string | undefined, string>;
/** A timestamptz with a default: read as UTC epoch µs, written as ISO text. */
type TimeDefault = ColumnType<number, string | undefined, string>;

/** `building`: being filled · `built`: complete, unseen · `live`: read · `superseded`: was live · `discarded`, `retired`: gone. */
export type VersionStatus = 'building' | 'built' | 'live' | 'superseded' | 'discarded' | 'retired';

/** The history files a version was built from, or is being: their rows are known once it is. */
export interface StoredHistory {
  readonly files: readonly NamedFile[];
}

/** The tables of `migrations/`, column for column. */
export interface CatalogTables {
  view_version: {
    view: string;
    version: number;
    fingerprint: string;
    layout: Json<ViewLayout>;
    layout_tag: number;
    semantics: Generated<number>;
    status: VersionStatus;
    state_table: string;
    source: string;
    topic: string | null;
    cut: Json<Cut> | null;
    history: Json<StoredHistory> | null;
    counts: JsonDefault<Partial<LogCounts>>;
    entities: Generated<number>;
    history_watermark_us: number | null;
    seq: Generated<number>;
    builder: string | null;
    created_at: TimeDefault;
    built_at: ColumnType<number | null, string | null | undefined, string | null>;
    published_at: ColumnType<number | null, string | null | undefined, string | null>;
    ended_at: ColumnType<number | null, string | null | undefined, string | null>;
    kept_until: ColumnType<number | null, string | null | undefined, string | null>;
    /** Epoch µs. */
    served_before: JsonDefault<readonly (readonly [fromUs: number, untilUs: number])[]>;
    sql_surface: Generated<number>;
    build: string | null;
    /** Of its backfill, as text. */
    commit_id: Generated<string>;
    tags: Json<ViewTags> | null;
    observed_fields: Json<ObservedFields> | null;
    made_from: number | null;
    expired_rows: Generated<number>;
    expired_before_us: number | null;
    expiry_pass_us: number | null;
    expiry_page: number | null;
  };
  view_bundle: {
    fingerprint: string;
    view: string;
    semantics: number;
    bundle: Buffer;
    sha256: Buffer;
    layout: Json<ViewLayout>;
    stored_by: string;
    stored_at: TimeDefault;
    key_id: string | null;
    signature: Buffer | null;
  };
  stream_offset: {
    view: string;
    version: number;
    topic: string;
    partition: number;
    next_offset: number;
    end_offset: number;
    generation: Generated<number>;
    attempt_ms: Generated<number>;
    owner: string | null;
    watermark_us: number | null;
    cluster_id: string;
    anchor_offset: number | null;
    anchor_digest: Buffer | null;
    counts: JsonDefault<Partial<LogCounts>>;
    updated_at: TimeDefault;
    begun: Generated<boolean>;
    verdicts: Buffer | null;
    mostly_invalid: Generated<boolean>;
  };
  history_listing: {
    source: string;
    digest: string;
    first_read_at_us: number;
    files: number;
    bytes: number;
  };
  accepted_invalid: {
    source: string;
    partition: number;
    until_offset: number;
    accepted_at: TimeDefault;
  };
  commit_record: {
    view: string;
    version: number;
    seq: number;
    topic: string;
    partition: number;
    from_offset: number;
    until_offset: number;
    watermark_us: number | null;
    committed_at: TimeDefault;
    /** Of the code that made the commit; null where it was made before this was noted. */
    fingerprint: string | null;
    /** As text; null where it was made before there were ids. */
    commit_id: string | null;
  };
  commit_file: {
    view: string;
    version: number;
    from_seq: number;
    until_seq: number;
    path: string;
    rows: number;
    size_bytes: number;
    sha256: Buffer;
    created_at: TimeDefault;
  };
  commit_merge: {
    view: string;
    version: number;
    from_seq: number;
    last_seq: number;
    began_at: TimeDefault;
  };
  kept_size: {
    kind: 'commits' | 'dead-letters';
    view: string;
    version: number;
    rows: Generated<number>;
    bytes: Generated<number>;
    dropped_rows: Generated<number>;
    dropped_bytes: Generated<number>;
    first_dropped_at: ColumnType<number | null, string | null | undefined, string | null>;
  };
  archive_source: {
    source: string;
    mark: Generated<string>;
    generation: Generated<number>;
  };
  archive_offset: {
    source: string;
    topic: string;
    partition: number;
    cluster_id: string;
    first_offset: number;
    next_offset: number;
    end_offset: number;
    generation: Generated<number>;
    attempt_ms: Generated<number>;
    owner: string | null;
    anchor_offset: number | null;
    anchor_digest: Buffer | null;
    updated_at: TimeDefault;
  };
  archive_file: {
    id: Generated<number>;
    source: string;
    topic: string;
    cluster_id: string;
    path: string;
    rows: number;
    size_bytes: number;
    sha256: Buffer;
    created_at: TimeDefault;
  };
  archive_range: {
    source: string;
    topic: string;
    partition: number;
    from_offset: number;
    until_offset: number;
    rows: number;
    file_id: number;
  };
  archive_hole: {
    source: string;
    topic: string;
    partition: number;
    from_offset: number;
    until_offset: number;
    reason: string;
    noticed_at: TimeDefault;
  };
  parity_audit: {
    id: Generated<number>;
    view: string;
    version: number;
    fingerprint: string;
    kind: 'audit' | 'promotion';
    verdict: 'equal' | 'broken' | 'nothing-compared';
    seq: number;
    entities: number;
    reads: number;
    cells_compared: number;
    cells_differing: number;
    skipped: Json<Readonly<Record<string, number>>>;
    causes: Json<Readonly<Record<string, number>>>;
    started_at: ColumnType<number, string, string>;
    finished_at: ColumnType<number, string, string>;
  };
  parity_difference: {
    audit_id: number;
    number: number;
    entity: Json<Readonly<Record<string, unknown>>>;
    seq: number | null;
    as_of: ColumnType<number | null, string | null, string | null>;
    request_id: string | null;
    cause: string;
    detail: string;
    cells: Json<readonly unknown[]>;
    records: Json<readonly unknown[]>;
  };
  dead_letter: {
    view: string;
    version: number;
    source: string;
    topic: string;
    partition: number;
    offset: number;
    file: string | null;
    payload: Buffer | null;
    reasons: Json<readonly string[]>;
    broker_timestamp_us: number | null;
    created_at: TimeDefault;
    number: number | null;
  };
  backfill_progress: {
    view: string;
    version: number;
    attempt_ms: number;
    attempts: Generated<number>;
    accepted: Json<Readonly<Record<string, number>>>;
    /** As `engine/backfill/saved-progress.ts` writes it. */
    point: Json<unknown> | null;
    saved_at: ColumnType<number | null, string | null | undefined, string | null>;
  };
  backfill_ids: {
    view: string;
    version: number;
    partition: number;
    number: Generated<number>;
    ids: Buffer;
  };
  view_desired: {
    view: string;
    fingerprint: string;
    apply_number: number;
    actor: string;
    message: string | null;
    at: TimeDefault;
  };
  audit_event: {
    id: Generated<number>;
    said: string | null;
    at: TimeDefault;
    actor: string;
    action: string;
    subject: string | null;
    input: Json<EventDetails>;
    result: Json<EventDetails>;
  };
  api_token: {
    id: string;
    name: string;
    hash: Buffer;
    scopes: Json<readonly string[]>;
    entities_per_s: number | null;
    bytes_per_s: number | null;
    created_by: string;
    created_at: ColumnType<number, string, string>;
    expires_at: ColumnType<number | null, string | null, string | null>;
    revoked_at: ColumnType<number | null, string | null | undefined, string | null>;
    last_used_at: ColumnType<number | null, string | null | undefined, string | null>;
  };
  dedupe_ids: {
    view: string;
    version: number;
    topic: string;
    partition: number;
    seq: number;
    chunk: Generated<number>;
    newest_event_time_us: number;
    ids: Buffer;
  };
}

/**
 * The typed query builder over the catalog. It only builds: `run` sends the compiled query over any pool or client, so that
 * the same query works alone and inside a transaction.
 *
 * @example
 * const rows = await run(pool, catalog.selectFrom('view_version').selectAll().where('view', '=', view));
 */
export const catalog: Kysely<CatalogTables> = new Kysely<CatalogTables>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
}).withSchema(OPEN_NAMES.catalog);

/** The database's clock, at the moment that a statement sets it. */
export const CLOCK: RawBuilder<string> = sql<string>`clock_timestamp()`;

/** Sends a built query and returns its rows, parsed by `postgresTypes` whatever the pool's own parsers. */
export async function run<Row>(on: Queryable, query: { compile(): CompiledQuery<Row> }): Promise<Row[]> {
  const { sql, parameters } = query.compile();
  const { rows } = await on.query({ text: sql, values: [...parameters], types: postgresTypes });
  return rows as Row[];
}
