import { join } from 'node:path';
import type { EvaluationPlaces } from '../../cli/evaluation/evaluation-places.ts';
import { count } from '../../cli/output.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { invariant } from '../../engine/errors/millrace-error.ts';
import type { CompiledLabelSet } from '../../engine/define/compiled-label-set.ts';
import type { OpenScan } from '../../engine/evaluation/collect-decisions.ts';
import type { CostMatrix } from '../../engine/evaluation/costs.ts';
import type { ModelNamed } from '../../engine/evaluation/evaluation-ask.ts';
import { evaluateModel } from '../../engine/evaluation/evaluate-model.ts';
import type { EvaluationReport } from '../../engine/evaluation/evaluation-report.ts';
import type { LabelCounts } from '../../engine/labels/label-scan.ts';
import { openLabelScan } from '../../engine/labels/scan-labels.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { ExampleProject } from './example-project.ts';
import { MODEL, SERVICE } from './loop-models.ts';
import type { LoopContext } from './loop-path.ts';
import { AHEAD_US, JULY_US, JUNE_US } from './loop-workspace.ts';
import { exportDecided, LABELS } from './training-sets.ts';

/** What the example's policy costs, as a reward. */
export const REWARDS: CostMatrix = { warn: { '*': -1 }, none: { '0': 0, '1': -4 } };

/** Days of June on which a version is looked at beside another. Times are UTC epoch µs. */
export interface EvaluatedDays {
  readonly fromUs: number;
  readonly untilUs: number;
  readonly model: number;
  readonly against: number;
  /** The file of the model whose policy is put in the place of what the one against decided. */
  readonly policyOf?: string | undefined;
}

/** Where an evaluation finds everything. */
export interface EvaluationContext {
  readonly context: LoopContext;
  readonly project: ExampleProject;
  readonly places: EvaluationPlaces;
  /** Of what the first model was trained on. */
  readonly baseRate: number;
}

/** Evaluates two versions on the same days, and off-policy what the first would have brought in the place of the second. */
export async function evaluateDays(of: EvaluatedDays & EvaluationContext): Promise<EvaluationReport> {
  const { fromUs, untilUs, places, baseRate, context } = of;
  const version = (number: number): ModelNamed => ({ model: MODEL, version: number });
  const policy = of.policyOf === undefined ? undefined : await policyFile(of, of.policyOf);
  return await evaluateModel({
    model: version(of.model),
    against: version(of.against),
    labels: LABELS,
    fromUs,
    untilUs,
    openScan: scanOf(await labelsOf(context), places, fromUs, untilUs),
    duckdb: { memory: places.memory, tempDir: places.spillDir },
    spillDir: places.spillDir,
    baseRate: { value: baseRate, of: 'training set' },
    offPolicy: policy === undefined ? undefined : { candidate: version(of.model), policy, costs: REWARDS },
    signal: context.signal,
    onProgress: (decisions) => context.progress.now(`evaluating: ${count(decisions)} decisions with labels`),
  });
}

/** How the decisions of June became labels. */
export async function countJune(context: LoopContext, places: EvaluationPlaces): Promise<LabelCounts> {
  const scan = await scanOf(await labelsOf(context), places, JUNE_US - AHEAD_US, JULY_US)(() => true);
  let read = 0;
  for await (const batch of scan) {
    read += batch.length;
    context.progress.now(`counting labels: ${count(read)}`);
  }
  return scan.counts as LabelCounts;
}

async function labelsOf({ workspace }: LoopContext): Promise<CompiledLabelSet> {
  const labels = (await loadDefinitions(workspace.featuresDir)).labelSets.get(LABELS);
  invariant(labels !== undefined, `the example defines no label set "${LABELS}"`);
  return labels;
}

function scanOf(
  labels: CompiledLabelSet,
  { pool, reader, spillDir, memory }: EvaluationPlaces,
  fromUs: number,
  untilUs: number,
): OpenScan {
  return (where) =>
    openLabelScan({ labels, where, fromUs, untilUs, pool, reader, spillDir, memory, clock: systemClock });
}

/** What the candidate would have done, by the example's own program, for what was served then. */
async function policyFile(
  { fromUs, untilUs, model, context, project }: EvaluatedDays & EvaluationContext,
  modelFile: string,
): Promise<string> {
  const { session, folder, output, progress } = context;
  const decided = join(folder, `logged-${model}.parquet`);
  const policy = join(folder, `policy-${model}.csv`);
  await exportDecided(session, { service: SERVICE, fromUs, untilUs, out: decided }, output);
  await project.run('score-logged.mjs', ['--model', modelFile, '--policy', policy, decided], (line) =>
    progress.now(`what version ${model} would have done: ${line}`),
  );
  return policy;
}
