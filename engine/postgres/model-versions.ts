import type { FeatureTags } from '../define/feature-lock.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG, LOCKS } from './schemas.ts';
import { sqlText } from './sql.ts';

/** What stands for a version of a model in an application. */
export const MODEL_ALIASES = ['champion', 'challenger'] as const;
export type ModelAlias = (typeof MODEL_ALIASES)[number];

/** Where a model's bytes are on the topic: the chunks of one publish, among what lies in `[fromOffset, untilOffset)` of partition 0. */
export interface ModelPlace {
  readonly publishId: string;
  readonly chunks: number;
  readonly clusterId: string;
  readonly topic: string;
  readonly fromOffset: number;
  readonly untilOffset: number;
}

/** A column that a model takes. */
export interface ModelInput {
  /** Of the training set, `<view>__<feature>`. */
  readonly column: string;
  /** A view, a role of one, or the service itself. */
  readonly block: string;
  readonly feature: string;
  /** As `JSON` has a feature's type. */
  readonly type: unknown;
}

/** What a model takes: request and features, each with its type. */
export interface ModelSignature {
  readonly request: readonly { readonly name: string; readonly type: unknown }[];
  readonly features: readonly ModelInput[];
}

/** What a model was made of. */
export interface ModelLineage {
  /** Of the training set's file, and of its manifest. */
  readonly trainingSet: string;
  readonly manifest: string;
  readonly rows: number;
  readonly mode: string;
  /** The release that exported it. */
  readonly millrace: string;
  /** View to the fingerprint of the definition it was exported by. */
  readonly fingerprints: Readonly<Record<string, string>>;
  readonly labels: readonly string[];
  /** Of the file of labels; null where the rows were made of entities and times. */
  readonly spine: string | null;
  /** Per source, as the manifest has them. */
  readonly cuts: unknown;
}

export type ModelMetrics = Readonly<Record<string, string | number | boolean | null>>;

/** What is to be a version of a model. */
export interface NewModel extends ModelPlace {
  readonly model: string;
  /** 64 hex digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly service: string;
  /** View to feature to tag. */
  readonly features: Readonly<Record<string, FeatureTags>>;
  readonly derived: string | null;
  readonly signature: ModelSignature;
  readonly lineage: ModelLineage;
  readonly metrics: ModelMetrics | null;
  readonly actor: string;
}

/** A version of a model: the truth about it. */
export interface ModelVersion extends NewModel {
  readonly version: number;
  readonly state: 'published' | 'rolled-back';
  /** UTC epoch µs. */
  readonly publishedAtUs: number;
}

/** What an alias stands for. */
export interface ModelAliasRow {
  readonly model: string;
  readonly alias: ModelAlias;
  readonly version: number;
  readonly previous: number | null;
  readonly actor: string;
  readonly movedAtUs: number;
}

const COLUMNS = sqlText`model, version, sha256, size_bytes AS "sizeBytes", publish_id AS "publishId", chunks, cluster_id AS "clusterId", topic,
  from_offset AS "fromOffset", until_offset AS "untilOffset", state, service, features, derived, signature, lineage, metrics, actor,
  published_at AS "publishedAtUs"`;

/** Held until the transaction ends: versions of a model get their numbers one after the other. */
export async function lockModel(client: Queryable, model: string): Promise<void> {
  await client.query({
    text: `SELECT pg_advisory_xact_lock(hashtextextended('${LOCKS.text} model ' || $1, 0))`,
    values: [model],
  });
}

