import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { internalBug, isMillraceError } from '../../engine/errors/millrace-error.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest } from '../../engine/training/training-types.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { taken } from '../features/offers.ts';
import { shopModel } from '../features/shops.ts';
import type { World } from '../soak-world.ts';
import { SERVED_TOPIC } from '../topics.ts';
import { naiveLabels } from './naive-loop.ts';
import type { Said } from './said.ts';

const TRY_EVERY_MS = 500;
const MOST_TRIES = 240;
const DAY_MS = 86_400_000;

/** The rows of the export, held to what was said. */
export interface LabelsVerdict {
  readonly rows: number;
  /** Decisions with another label than they have, missing or one too many. */
  readonly wrong: readonly string[];
}

/** Exports decisions with their labels, and holds each row to the naive labels of what was acknowledged, as of the export's own time. */
export async function checkLabels(
  world: Pick<World, 'definitions' | 'pool' | 'reader' | 'archiveDir' | 'spillDir'>,
  said: Said,
  signal: AbortSignal,
): Promise<LabelsVerdict> {
  const out = join(world.spillDir, 'taken.parquet');
  const { labels } = await exported(world, out, signal);
  if (labels === undefined) throw internalBug('an export of labels does not say of which');
  const expected = naiveLabels(said, shopModel.name, labels.asOfUs);
  const found = await labelsIn(out, world.spillDir);
  const ids = new Set([...expected.keys(), ...found.keys()]);
  return {
    rows: found.size,
    wrong: [...ids].filter((id) => expected.get(id) !== found.get(id)),
  };
}

/** As soon as enough is archived that one is mature. */
async function exported(
  { definitions, pool, reader, archiveDir, spillDir }: Parameters<typeof checkLabels>[0],
  out: string,
  signal: AbortSignal,
): Promise<TrainingManifest> {
  const nowMs = Date.now();
  for (let tries = 0; ; tries++)
    try {
      return await exportTrainingSet({
        service: definitions.services.get(shopModel.name)!,
        mode: 'decided',
        labels: {
          labels: definitions.labelSets.get(taken.name)!,
          from: new Date(nowMs - DAY_MS).toISOString(),
          to: new Date(nowMs + DAY_MS).toISOString(),
        },
        out,
        pool,
        reader,
        archiveDir,
        servedTopic: SERVED_TOPIC,
        spillDir,
        clock: systemClock,
        signal,
        overwrite: true,
      });
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'no-mature-labels' || tries >= MOST_TRIES) throw error;
      await delay(TRY_EVERY_MS, undefined, { signal });
    }
}

async function labelsIn(path: string, tempDir: string): Promise<ReadonlyMap<string, number>> {
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir });
  try {
    const rows = await duckdb.query<{ decision_id: string; label: number }>(
      'SELECT decision_id, label FROM read_parquet($1)',
      [path],
    );
    return new Map(rows.map(({ decision_id, label }) => [decision_id, label]));
  } finally {
    await duckdb.close();
  }
}
