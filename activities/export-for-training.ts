import type { ExportForTrainingInput } from '../workflows/train-model/calls.ts';
import type { TrainedSet } from '../workflows/train-model/contract.ts';
import { kafkaNotConfigured } from '../engine/topic/topic-errors.ts';
import { internalBug } from '../engine/errors/millrace-error.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { exportTrainingSet } from './export-training-set.ts';
import { trainingFiles } from './training-files.ts';

/** Writes the training set of a run, where the run's next steps find it. */
export async function exportForTraining(deps: ActivityDeps, input: ExportForTrainingInput): Promise<TrainedSet> {
  const files = trainingFiles(deps.archiveDir, input);
  const { service, rows: asked } = input;
  const { decidedBy, ...rows } = asked;
  // Told before hours are spent, and not after.
  if (deps.models == null) throw kafkaNotConfigured('a model is to be published');
  // What is named by whoever starts workflows stays within the roots; this folder is ours.
  const roots = deps.roots === null ? null : [...deps.roots, files.folder];
  const made = await exportTrainingSet(
    { ...deps, roots },
    { ...rows, ...(decidedBy == null ? {} : { model: decidedBy }), service, out: files.set, overwrite: true },
  );
  if ('isDryRun' in made) throw internalBug('a training set was to be written, and its size came back');
  const { rows: count, sizeBytes, sha256, features, featuresLeftOut = 0, split, labels } = made;
  return {
    rows: count,
    sizeBytes,
    sha256,
    features: features.length + featuresLeftOut,
    split: split === undefined ? null : { at: split.at, trainRows: split.train.rows, testRows: split.test.rows },
    immature: labels?.counts.immature ?? null,
  };
}
