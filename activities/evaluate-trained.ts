import { writeFile } from 'node:fs/promises';
import { askedTime } from '../engine/evaluation/asked-times.ts';
import { evaluateModel } from '../engine/evaluation/evaluate-model.ts';
import { evaluationMetrics } from '../engine/evaluation/evaluation-metrics.ts';
import type { EvaluationReport } from '../engine/evaluation/evaluation-report.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { openLabelScan } from '../engine/labels/scan-labels.ts';
import { modelAliases } from '../engine/postgres/model-versions.ts';
import { kafkaNotConfigured } from '../engine/topic/topic-errors.ts';
import type { EvaluateTrainedInput } from '../workflows/train-model/calls.ts';
import type { EvaluatedSummary } from '../workflows/train-model/contract.ts';
import { judge } from '../workflows/train-model/minimum.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { memoryWait, type Pulse, STILL_FOR_MS, withPulse } from './heartbeat.ts';
import { trainingFiles } from './training-files.ts';

const NOTES_KEPT = 20;

/** Evaluates a new version by the scores that its command gave to decisions of its time, beside the champion where that one decided then. */
export async function evaluateTrained(deps: ActivityDeps, input: EvaluateTrainedInput): Promise<EvaluatedSummary> {
  const files = trainingFiles(deps.archiveDir, input);
  const { model, version, minimum } = input;
  const champion = (await modelAliases(deps.pool, model)).find(({ alias }) => alias === 'champion')?.version ?? null;
  const against = champion === null || champion === version ? null : champion;
  const report = await withPulse({ stillForMs: STILL_FOR_MS }, async (pulse) => {
    try {
      return await evaluated(deps, input, against, pulse);
    } catch (error) {
      // It has scored nothing of these days: the new one is looked at alone.
      const isChampion = isMillraceError(error) && ['model-never-decided', 'no-scores'].includes(error.code);
      if (against === null || !isChampion) throw error;
      return await evaluated(deps, input, null, pulse);
    }
  });
  await writeFile(files.evaluation, JSON.stringify(report));
  const [own, other] = report.sides;
  const beside =
    other === undefined || against === null
      ? null
      : { version: against, metrics: evaluationMetrics({ ...report, sides: [other] }) };
  return {
    rows: own?.rows ?? 0,
    metrics: report.metrics,
    champion: beside,
    notes: report.notes.slice(0, NOTES_KEPT),
    ...(minimum === null
      ? { isMet: null, why: 'nothing is asked of it' }
      : judge(minimum, { metrics: report.metrics, champion: beside })),
  };
}

async function evaluated(
  deps: ActivityDeps,
  { model, run, version, labels: name, rows, evaluate }: EvaluateTrainedInput,
  against: number | null,
  pulse: Pulse,
): Promise<EvaluationReport> {
  const { pool, reader, clock, spillDir, memory, definitions } = deps;
  if (reader === null) throw kafkaNotConfigured('decisions are to be evaluated');
  const labels = definitions.labelSets.get(name);
  if (labels === undefined) throw unknownLabelSet(name, [...definitions.labelSets.keys()]);
  const { onWait, report } = memoryWait(pulse);
  const times = { fromUs: askedTime(rows.from ?? '', 'from'), untilUs: askedTime(rows.to ?? '', 'to') };
  return await evaluateModel({
    model: { model, version },
    against: against === null ? undefined : { model, version: against },
    scores: trainingFiles(deps.archiveDir, { model, run }).scores,
    segments: evaluate.segments,
    positive: evaluate.positive,
    labels: name,
    ...times,
    openScan: (where) =>
      openLabelScan({
        ...times,
        asOfUs: rows.asOf === undefined ? undefined : askedTime(rows.asOf, 'asOf'),
        labels,
        where,
        pool,
        reader,
        clock,
        spillDir,
        memory,
        signal: pulse.signal,
        onWait,
        onProgress: ({ phase, done, total }) => report({ phase, done, total }),
      }),
    duckdb: { memory, tempDir: spillDir },
    spillDir,
    signal: pulse.signal,
    onProgress: (decisions) => report({ phase: 'scores', decisions }),
  });
}

function unknownLabelSet(name: string, known: readonly string[]): MillraceError {
  return new MillraceError('unknown-label-set', `no label set "${name}"; known: ${known.join(', ') || 'none'}`, {
    remedy: 'Correct the name, or restart the worker with the definitions that have it.',
    httpStatus: 404,
  });
}