/** Adds the next version, in the transaction that holds `lockModel`. */
export async function insertModelVersion(client: Queryable, given: NewModel): Promise<ModelVersion> {
  const { rows } = await runSql<ModelVersion>(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.model_version (model, version, sha256, size_bytes, publish_id, chunks, cluster_id, topic, from_offset, until_offset,
      service, features, derived, signature, lineage, metrics, actor)
    SELECT ${given.model}, coalesce(max(version), 0) + 1, ${given.sha256}, ${given.sizeBytes}, ${given.publishId}, ${given.chunks},
      ${given.clusterId}, ${given.topic}, ${given.fromOffset}, ${given.untilOffset}, ${given.service}, ${JSON.stringify(given.features)}::jsonb,
      ${given.derived}, ${JSON.stringify(given.signature)}::jsonb, ${JSON.stringify(given.lineage)}::jsonb,
      ${given.metrics === null ? null : JSON.stringify(given.metrics)}::jsonb, ${given.actor}
    FROM ${CATALOG}.model_version WHERE model = ${given.model}
    RETURNING ${COLUMNS}`,
  );
  return rows[0]!;
}

/** The versions of a model, or of all, newest first. */
export async function modelVersions(on: Queryable, model?: string, limit?: number): Promise<ModelVersion[]> {
  const { rows } = await runSql<ModelVersion>(
    on,
    sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.model_version
    ${model === undefined ? sqlText`` : sqlText`WHERE model = ${model}`} ORDER BY model, version DESC LIMIT ${limit ?? null}::bigint`,
  );
  return rows;
}

/** One version of a model; null where there is none. */
export async function modelVersion(on: Queryable, model: string, version: number): Promise<ModelVersion | null> {
  const { rows } = await runSql<ModelVersion>(
    on,
    sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.model_version WHERE model = ${model} AND version = ${version}`,
  );
  return rows[0] ?? null;
}

/** What aliases stand for, of a model or of all. */
export async function modelAliases(on: Queryable, model?: string): Promise<ModelAliasRow[]> {
  const { rows } = await runSql<ModelAliasRow>(
    on,
    sqlText`SELECT model, alias, version, previous, actor, moved_at AS "movedAtUs" FROM ${CATALOG}.model_alias
    ${model === undefined ? sqlText`` : sqlText`WHERE model = ${model}`} ORDER BY model, alias`,
  );
  return rows;
}

/** What an alias stands for, and what it stood for before, in that order: none where it stands for nothing. */
export async function aliasVersions(on: Queryable, model: string, alias: ModelAlias): Promise<ModelVersion[]> {
  const { rows } = await runSql<ModelVersion>(
    on,
    sqlText`SELECT ${COLUMNS} FROM ${CATALOG}.model_version v
    JOIN (SELECT model AS of, version AS current, previous FROM ${CATALOG}.model_alias WHERE model = ${model} AND alias = ${alias}) a
      ON v.model = a.of AND v.version IN (a.current, a.previous)
    ORDER BY v.version <> a.current`,
  );
  return rows;
}

/** Lets an alias stand for a version. `previous`: what it can go back to. In the transaction that holds `lockModel`. */
export async function setModelAlias(
  client: Queryable,
  { model, alias, version, previous, actor }: Omit<ModelAliasRow, 'movedAtUs'>,
): Promise<void> {
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.model_alias (model, alias, version, previous, actor) VALUES (${model}, ${alias}, ${version}, ${previous}, ${actor})
    ON CONFLICT (model, alias) DO UPDATE
      SET version = excluded.version, previous = excluded.previous, actor = excluded.actor, moved_at = clock_timestamp()`,
  );
}

export async function setModelState(
  client: Queryable,
  model: string,
  version: number,
  state: ModelVersion['state'],
): Promise<void> {
  await runSql(
    client,
    sqlText`UPDATE ${CATALOG}.model_version SET state = ${state} WHERE model = ${model} AND version = ${version}`,
  );
}

/** Notes that a model's bytes are elsewhere on the topic now; false where somebody else has noted another place since `before` was read. */
export async function moveModel(on: Queryable, before: ModelVersion, place: ModelPlace): Promise<boolean> {
  const { rowCount } = await runSql(
    on,
    sqlText`
    UPDATE ${CATALOG}.model_version SET publish_id = ${place.publishId}, chunks = ${place.chunks}, cluster_id = ${place.clusterId},
      topic = ${place.topic}, from_offset = ${place.fromOffset}, until_offset = ${place.untilOffset}
    WHERE model = ${before.model} AND version = ${before.version} AND publish_id = ${before.publishId}`,
  );
  return rowCount === 1;
}
