import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { EndTrainingInput } from '../workflows/train-model/calls.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { KEPT_FILES, trainingFiles } from './training-files.ts';
import { counterOn, gaugeOn } from './worker-metrics.ts';

/** Of a model, the newest runs whose manifest and log stay. */
const RUNS_KEPT = 20;

/**
 * Counts the end of a training, and gives back what it took: the training set and the model go, also those of runs that were ended from outside; of the newest
 * runs manifest, metrics and log stay. Idempotent but for the count.
 */
export async function endTraining(deps: ActivityDeps, input: EndTrainingInput): Promise<void> {
  const { ofModel } = trainingFiles(deps.archiveDir, input);
  const { model, outcome, code, seconds } = input;
  await sweepTrainings(ofModel);
  const { metricMeter } = Context.current();
  counterOn(metricMeter, 'millrace_trainings_total').add(1, { model, outcome, code: code ?? '' });
  const gauge = gaugeOn(metricMeter, 'millrace_training_step_seconds', 'float');
  for (const [step, took] of Object.entries(seconds)) gauge.set(took, { model, step });
}

/** A model has one training at a time: whatever lies here is of those that have ended. */
export async function sweepTrainings(ofModel: string): Promise<void> {
  const names = await readdir(ofModel).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const runs = await Promise.all(
    names.map(async (name) => ({ folder: join(ofModel, name), atMs: (await stat(join(ofModel, name))).mtimeMs })),
  );
  runs.sort((a, b) => b.atMs - a.atMs);
  for (const [place, { folder }] of runs.entries()) {
    if (place >= RUNS_KEPT) await rm(folder, { recursive: true, force: true });
    else
      for (const name of await readdir(folder))
        if (!KEPT_FILES.has(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
