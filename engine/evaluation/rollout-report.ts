import { confidenceSequence } from '../evidence/confidence-sequence.ts';
import { meanDifference } from '../evidence/difference.ts';
import { EvidenceSums } from '../evidence/evidence-sums.ts';
import { rolloutBreach, rolloutEvidence, rolloutLook } from '../postgres/rollout-evidence.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { type Rollout, type RolloutRevision, rolloutRevisions, rollouts } from '../postgres/rollouts.ts';
import { NOVELTY } from '../rollouts/fold-novelty.ts';
import type { Judgement, TellableInterval } from '../rollouts/judgement.ts';
import type { RolloutBreach } from '../rollouts/rollout-breach.ts';
import { unknownRollout } from '../rollouts/rollout-errors.ts';
import { type RolloutRule, tunedTo } from '../rollouts/rollout-rule.ts';

/** The effect on the so-manyth day since a unit first met its variant. */
export interface NoveltyDay {
  /** From 0. */
  readonly day: number;
  readonly candidateUnits: number;
  readonly againstUnits: number;
  /** Of the candidate less the other; each day read by itself. */
  readonly difference: TellableInterval | null;
}

/** What is told of a rollout: plain JSON. */
export interface RolloutReport {
  readonly rollout: Pick<Rollout, 'id' | 'model' | 'mode' | 'phase' | 'stage' | 'shadow' | 'revision' | 'variants'>;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** Every state that it had. */
  readonly course: readonly (Omit<RolloutRevision, 'rollout' | 'atUs'> & { readonly at: string })[];
  /** How it is judged, and what was concluded at the last look; null: none was. */
  readonly rule: RolloutRule | null;
  readonly judgement: Judgement | null;
  readonly novelty: readonly NoveltyDay[];
  readonly breach: { readonly breach: RolloutBreach; readonly why: string } | null;
}

/**
 * What is known of the newest rollout of a model. Throws `unknown-rollout`.
 *
 * @example
 * const { judgement, novelty } = await rolloutReport(pool, 'late');
 */
export async function rolloutReport(on: Queryable, model: string): Promise<RolloutReport> {
  const [newest] = await rollouts(on, model);
  if (newest === undefined) throw unknownRollout(`rollout of model "${model}"`);
  const { id, mode, phase, stage, shadow, revision, variants, startedAtUs, endedAtUs } = newest;
  const [course, look, cells, breach] = await Promise.all([
    rolloutRevisions(on, id),
    rolloutLook<RolloutRule, Judgement>(on, id),
    rolloutEvidence(on, id),
    rolloutBreach<RolloutBreach>(on, id),
  ]);
  return {
    rollout: { id, model, mode, phase, stage, shadow, revision, variants },
    startedAt: isoOf(startedAtUs),
    endedAt: endedAtUs === null ? null : isoOf(endedAtUs),
    course: course.map((one) => ({
      revision: one.revision,
      phase: one.phase,
      stage: one.stage,
      shadow: one.shadow,
      variants: one.variants,
      actor: one.actor,
      why: one.why,
      at: isoOf(one.atUs),
    })),
    rule: look?.rule ?? null,
    judgement: look?.judgement ?? null,
    novelty: look === null ? [] : noveltyOf(look.rule, EvidenceSums.of(cells)),
    breach,
  };
}

function noveltyOf(rule: RolloutRule, sums: EvidenceSums): NoveltyDay[] {
  const days = new Set(sums.cells().flatMap(({ metric, stage }) => (metric === NOVELTY ? [stage] : [])));
  return [...days]
    .sort((a, b) => a - b)
    .map((day) => {
      const of = (variant: string) => sums.read({ metric: NOVELTY, stage: day, variant, segment: null });
      const [candidate, against] = [of('candidate'), of('against')];
      const difference = meanDifference(candidate, against);
      const { low, high } = confidenceSequence(difference, { alpha: rule.alpha, minUnits: tunedTo(rule) });
      const bound = (at: number): number | null => (Number.isFinite(at) ? at : null);
      return {
        day,
        candidateUnits: candidate.count,
        againstUnits: against.count,
        difference: difference && {
          value: difference.value,
          units: difference.units,
          low: bound(low),
          high: bound(high),
        },
      };
    });
}

function isoOf(us: number): string {
  return new Date(us / 1000).toISOString();
}
