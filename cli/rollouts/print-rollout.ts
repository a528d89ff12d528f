import {
  COURSE_HEAD,
  courseCells,
  intervalWords,
  NOVELTY_HEAD,
  noveltyCells,
  rolloutLines,
  STAGES_HEAD,
  stageCells,
} from '../../engine/evaluation/rollout-words.ts';
import type { RolloutReport } from '../../engine/evaluation/rollout-report.ts';
import type { RolloutStatus } from '../../workflows/model-rollout/contract.ts';
import type { Output } from '../output.ts';

/** Where a rollout is, in a line or a few. */
export function printRolloutStatus(output: Output, status: RolloutStatus): void {
  const { model, phase, stage, stages, because, accepts, error, waitingFor } = status;
  output.line(`rollout of ${model}: ${phase}, stage ${stage + 1} of ${stages}: ${because}`);
  if (waitingFor !== null) output.line(`waits (${waitingFor.code}): ${waitingFor.message}`);
  if (error !== null) output.line(`error ${error.code}: ${error.message}\n  ${error.remedy}`);
  if (accepts.length > 0) output.line(`next: ${accepts.map((name) => `millrace rollout ${name} ${model}`).join(', ')}`);
}

/** All that is known of a rollout. */
export function printRolloutReport(output: Output, report: RolloutReport): void {
  const { judgement, novelty } = report;
  output.table(['', ''], rolloutLines(report));
  output.table(COURSE_HEAD, courseCells(report));
  if (judgement !== null) {
    output.table(STAGES_HEAD, stageCells(judgement.stages));
    if (judgement.segments.length > 0)
      output.table(
        ['segment', 'candidate', 'against', 'difference'],
        judgement.segments.map((one) => [
          one.segment,
          one.candidateUnits,
          one.againstUnits,
          intervalWords(one.difference),
        ]),
      );
  }
  if (novelty.length > 0) output.table(NOVELTY_HEAD, noveltyCells(novelty));
}
