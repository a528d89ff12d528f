import { tagOf } from '../define/tag-of.ts';
import type { FeatureTags } from '../define/feature-lock.ts';
import type { NamedBlock } from '../define/service-blocks.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { type SqlText, sqlText } from './sql.ts';

/** View to feature to tag: what a service is. */
export type ServiceFeatures = Readonly<Record<string, FeatureTags>>;

/** A service as it is applied. */
export interface AppliedService {
  readonly views: ServiceFeatures;
  /** Null: its views, none in a role. */
  readonly blocks: Readonly<Record<string, NamedBlock>> | null;
  /** Stands for what it derives of them; left out: nothing. */
  readonly derived?: string | undefined;
  /** The code of that; null or left out: it is not kept. */
  readonly code?: KeptCode | null | undefined;
}

/** Code as it is kept. */
export interface KeptCode {
  /** Exactly as it was written: what hash and signature are of. */
  readonly text: string;
  /** Hex. */
  readonly sha256: string;
  readonly signature: { readonly keyId: string; readonly bytes: Buffer } | null;
}

/** One version of a feature service: its features as they were applied. */
export interface ServiceVersion extends Pick<AppliedService, 'views' | 'blocks'> {
  readonly service: string;
  readonly version: number;
  readonly tag: string;
  readonly actor: string;
  /** UTC epoch µs. */
  readonly appliedAtUs: number;
  /** Its views that do not serve all of its features, as it means them; none: every reader of it is served. */
  readonly missing: readonly string[];
  /** Whether it derives features of them. */
  readonly derives: boolean;
  /** Whether the code of that is kept: not of versions from before it was. */
  readonly hasCode: boolean;
}

export type NotedService = Pick<ServiceVersion, 'service' | 'version'>;

/**
 * Notes what services are to be: one whose features, their meaning, roles or derived features are others than in its newest version gets the next. The code of what
 * one derives is kept with it; a newest version that is the same, and has none yet, gets it. In the transaction of an apply, which holds `lockDesired`.
 *
 * @returns the services that got one, and which
 */
