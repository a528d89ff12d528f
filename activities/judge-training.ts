import { readModelMetrics } from '../engine/models/read-manifest.ts';
import { modelAliases, modelVersion } from '../engine/postgres/model-versions.ts';
import type { JudgeTrainingInput } from '../workflows/train-model/calls.ts';
import type { TrainJudgement } from '../workflows/train-model/contract.ts';
import { judge, type Known } from '../workflows/train-model/minimum.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { trainingFiles } from './training-files.ts';

/** Reads what the command says of its model, and holds it to the minimum. */
export async function judgeTraining(deps: ActivityDeps, input: JudgeTrainingInput): Promise<TrainJudgement> {
  const files = trainingFiles(deps.archiveDir, input);
  const { minimum, hasMetrics, model } = input;
  const metrics = hasMetrics ? await readModelMetrics(files.metrics) : null;
  if (minimum === null) return { metrics, isMet: null, why: 'nothing is asked of it' };
  const champion = minimum.betterThan === 'champion' ? await championOf(deps, model) : null;
  return { metrics, ...judge(minimum, { metrics, champion }) };
}

async function championOf({ pool }: ActivityDeps, model: string): Promise<Known['champion']> {
  const champion = (await modelAliases(pool, model)).find(({ alias }) => alias === 'champion');
  return champion === undefined ? null : await modelVersion(pool, model, champion.version);
}
