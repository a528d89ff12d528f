import { join } from 'node:path';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { memoryDefinitions } from './memory-inputs.ts';

/** Where a row of the table works. */
export interface MemoryPlaceOfWork {
  readonly folder: string;
  readonly databaseUrl: string;
}

async function backfill({ folder, databaseUrl }: MemoryPlaceOfWork, builder: string): Promise<string> {
  const definitions = await memoryDefinitions(folder);
  const pool = createPool(databaseUrl);
  try {
    const { entities } = await runBackfill({
      view: definitions.views.get('spending')!,
      pool,
      reader: null,
      spillDir: join(folder, 'spill'),
      memory: processMemory(),
      clock: systemClock,
      builder,
    });
    return `${entities} entities`;
  } finally {
    await pool.end();
  }
}

async function exported({ folder }: MemoryPlaceOfWork, out: string): Promise<string> {
  const definitions = await memoryDefinitions(folder);
  const { rows } = await exportTrainingSet({
    service: definitions.services.get('spending_model')!,
    spine: join(folder, 'spine.parquet'),
    out: join(folder, out),
    mode: 'event-time',
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    overwrite: true,
  });
  return `${rows} labels`;
}

/** What is measured, by name: each in a process of its own, which has the setting. They say what they did. */
export const MEMORY_ROWS: Readonly<Record<string, (place: MemoryPlaceOfWork) => Promise<string>>> = {
  idle: async ({ folder }) => {
    await memoryDefinitions(folder);
    return 'definitions loaded';
  },
  backfill: (place) => backfill(place, 'bench'),
  export: (place) => exported(place, 'training.parquet'),
  'backfill and export': async (place) =>
    (await Promise.all([backfill(place, 'bench'), exported(place, 'both.parquet')])).join(', '),
};