export async function noteServices(
  client: Queryable,
  services: Readonly<Record<string, AppliedService>>,
  actor: string,
): Promise<NotedService[]> {
  const noted: NotedService[] = [];
  for (const [service, applied] of Object.entries(services)) {
    const { views, blocks } = applied;
    const tag = serviceTag(applied);
    const code = codeColumns(applied.code ?? null);
    const { rows } = await runSql<NotedService>(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.service_version (service, version, tag, views, blocks, actor, bundle, sha256, key_id, signature)
      SELECT ${service}, coalesce(max(version), 0) + 1, ${tag}, ${JSON.stringify(views)}::jsonb, ${blocks === null ? null : JSON.stringify(blocks)}::json, ${actor}, ${code.bundle}::bytea, ${code.sha256}::bytea, ${code.keyId}::text, ${code.signature}::bytea
      FROM ${CATALOG}.service_version WHERE service = ${service}
      HAVING (array_agg(tag ORDER BY version DESC))[1] IS DISTINCT FROM ${tag}
      RETURNING service, version`,
    );
    noted.push(...rows);
    if (rows.length === 0 && code.bundle !== null)
      await runSql(
        client,
        sqlText`
        UPDATE ${CATALOG}.service_version SET bundle = ${code.bundle}, sha256 = ${code.sha256}, key_id = ${code.keyId}, signature = ${code.signature}
        WHERE service = ${service} AND tag = ${tag} AND bundle IS NULL
          AND version = (SELECT max(version) FROM ${CATALOG}.service_version WHERE service = ${service})`,
      );
  }
  return noted;
}

/** What a version is told by. Without roles and derived features as before there were any: an upgrade makes no version. */
function serviceTag({ views, blocks, derived }: AppliedService): string {
  const parts = { ...(blocks === null ? {} : { blocks }), ...(derived === undefined ? {} : { derived }) };
  return tagOf(Object.keys(parts).length === 0 ? views : { views, ...parts });
}

function codeColumns(code: KeptCode | null) {
  return {
    bundle: code && Buffer.from(code.text),
    sha256: code && Buffer.from(code.sha256, 'hex'),
    keyId: code?.signature?.keyId ?? null,
    signature: code?.signature?.bytes ?? null,
  };
}

/**
 * The versions of a service, newest first. Which of them are served follows from what its views serve, so that one becomes it in the very transaction
 * in which the last of its views does.
 *
 * @example
 * const served = (await serviceVersions(pool, 'delay_model')).find(({ missing }) => missing.length === 0);
 */
export async function serviceVersions(on: Queryable, service: string): Promise<ServiceVersion[]> {
  return await listed(on, sqlText`WHERE s.service = ${service}`);
}

/** The services that were ever applied, by name. */
export async function serviceNames(on: Queryable): Promise<string[]> {
  const { rows } = await runSql<{ readonly service: string }>(
    on,
    sqlText`SELECT DISTINCT service FROM ${CATALOG}.service_version ORDER BY service`,
  );
  return rows.map(({ service }) => service);
}

/** The version of a service that is served, of several the newest; null where none is. */
export async function servedService(on: Queryable, service: string): Promise<ServiceVersion | null> {
  const [served] = await listed(on, servedOf(service), sqlText`LIMIT 1`);
  return served ?? null;
}

/** Which version that is, without what it is: for who knows it already. */
export async function servedVersionNumber(on: Queryable, service: string): Promise<number | null> {
  const { rows } = await runSql<{ readonly version: number }>(
    on,
    sqlText`SELECT s.version FROM ${CATALOG}.service_version s ${servedOf(service)} ORDER BY s.version DESC LIMIT 1`,
  );
  return rows[0]?.version ?? null;
}

function servedOf(service: string): SqlText {
  return sqlText`WHERE s.service = ${service} AND NOT EXISTS (SELECT ${NOT_SERVED})`;
}

/** Whether a version is of what is told by this tag (`derivedTag`). */
export function isDerivedBy({ views, blocks, tag }: ServiceVersion, derived: string): boolean {
  return tag === serviceTag({ views, blocks, derived });
}

/** Of a version `s`, the views that do not serve its features. */
const NOT_SERVED = sqlText`
  FROM jsonb_each(s.views) AS own(view, features)
  WHERE NOT EXISTS (
    SELECT FROM ${CATALOG}.view_version live
    WHERE live.view = own.view AND live.status = 'live' AND live.tags -> 'features' @> own.features)`;

async function listed(on: Queryable, where: SqlText, limit: SqlText = sqlText``): Promise<ServiceVersion[]> {
  const { rows } = await runSql<Omit<ServiceVersion, 'appliedAtUs' | 'derives'> & { readonly applied_at: number }>(
    on,
    sqlText`
    SELECT s.service, s.version, s.tag, s.views, s.blocks, s.actor, s.applied_at, s.bundle IS NOT NULL AS "hasCode", (
      SELECT coalesce(jsonb_agg(own.view ORDER BY own.view COLLATE "C"), '[]') ${NOT_SERVED}) AS missing
    FROM ${CATALOG}.service_version s ${where} ORDER BY s.version DESC ${limit}`,
  );
  return rows.map(({ applied_at: appliedAtUs, ...rest }) => ({
    ...rest,
    appliedAtUs,
    derives: rest.tag !== serviceTag({ views: rest.views, blocks: rest.blocks }),
  }));
}

/** Keeps code with versions of a service that have none. Only the owner's role may. */
export async function keepServiceCode(
  on: Queryable,
  service: string,
  lacking: readonly number[],
  kept: KeptCode,
): Promise<void> {
  const code = codeColumns(kept);
  await runSql(
    on,
    sqlText`
    UPDATE ${CATALOG}.service_version SET bundle = ${code.bundle}, sha256 = ${code.sha256}, key_id = ${code.keyId}, signature = ${code.signature}
    WHERE service = ${service} AND version = ANY(${lacking}::int[]) AND bundle IS NULL`,
  );
}

/** The code that is kept of a version; null where there is no such version, or none of it. Its hash and signature are the caller's to check. */
export async function serviceCode(on: Queryable, service: string, version: number): Promise<KeptCode | null> {
  interface Row {
    readonly bundle: Buffer;
    readonly sha256: Buffer;
    readonly key_id: string | null;
    readonly signature: Buffer | null;
  }
  const { rows } = await runSql<Row>(
    on,
    sqlText`
    SELECT bundle, sha256, key_id, signature FROM ${CATALOG}.service_version
    WHERE service = ${service} AND version = ${version} AND bundle IS NOT NULL`,
  );
  const [row] = rows;
  if (row === undefined) return null;
  const { bundle, sha256, key_id: keyId, signature } = row;
  return {
    text: bundle.toString('utf8'),
    sha256: sha256.toString('hex'),
    signature: keyId === null || signature === null ? null : { keyId, bytes: signature },
  };
}
