import { banditShares } from '../evidence/bandit-shares.ts';
import { bestChances } from '../evidence/best-chances.ts';
import { confidenceSequence } from '../evidence/confidence-sequence.ts';
import { combinedDifference, type Difference, meanDifference, pairedDifference } from '../evidence/difference.ts';
import type { EvidenceSums } from '../evidence/evidence-sums.ts';
import type { SampleMoments } from '../evidence/exact-moments.ts';
import { lossRatio } from '../evidence/loss-ratio.ts';
import { sampleRatio } from '../evidence/sample-ratio.ts';
import { DIFFERENCE, METRIC, type RolloutEvidence, WEIGHTED } from './fold-units.ts';
import type { GuardrailJudgement, Judgement, SegmentJudgement, StageJudgement, TellableInterval } from './judgement.ts';
import { whatLacks } from './what-lacks.ts';
import { comparisonsOf, isMeasured, type RolloutRule, tunedTo } from './rollout-rule.ts';
import { emptyTally, type StageCounts } from './stage-counts.ts';

/** So many segments a page has room for. */
const SEGMENTS_SHOWN = 20;

export interface JudgeInput {
  readonly rule: RolloutRule;
  /** The present one. */
  readonly stage: number;
  readonly evidence: RolloutEvidence;
  readonly asOfUs: number;
  readonly labels: Judgement['labels'];
  /** How long a decision's label takes. */
  readonly matureAfterUs: number;
}

/**
 * What the evidence says. A function of the sums: whoever holds them comes to the same.
 *
 * @example
 * judge({ rule, stage: 1, evidence: fold.evidence(asOfUs), asOfUs, labels, matureAfterUs }).isBetter;
 */
export function judge(input: JudgeInput): Omit<Judgement, 'evaluatedAtMs' | 'tookMs'> {
  const { rule, stage, evidence, asOfUs, labels } = input;
  const stages = rule.stages.flatMap((_, index): StageJudgement[] => {
    const counts = evidence.stages.find((one) => one.stage === index);
    return counts === undefined && index !== stage ? [] : [stageOf(rule, evidence.sums, counts ?? emptyTally(index))];
  });
  const combined = differenceOf(rule, evidence.sums, null);
  const interval = intervalOf(rule, combined);
  const gain = rule.metric.better === 'higher' ? interval : flipped(interval);
  const chances = rule.mode === 'bandit' ? chancesOf(rule, evidence.sums) : null;
  const margin = rule.stages[stage]?.smallestEffect ?? null;
  return {
    asOfUs: Number.isFinite(asOfUs) ? asOfUs : null,
    stages,
    combined: interval,
    isBetter: (gain?.low ?? 0) > 0,
    isWorse: (gain?.high ?? 0) < 0,
    isNotWorse: margin !== null && gain !== null && gain.low !== null && gain.low > -margin,
    guardrails: metricGuardrails(rule, evidence.sums),
    segments: segmentsJudged(rule, evidence.sums),
    labels,
    lacks: whatLacks(input),
    bestChances: chances,
    banditShare: chances === null ? null : banditShares(chances, rule.floor)[0]!,
  };
}

/** The difference of all measured stages up to now, of a segment or of all units. */
function differenceOf(rule: RolloutRule, sums: EvidenceSums, segment: string | null): Difference | null {
  const stages = rule.stages.flatMap((_, stage) => stageDifference(rule, sums, stage, segment) ?? []);
  return combinedDifference(stages);
}

function stageDifference(
  rule: RolloutRule,
  sums: EvidenceSums,
  stage: number,
  segment: string | null,
): Difference | null {
  const own = rule.stages[stage]!;
  if (!isMeasured(rule, own)) return null;
  const read = (metric: string, variant: string) => sums.read({ metric, stage, variant, segment });
  if (own.share === 0) return pairedDifference(read(METRIC, DIFFERENCE));
  if (rule.mode === 'bandit') return pairedDifference(read(WEIGHTED, DIFFERENCE));
  return meanDifference(read(METRIC, 'candidate'), read(METRIC, 'against'));
}

