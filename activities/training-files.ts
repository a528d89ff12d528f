import { join } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { modelName } from '../engine/models/model-name.ts';
import { splitPaths } from '../engine/training/split.ts';
import type { TrainingOf } from '../workflows/train-model/calls.ts';

/** Where the files of a run are: in the archive's folder, which all workers have, whichever of them does the next step. */
export interface TrainingFiles {
  /** Of all runs of the model. */
  readonly ofModel: string;
  readonly folder: string;
  readonly set: string;
  readonly train: string;
  readonly test: string;
  readonly manifest: string;
  readonly model: string;
  readonly metrics: string;
  readonly scores: string;
  readonly evaluation: string;
  readonly log: string;
}

/** What stays of a run: it is small. */
export const KEPT_FILES: ReadonlySet<string> = new Set([
  'training.parquet.manifest.json',
  'metrics.json',
  'evaluation.json',
  'command.log',
]);

/** @throws MillraceError `invalid-name` */
export function trainingFiles(archiveDir: string, { model, run }: TrainingOf): TrainingFiles {
  // Both become parts of a path.
  if (!/^[\w-]{1,64}$/.test(run))
    throw new MillraceError('invalid-name', `"${run}" is no id of a run`, {
      remedy: 'Start the training by its workflow.',
    });
  const ofModel = join(archiveDir, 'trainings', modelName(model));
  const folder = join(ofModel, run);
  const set = join(folder, 'training.parquet');
  const { train, test } = splitPaths(set);
  return {
    ofModel,
    folder,
    set,
    train,
    test,
    manifest: `${set}.manifest.json`,
    model: join(folder, 'model'),
    metrics: join(folder, 'metrics.json'),
    scores: join(folder, 'scores.csv'),
    evaluation: join(folder, 'evaluation.json'),
    log: join(folder, 'command.log'),
  };
}
