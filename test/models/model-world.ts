import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import type { FeatureTags } from '../../engine/define/feature-lock.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { type InstallationNames, installationNames } from '../../engine/installation/installation-names.ts';
import { publishModel, type PublishOptions } from '../../engine/models/publish-model.ts';
import { readManifest, type TrainedOn } from '../../engine/models/read-manifest.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { MemoryLog } from './memory-log.ts';

export const TOPIC = 'models';
export const TAGS: FeatureTags = { flights_1d: '00000000000000aa', delay_avg_7d: '00000000000000bb' };

export interface ModelWorld {
  readonly database: OwnDatabase;
  readonly pool: pg.Pool;
  readonly folder: string;
  readonly archiveDir: string;
  /** The file of a model with these bytes. */
  file(bytes: Uint8Array): Promise<string>;
  /** Publishes bytes over a log. */
  publish(log: MemoryLog, bytes: Uint8Array, more?: Partial<PublishOptions>): ReturnType<typeof publishModel>;
  close(): Promise<void>;
}

/** The manifest of a training set of the service `delay_model`, with tags. */
export function manifestOf(tags: FeatureTags = TAGS, more: object = {}): object {
  return {
    format: 1,
    millrace: '0.1.0',
    mode: 'event-time',
    service: 'delay_model',
    rows: 10,
    sha256: createHash('sha256').update(JSON.stringify(tags)).digest('hex'),
    sizeBytes: 1,
    spine: {
      path: 's',
      sizeBytes: 1,
      sha256: 'ab',
      timeColumn: 'at',
      columns: ['origin', 'destination', 'at', 'late'],
    },
    views: [
      {
        view: 'route_delays',
        fingerprint: 'f1',
        entity: 'route',
        keys: ['origin', 'destination'],
        source: 'flights',
        features: Object.entries(tags).map(([name, tag]) => ({
          name,
          tag,
          column: `route_delays__${name}`,
          type: { kind: 'double' },
        })),
      },
    ],
    sources: [],
    cuts: { flights: null },
    ...more,
  };
}

/** Lets a version of a view with these tags be served. */
export async function serve(
  pool: pg.Pool,
  tags: FeatureTags | null,
  view = 'route_delays',
  version = 1,
): Promise<void> {
  const layout: ViewLayout = {
    semantics: ENGINE_SEMANTICS,
    view,
    entity: 'route',
    keys: [{ name: 'origin', type: { kind: 'string' } }],
    tieBreak: 'id',
    groups: [],
    slots: [],
    features: [],
  };
  await runSql(pool, sqlText`UPDATE ${CATALOG}.view_version SET status = 'superseded' WHERE view = ${view}`);
  await runSql(
    pool,
    sqlText`
    INSERT INTO ${CATALOG}.view_version (view, version, fingerprint, layout, layout_tag, status, state_table, source, tags)
    VALUES (${view}, ${version}, ${`f${version}`}, ${JSON.stringify(layout)}::jsonb, 0, 'live', ${`${view}_${version}`}, 'flights',
      ${tags === null ? null : JSON.stringify({ features: tags, state: 's', input: 'i' })}::jsonb)`,
  );
}

export function openModelWorld(serverUrl: string): Promise<ModelWorld> {
  return openWorldOf(serverUrl, installationNames());
}

/** A database of an installation, in which a version of `route_delays` with `TAGS` is served. */
export async function openWorldOf(serverUrl: string, installation: InstallationNames): Promise<ModelWorld> {
  const database = await createOwnDatabase(serverUrl);
  const pool = createPool(database.url, { max: 10, applicationName: 'millrace-test', installation });
  await migrateToLatest(pool);
  await serve(pool, TAGS);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-models-'));
  const archiveDir = join(folder, 'archive');
  const manifest = join(folder, 'train.parquet.manifest.json');
  await writeFile(manifest, JSON.stringify(manifestOf()));
  const trainedOn = await readManifest(manifest);
  const file = async (bytes: Uint8Array): Promise<string> => {
    const path = join(folder, `${randomUUID()}.bin`);
    await writeFile(path, bytes);
    return path;
  };
  return {
    database,
    pool,
    folder,
    archiveDir,
    file,
    async publish(log, bytes, more) {
      return await publishModel({
        pool,
        reader: log,
        writer: log,
        topic: TOPIC,
        archiveDir,
        clock: systemClock,
        newId: randomUUID,
        model: 'late',
        file: await file(bytes),
        service: 'delay_model',
        trainedOn,
        metrics: null,
        actor: 'ana@laptop',
        alias: 'champion',
        ...more,
      });
    },
    async close() {
      await pool.end();
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}

/** What is trained on a set whose features have these tags. */
export async function trainedOnTags({ folder }: ModelWorld, tags: FeatureTags): Promise<TrainedOn> {
  const path = join(folder, `${randomUUID()}.manifest.json`);
  await writeFile(path, JSON.stringify(manifestOf(tags)));
  return await readManifest(path);
}