function stageOf(rule: RolloutRule, sums: EvidenceSums, counts: StageCounts): StageJudgement {
  const { stage, candidate, against, paired, unpaired, mixed, withoutUnit, losses } = counts;
  const own = rule.stages[stage]!;
  const metric = own.share > 0 && rule.mode === 'bandit' ? WEIGHTED : METRIC;
  const meanOf = (variant: string): number | null => {
    const { count, mean } = sums.read({ metric, stage, variant, segment: null });
    return count === 0 ? null : mean;
  };
  const difference = stageDifference(rule, sums, stage, null);
  const isShadow = own.share === 0;
  // Shares of a bandit change: each revision has its own, and there is no one ratio to hold the units to.
  const ratio =
    isShadow || own.share === 1 || rule.mode === 'bandit'
      ? null
      : sampleRatio(
          new Map([
            ['candidate', candidate.exposed],
            ['against', against.exposed],
          ]),
          [
            { variant: 'candidate', share: own.share },
            { variant: 'against', share: 1 - own.share },
          ],
        );
  const isLostAlike = losses === undefined || !lossRatio(losses.candidate, losses.against).isMismatch;
  return {
    stage,
    candidate,
    against,
    candidateMean: meanOf('candidate'),
    againstMean: meanOf('against'),
    difference: intervalOf(rule, difference),
    units: isMeasured(rule, own) ? (difference?.units ?? 0) : paired,
    paired,
    unpaired,
    mixed,
    withoutUnit,
    ratioP: ratio?.p ?? null,
    losses: isLostAlike ? null : losses,
    isRatioMismatch: (ratio?.isMismatch ?? false) || !isLostAlike,
  };
}

function metricGuardrails(rule: RolloutRule, sums: EvidenceSums): GuardrailJudgement[] {
  return rule.guardrails.flatMap(({ kind, segment, limit }, guardrail): GuardrailJudgement[] => {
    if (kind !== 'metric') return [];
    const interval = intervalOf(rule, differenceOf(rule, sums, segment));
    const worse = rule.metric.better === 'lower' ? interval : flipped(interval);
    return [{ guardrail, worse, isBreached: worse !== null && worse.low !== null && worse.low > limit }];
  });
}

function segmentsJudged(rule: RolloutRule, sums: EvidenceSums): SegmentJudgement[] {
  if (rule.segments.length === 0) return [];
  const units = new Map<string, Map<string, number>>();
  for (const { metric, variant, segment, stage } of sums.cells()) {
    if (metric !== METRIC || segment === null || variant === DIFFERENCE) continue;
    const own = units.get(segment) ?? new Map<string, number>();
    units.set(segment, own);
    own.set(variant, (own.get(variant) ?? 0) + sums.read({ metric, stage, variant, segment }).count);
  }
  const most = [...units].map(([segment, own]) => ({
    segment,
    candidateUnits: own.get('candidate') ?? 0,
    againstUnits: own.get('against') ?? 0,
  }));
  // Of equals in the order of the sums, which is that of their names.
  most.sort((a, b) => b.candidateUnits + b.againstUnits - (a.candidateUnits + a.againstUnits));
  // Nothing is decided by them, and whoever reads them reads all: they share `alpha` among themselves. Of few segments as of a page full, so that the first
  // ones are not narrower while more are to come.
  const comparisons = Math.max(SEGMENTS_SHOWN, most.length);
  return most
    .slice(0, SEGMENTS_SHOWN)
    .map((one) => ({ ...one, difference: intervalOf(rule, differenceOf(rule, sums, one.segment), comparisons) }));
}

/** Of means per stage none can be put together: of the last stage where something is known of both; null: of none, and shares stay what they were told to be. */
function chancesOf(rule: RolloutRule, sums: EvidenceSums): readonly number[] | null {
  const samplesOf = (stage: number): SampleMoments[] =>
    ['candidate', 'against'].map((variant) => sums.read({ metric: METRIC, stage, variant, segment: null }));
  const stage = rule.stages.findLastIndex(
    ({ share }, index) => share > 0 && samplesOf(index).every(({ count }) => count >= 2),
  );
  if (stage < 0) return null;
  return bestChances(samplesOf(stage), 'number', rule.metric.better === 'higher' ? 'more' : 'less');
}

/**
 * The interval of a difference as JSON can carry it.
 *
 * @param comparisons how many intervals share `alpha` with it
 */
export function intervalOf(
  rule: Pick<RolloutRule, 'alpha' | 'guardrails' | 'stages'>,
  difference: Difference | null,
  comparisons = comparisonsOf(rule),
): TellableInterval | null {
  if (difference === null) return null;
  const { low, high } = confidenceSequence(difference, {
    alpha: rule.alpha,
    comparisons,
    minUnits: tunedTo(rule),
  });
  const { value, units } = difference;
  return { value, units, low: Number.isFinite(low) ? low : null, high: Number.isFinite(high) ? high : null };
}

function flipped(interval: TellableInterval | null): TellableInterval | null {
  if (interval === null) return null;
  const { value, low, high, units } = interval;
  return { value: -value, low: high === null ? null : -high, high: low === null ? null : -low, units };
}
