import type pg from 'pg';
import type { Environment } from '../config/environment.ts';
import { openSpillFolder } from '../config/spill-folder.ts';
import { withArchive } from '../engine/archive/archived-log-reader.ts';
import type { Definitions } from '../engine/define/compiled-view.ts';
import { StoredVersionCode } from '../engine/bundles/version-code.ts';
import type { HistoryListings } from '../engine/history/history-listing.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import type { MemoryBudget } from '../engine/memory/memory-budget.ts';
import { setProcessMemory } from '../engine/memory/process-memory.ts';
import { storedListings } from '../engine/postgres/history-listings.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { systemClock } from '../engine/values/clock.ts';
import type { SidesContext } from '../engine/versions/diff-sides.ts';
import { knownServices, neededServices } from './services.ts';

/** What comparing versions in this process takes. */
export interface DiffContext extends SidesContext {
  readonly pool: pg.Pool;
  readonly listings: HistoryListings;
  readonly spillDir: string;
  readonly memory: MemoryBudget;
}

/**
 * Runs `work` with what comparing takes. The views are those of the definitions; Kafka is used where it is named.
 *
 * @throws MillraceError `not-connected`, `service-unreachable`, `invalid-definitions`; what `work` throws
 */
export async function withDiffContext(
  env: Environment,
  definitions: Definitions,
  work: (context: DiffContext) => Promise<void>,
): Promise<void> {
  const hasKafka = knownServices(env).kafka !== null;
  const { databaseUrl, kafka } = hasKafka
    ? await neededServices(env, ['databaseUrl', 'kafka'])
    : { ...(await neededServices(env, ['databaseUrl'])), kafka: null };
  const spill = openSpillFolder(env.spillDir);
  const pool = createPool(databaseUrl, { max: 4, applicationName: 'millrace-diff', installation: env.installation });
  const topics =
    kafka === null ? null : createKafkaLogReader({ ...kafka, clientId: 'millrace-diff', clock: systemClock });
  const reader = topics && withArchive(topics, { pool, archiveDir: env.archiveDir, duckdbTempDir: spill.path });
  try {
    await work({
      pool,
      reader,
      code: new StoredVersionCode({ definitions, pool, keys: env.bundleKeys }),
      clock: systemClock,
      listings: storedListings(pool, systemClock),
      spillDir: spill.path,
      memory: setProcessMemory(env.memoryMb),
    });
  } finally {
    await Promise.all([reader?.close(), pool.end()]);
    spill.remove();
  }
}
