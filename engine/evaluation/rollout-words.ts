import type { StageJudgement, TellableInterval } from '../rollouts/judgement.ts';
import type { NoveltyDay, RolloutReport } from './rollout-report.ts';

/** `-0.02 (-0.03 to -0.01)` */
export function intervalWords(interval: TellableInterval | null): string {
  if (interval === null) return 'nothing known';
  const bound = (at: number | null): string => (at === null ? 'open' : digits(at));
  return `${digits(interval.value)} (${bound(interval.low)} to ${bound(interval.high)})`;
}

/** What stands at the head of a report. */
export function rolloutLines({
  rollout,
  startedAt,
  endedAt,
  rule,
  judgement,
  breach,
}: RolloutReport): [string, string][] {
  const lines: [string, string][] = [
    ['rollout', `${rollout.id} (${rollout.mode})`],
    [
      'variants',
      rollout.variants
        .map(({ variant, version, share }) => `${variant}: version ${version}, ${percent(share)}`)
        .join('; '),
    ],
    ['is', rollout.phase === 'open' ? `open, at stage ${rollout.stage + 1}` : rollout.phase],
    ['from', `${startedAt}${endedAt === null ? '' : ` to ${endedAt}`}`],
  ];
  if (rule !== null) lines.push(['metric', `${rule.metric.measure}, ${rule.metric.better} is better`]);
  if (judgement !== null) {
    lines.push(['effect', `${intervalWords(judgement.combined)}, all stages together`]);
    lines.push(['labels', `${judgement.labels.mature} of ${judgement.labels.decisions} mature`]);
    if (judgement.lacks !== null) lines.push(['lacks', judgement.lacks]);
  }
  if (breach !== null) lines.push(['breached', breach.why]);
  return lines;
}

export const COURSE_HEAD = ['at', 'stage', 'candidate', 'is', 'by', 'why'];

/** The states it had. */
export function courseCells({ course }: RolloutReport): string[][] {
  return course.map(({ at, stage, variants, phase, shadow, actor, why }) => [
    at,
    String(stage + 1),
    shadow ? 'shadow' : percent(variants.find(({ variant }) => variant !== 'against')?.share ?? 0),
    phase,
    actor,
    why,
  ]);
}

export const STAGES_HEAD = [
  'stage',
  'candidate',
  'against',
  'mean',
  'mean against',
  'difference',
  'units',
  'sample ratio',
];

/** A row per stage. */
export function stageCells(stages: readonly StageJudgement[]): string[][] {
  return stages.map((one) => [
    String(one.stage + 1),
    String(one.candidate.exposed),
    String(one.against.exposed),
    one.candidateMean === null ? '' : digits(one.candidateMean),
    one.againstMean === null ? '' : digits(one.againstMean),
    intervalWords(one.difference),
    String(Math.round(one.units)),
    one.isRatioMismatch ? 'mismatch' : one.ratioP === null ? '' : `p = ${digits(one.ratioP)}`,
  ]);
}

export const NOVELTY_HEAD = ['day', 'candidate', 'against', 'difference'];

/** A row per day since a unit first met its variant. */
export function noveltyCells(novelty: readonly NoveltyDay[]): string[][] {
  return novelty.map(({ day, candidateUnits, againstUnits, difference }) => [
    String(day),
    String(candidateUnits),
    String(againstUnits),
    intervalWords(difference),
  ]);
}

function percent(share: number): string {
  return `${digits(share * 100)} %`;
}

function digits(value: number): string {
  return String(Number(value.toPrecision(4)));
}
