import { writeFile } from 'node:fs/promises';
import { withEvaluationPlaces } from '../../cli/evaluation/evaluation-places.ts';
import type { EvaluationReport, SideReport } from '../../engine/evaluation/evaluation-report.ts';
import { invariant } from '../../engine/errors/millrace-error.ts';
import type { ScoreMeasures } from '../../engine/evidence/evaluate-scores.ts';
import type { ExampleProject } from './example-project.ts';
import { countJune, type EvaluatedDays, evaluateDays } from './evaluate-june.ts';
import type { LoopFigures, OffPolicyFigures, RolloutFigures } from './loop-figures.ts';
import type { TrainedModel } from './loop-models.ts';
import { loopPage } from './loop-page.ts';
import type { LoopContext } from './loop-path.ts';
import { printLoop } from './print-loop.ts';
import type { RolloutCourse } from './rollout-course.ts';
import type { TouchedUnits } from './touched-units.ts';

/** What there is to be told when June is over. */
export interface LoopCourse {
  readonly versions: { readonly a: number; readonly b: number; readonly c: number };
  readonly models: { readonly a: TrainedModel; readonly b: TrainedModel; readonly c: TrainedModel };
  readonly promoted: RolloutCourse;
  /** Null: the one before never ended. */
  readonly returned: RolloutCourse | null;
  readonly touched: TouchedUnits;
  readonly outcomes: number;
}

/** What a report is made of. */
export interface LoopEvaluation {
  /** Days on which the first two models scored the same flights. */
  readonly both: EvaluationReport;
  /** The second model where it acted beside the first, and what was estimated of it there. */
  readonly shared: EvaluationReport | null;
  /** The broken one beside what it was tried against. */
  readonly broken: EvaluationReport | null;
}

/** Holds what was decided to what came of it, prints it, and writes the page. */
export async function loopReport(
  context: LoopContext,
  project: ExampleProject,
  course: LoopCourse,
): Promise<Omit<LoopFigures, 'seconds'>> {
  const { env, output, progress, html } = context;
  const { versions, models, promoted, returned, touched } = course;
  progress.now('holding what was decided to what came of it');
  const baseRate = models.a.metrics.baseRate;
  return await withEvaluationPlaces(env, async (places) => {
    const evaluate = (days: EvaluatedDays): Promise<EvaluationReport> =>
      evaluateDays({ ...days, context, project, places, baseRate });
    const [shadow, share] = spansOf(promoted);
    invariant(shadow !== undefined, 'the second model never decided beside the first');
    const both = await evaluate({ ...shadow, model: versions.b, against: versions.a });
    const shared =
      share === undefined
        ? null
        : await evaluate({ ...share, model: versions.b, against: versions.a, policyOf: models.b.file });
    const [touchedDays] = returned === null ? [] : spansOf(returned);
    const broken =
      touchedDays === undefined
        ? null
        : await evaluate({
            ...touchedDays,
            model: versions.c,
            against: promoted.end === 'promoted' ? versions.b : versions.a,
            policyOf: models.c.file,
          });
    const counts = await countJune(context, places);
    const [sideB, sideA] = both.sides.map(chances);
    const ope = offPolicyFigures(shared);
    const figures: Omit<LoopFigures, 'seconds'> = {
      logLossBase: sideA!.baseLogLoss,
      logLossA: sideA!.logLoss.value,
      logLossB: sideB!.logLoss.value,
      chosen: promoted.end === 'promoted' ? 'B' : 'A',
      rollout: rolloutFigures(promoted),
      guardrail: returned === null ? null : rolloutFigures(returned),
      guardrailUnitsShare: touched.shareOf(versions.c),
      guardrailUnits: touched.of(versions.c),
      opeEstimate: ope.estimate,
      opeInterval: ope.interval,
      opeActual: ope.actual,
      opeActualInterval: ope.actualInterval,
      opeBroken: offPolicyFigures(broken),
      decisions: counts.decisions,
      outcomes: course.outcomes,
      labelsMature: counts.mature,
      labelsImmature: counts.immature,
    };
    const evaluation = { both, shared, broken };
    await writeFile(html, await loopPage(figures, course, evaluation));
    printLoop(output, figures, course, evaluation);
    return figures;
  });
}

interface Span {
  readonly fromUs: number;
  readonly untilUs: number;
}

/** From when to when each stage went, by the clock of the replay. */
function spansOf({ stages, endedUs, points }: RolloutCourse): Span[] {
  const lastUs = endedUs ?? points.at(-1)?.atUs ?? 0;
  return stages
    .map(({ fromUs }, index) => ({ fromUs, untilUs: stages[index + 1]?.fromUs ?? lastUs }))
    .filter(({ fromUs, untilUs }) => untilUs > fromUs);
}

/** Labels are 0 and 1, so scores are chances. */
export function chances({ measures }: SideReport): ScoreMeasures {
  invariant(measures.kind === 'chance', 'labels of late flights are 0 and 1');
  return measures;
}

function rolloutFigures({ candidate, end, why, stages }: RolloutCourse): RolloutFigures {
  return { candidate, end, why, stages: stages.length };
}

function offPolicyFigures(report: EvaluationReport | null): OffPolicyFigures {
  const { value, actual, refusal } = report?.offPolicy ?? { value: null, actual: null, refusal: 'nothing was logged' };
  const estimate = value?.kind === 'estimated' ? value.doublyRobust : null;
  return {
    estimate: estimate?.value ?? null,
    interval: estimate && [estimate.interval.low, estimate.interval.high],
    actual: actual?.mean.value ?? null,
    actualInterval: actual && [actual.mean.interval.low, actual.mean.interval.high],
    refusal,
  };
}
