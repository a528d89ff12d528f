import { checkCommand, makeRunFolder } from '../engine/commands/run-training.ts';
import type { CheckTrainingInput } from '../workflows/train-model/calls.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { trainingFiles } from './training-files.ts';

/** What can be told of a training before hours are spent on it: whether its command may run here. */
export async function checkTraining(deps: ActivityDeps, input: CheckTrainingInput): Promise<void> {
  const files = trainingFiles(deps.archiveDir, input);
  checkCommand(rulesOf(deps), { ...input, folder: input.workdir });
  await makeRunFolder(files.folder);
}

/** Which commands this worker runs. */
export function rulesOf({ commands }: ActivityDeps): NonNullable<ActivityDeps['commands']> {
  return commands ?? { roots: [], passed: [] };
}
