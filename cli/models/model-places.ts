import type pg from 'pg';
import type { Environment } from '../../config/environment.ts';
import { ensureModelTopic } from '../../config/model-topic.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { knownServices, neededServices } from '../services.ts';

/** Where a command finds models. */
export interface OpenPlaces {
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly topic: string;
  readonly archiveDir: string;
}

/** Runs `work` with the catalog. */
export async function withCatalog<T>(env: Environment, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const { databaseUrl } = await neededServices(env, ['databaseUrl']);
  const pool = createPool(databaseUrl, { max: 2, applicationName: 'millrace-cli', installation: env.installation });
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

/** What a command that steers models has: the rows, and what tells of them; null where no Kafka is known. */
export type Steering = Pick<OpenPlaces, 'pool' | 'topic'> & { readonly writer: LogWriter | null };

/** Runs `work` with the catalog, which is the truth, and a writer to announce by: one can go back while Kafka is away. */
export async function withSteering<T>(env: Environment, work: (steering: Steering) => Promise<T>): Promise<T> {
  const { kafka } = knownServices(env);
  const writer = kafka === null ? null : createKafkaLogWriter({ ...kafka, clientId: 'millrace-models' });
  try {
    return await withCatalog(env, (pool) => work({ pool, writer, topic: env.installation.modelsTopic }));
  } finally {
    await writer?.close();
  }
}

/** Runs `work` with the catalog and the topic of models, which is made where it is not there. */
export async function withModels<T>(env: Environment, work: (places: OpenPlaces) => Promise<T>): Promise<T> {
  const { kafka } = await neededServices(env, ['databaseUrl', 'kafka']);
  const { modelsTopic: topic } = env.installation;
  await ensureModelTopic(kafka, topic);
  const reader = createKafkaLogReader({ ...kafka, clientId: 'millrace-models' });
  const writer = createKafkaLogWriter({ ...kafka, clientId: 'millrace-models' });
  try {
    return await withCatalog(env, (pool) => work({ pool, reader, writer, topic, archiveDir: env.archiveDir }));
  } finally {
    await Promise.all([reader.close(), writer.close()]);
  }
}
