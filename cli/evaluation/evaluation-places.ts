import type pg from 'pg';
import { brokerClock } from '../../config/broker-clock.ts';
import type { Environment } from '../../config/environment.ts';
import { openSpillFolder } from '../../config/spill-folder.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import type { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { setProcessMemory } from '../../engine/memory/process-memory.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { neededServices } from '../services.ts';

/** Where decisions, outcomes and models are. */
export interface EvaluationPlaces {
  readonly pool: pg.Pool;
  /** Topics with their archives. */
  readonly reader: LogReader;
  readonly spillDir: string;
  readonly memory: MemoryBudget;
}

/** Runs `work` with what evaluating takes. Throws MillraceError `not-connected`, `service-unreachable`; what `work` throws. */
export async function withEvaluationPlaces<T>(
  env: Environment,
  work: (places: EvaluationPlaces) => Promise<T>,
): Promise<T> {
  const { databaseUrl, kafka } = await neededServices(env, ['databaseUrl', 'kafka']);
  const spill = openSpillFolder(env.spillDir);
  const pool = createPool(databaseUrl, {
    max: 4,
    applicationName: 'millrace-evaluate',
    installation: env.installation,
  });
  const memory = setProcessMemory(env.memoryMb);
  const topics = createKafkaLogReader({
    ...kafka,
    clientId: 'millrace-evaluate',
    clock: brokerClock(env.brokerClockFile),
  });
  const reader = withArchive(topics, { pool, archiveDir: env.archiveDir, duckdbTempDir: spill.path });
  try {
    return await work({ pool, reader, spillDir: spill.path, memory });
  } finally {
    await Promise.all([reader.close(), pool.end()]);
    spill.remove();
  }
}
