import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import type { FeatureTags } from '../define/feature-lock.ts';
import { saveModelBaseline } from '../monitors/model-baseline.ts';
import { appendEvent } from '../postgres/audit-events.ts';
import {
  insertModelVersion,
  lockModel,
  type ModelAlias,
  modelVersion,
  type ModelMetrics,
  modelVersions,
  type ModelVersion,
  type NewModel,
} from '../postgres/model-versions.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { LogWriter } from '../topic/log-writer.ts';
import type { Clock } from '../values/clock.ts';
import { announceModel } from './announce-model.ts';
import { healModel } from './heal-models.ts';
import { archiveModel } from './model-archive.ts';
import { featuresOfModelChanged } from './model-errors.ts';
import { type ModelChange, modelChanges } from './model-fit.ts';
import { filePages, hashedFile } from './model-source-file.ts';
import type { TrainedOn } from './read-manifest.ts';
import { sendModel } from './send-model.ts';
import { moveAlias } from './steer-models.ts';

export interface PublishOptions {
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  readonly writer: LogWriter;
  /** One partition, without compaction. It has to exist. */
  readonly topic: string;
  readonly archiveDir: string;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly model: string;
  readonly file: string;
  readonly service: string;
  readonly trainedOn: TrainedOn;
  readonly metrics: ModelMetrics | null;
  readonly actor: string;
  /** What stands for it from then on; null: nothing does. */
  readonly alias: ModelAlias | null;
  /** Whether it may be trained on features that are not served yet: applications keep what they have until they are. Default false: refused. */
  readonly ahead?: boolean | undefined;
  readonly onProgress?: ((progress: PublishProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where a publish stands: `bytes` of `totalBytes` are on the topic. */
export interface PublishProgress {
  readonly step: 'hashed' | 'archived' | 'sending' | 'read-back' | 'written' | 'announced';
  readonly bytes: number;
  readonly totalBytes: number;
}

/** What a publish would come to, as far as can be told beforehand. */
export interface PublishPlan {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly features: Readonly<Record<string, FeatureTags>>;
  /** What it was trained on and is not served as that. */
  readonly changes: readonly ModelChange[];
  /** The version that is this very file, trained on this very set; null: it would be a new one. */
  readonly same: ModelVersion | null;
}

export interface Published {
  readonly version: ModelVersion;
  /** False: it was published before, and nothing was sent. */
  readonly isNew: boolean;
  readonly changes: readonly ModelChange[];
  /** Why applications are not told at once and find it at their next look (15 s); null: they are told. */
  readonly unannounced: MillraceError | null;
}

type PlanOptions = Pick<PublishOptions, 'pool' | 'model' | 'file' | 'service' | 'trainedOn' | 'alias' | 'ahead'>;

/**
 * Looks at what would be published, and writes nothing. Throws MillraceError `unfit-model-file`, `invalid-manifest` where it is of another service or has
 * no tags that can be found, `model-features-changed`.
 */
export async function planPublish(options: PlanOptions): Promise<PublishPlan> {
  const { pool, model, file, service, trainedOn, alias, ahead = false } = options;
  if (trainedOn.service !== service) {
    throw new MillraceError(
      'invalid-manifest',
      `the training set is of service "${trainedOn.service}", and the model is to be of "${service}"`,
      { remedy: 'Give the service that was exported, or the manifest of the set it was trained on.' },
    );
  }
  const { sha256, sizeBytes } = await hashedFile(file);
  const features = await tagsOf(pool, trainedOn);
  const changes = await modelChanges(pool, { service, features, derived: trainedOn.derived });
  if (changes.length > 0 && alias !== null && !ahead) {
    throw featuresOfModelChanged(
      `model "${model}"`,
      changes,
      'Train it on what is served. Where it is meant for a version that waits to be approved: --ahead; applications keep what they have until that is.',
    );
  }
  const same = sameAs(await modelVersions(pool, model), { sha256, trainedOn });
  return { sha256, sizeBytes, features, changes, same };
}

/**
 * Publishes a model: its bytes into the archive's folder and onto the topic, chunk by chunk; once they are acknowledged and were read back whole, its row,
 * in one transaction with its alias and the event; then the announcement. Whatever dies on the way, nobody is given anything before the row stands, and from
 * then on all of it. The same file of the same training set is the same version, however often it is published.
 *
 * @throws MillraceError as `planPublish`; `model-topic-unfit`, `model-not-published`, `archive-full`, `archive-away`, `archive-not-writable`, and what
 * reader, writer and database throw
 * @example
 * const { version } = await publishModel({ ...places, model: 'late', file: 'late.onnx', service: 'delay_model', trainedOn, metrics, actor, alias: 'champion' });
 */
export async function publishModel(options: PublishOptions): Promise<Published> {
  const { reader, writer, topic, archiveDir, clock, newId, model, file, service, trainedOn, signal } = options;
  const { sha256, sizeBytes, features, changes, same } = await planPublish(options);
  const tell = (step: PublishProgress['step'], bytes: number): void =>
    options.onProgress?.({ step, bytes, totalBytes: sizeBytes });
  tell('hashed', 0);
  const about = { model, sha256, sizeBytes };
  let version: ModelVersion;
  let isNew = false;
  if (same !== null) {
    await archiveModel(archiveDir, about, filePages(file), newId());
    // Its bytes may have been lost since.
    await healModel(options, same);
    version = await named(options, same);
  } else {
    const publishId = newId();
    await archiveModel(archiveDir, about, filePages(file), publishId);
    tell('archived', 0);
    const pages = filePages(file);
    const onSent = (bytes: number): void => tell('sending', bytes);
    const place = await sendModel({ reader, writer, topic, clock, publishId, file: about, pages, onSent, signal });
    tell('read-back', sizeBytes);
    const { derived, signature, lineage } = trainedOn;
    const { metrics, actor } = options;
    ({ version, isNew } = await written(options, {
      ...about,
      ...place,
      service,
      features,
      derived,
      signature,
      lineage,
      metrics,
      actor,
    }));
  }
  tell('written', sizeBytes);
  const unannounced = await announceModel({ writer, topic, clock, model });
  tell('announced', sizeBytes);
  return { version, isNew, changes, unannounced };
}

/** The row and its alias, together. Of two that publish the same at once, the second finds the first one's. */
async function written(
  options: PublishOptions,
  row: NewModel,
): Promise<{ readonly version: ModelVersion; readonly isNew: boolean }> {
  const { pool, model, trainedOn } = options;
  return await withTransaction(pool, async (client) => {
    await lockModel(client, model);
    const same = sameAs(await modelVersions(client, model), { sha256: row.sha256, trainedOn });
    const version = same ?? (await insertModelVersion(client, row));
    if (trainedOn.baseline != null) await saveModelBaseline(client, version, trainedOn.baseline);
    await point(client, options, version, same === null);
    return { version, isNew: same === null };
  });
}

async function named(options: PublishOptions, version: ModelVersion): Promise<ModelVersion> {
  return await withTransaction(options.pool, async (client) => {
    await lockModel(client, options.model);
    await point(client, options, version, false);
    return (await modelVersion(client, version.model, version.version)) ?? version;
  });
}

async function point(
  client: Queryable,
  { model, alias, actor }: PublishOptions,
  published: ModelVersion,
  isNew: boolean,
): Promise<void> {
  const { version, sha256 } = published;
  const isMoved = alias !== null && (await moveAlias(client, published, alias, actor)) !== version;
  if (!isNew && !isMoved) return;
  const result = { version, sha256, isNew };
  await appendEvent(client, { actor, action: 'model publish', subject: model, input: { as: alias }, result });
}

function sameAs(
  versions: readonly ModelVersion[],
  { sha256, trainedOn }: { readonly sha256: string; readonly trainedOn: TrainedOn },
): ModelVersion | null {
  const { trainingSet } = trainedOn.lineage;
  return versions.find((one) => one.sha256 === sha256 && one.lineage.trainingSet === trainingSet) ?? null;
}

/** The manifest's tags; where it is from before it had any, those of the version that has its fingerprint. */
async function tagsOf(pool: pg.Pool, { features, lineage }: TrainedOn): Promise<Readonly<Record<string, FeatureTags>>> {
  const entries = Object.entries(features).map(async ([view, tags]): Promise<[string, FeatureTags]> => {
    const untagged = Object.values(tags).includes(null);
    const known = untagged ? await tagsByFingerprint(pool, view, lineage.fingerprints[view] ?? '') : {};
    const found = Object.entries(tags).map(([feature, tag]) => [feature, tag ?? known[feature] ?? null] as const);
    const missing = found.find(([, tag]) => tag === null);
    if (missing !== undefined) {
      throw new MillraceError(
        'invalid-manifest',
        `view "${view}", feature "${missing[0]}": the manifest has no tag of it, and no version of the view has its fingerprint`,
        { remedy: 'Export the training set again with this release: its manifest names tags.' },
      );
    }
    return [view, Object.fromEntries(found) as FeatureTags];
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function tagsByFingerprint(pool: pg.Pool, view: string, fingerprint: string): Promise<FeatureTags> {
  const { rows } = await runSql<{ readonly tags: FeatureTags }>(
    pool,
    sqlText`SELECT tags -> 'features' AS tags FROM ${CATALOG}.view_version
    WHERE view = ${view} AND fingerprint = ${fingerprint} AND tags IS NOT NULL ORDER BY version DESC LIMIT 1`,
  );
  return rows[0]?.tags ?? {};
}
