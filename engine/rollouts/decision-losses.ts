import type { Row } from '../contract/compiled-contract.ts';
import type { Losses } from '../evidence/loss-ratio.ts';
import type { ObservedDecision } from './observed-decision.ts';

/** Of the variants of one stage. */
export interface StageLosses {
  readonly candidate: Losses;
  readonly against: Losses;
}

/**
 * What the logs of applications say that they dropped of a rollout's decisions (docs/adr/0025): per log, stage and variant the greatest count is what is
 * missing, however often and in which order it is told.
 *
 * @example
 * const losses = new DecisionLosses();
 * for (const row of rows) losses.take(row);
 * losses.of(1, decisions).candidate; // { sent: 900, dropped: 100 }
 */
export class DecisionLosses {
  readonly #logs = new Map<string, number>();
  readonly #dropped = new Map<string, number>();

  /** @param row a decision that names its stage and variant */
  take(row: Row): void {
    const { stage, variant, log_id: log, dropped_before: dropped } = row;
    if (typeof log !== 'string' || typeof dropped !== 'number') return;
    const key = `${stage as number}/${variant as string}`;
    const own = `${key}/${log}`;
    const more = dropped - (this.#logs.get(own) ?? 0);
    if (more <= 0) return;
    this.#logs.set(own, dropped);
    this.#dropped.set(key, (this.#dropped.get(key) ?? 0) + more);
  }

  /** @param decisions those that are there, each once */
  of(stage: number, decisions: Iterable<Pick<ObservedDecision, 'stage' | 'variant'>>): StageLosses {
    const sent = { candidate: 0, against: 0 };
    for (const one of decisions)
      if (one.stage === stage && (one.variant === 'candidate' || one.variant === 'against')) sent[one.variant]++;
    const lossesOf = (variant: 'candidate' | 'against'): Losses => ({
      sent: sent[variant],
      dropped: this.#dropped.get(`${stage}/${variant}`) ?? 0,
    });
    return { candidate: lossesOf('candidate'), against: lossesOf('against') };
  }
}
