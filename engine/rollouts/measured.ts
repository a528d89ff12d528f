import type { Label, LabelValue } from '../evidence/label-rule.ts';
import type { RolloutMeasure } from './rollout-rule.ts';

/** Nearer to 0 and 1 no score counts: one certain error would be an infinite loss. */
const NEAREST = 1e-15;

/**
 * What a decision tells of a metric, in the form of a label: `immature` while it may change; null where it tells nothing, as without a score, or with a label
 * that is no number, true or false.
 *
 * @param label that of the decision that was acted on
 * @example
 * measured('brier', 0.8, { kind: 'label', value: true, outcomes: 1, afterMaturity: 0 }); // … value: 0.04
 */
export function measured(measure: RolloutMeasure, score: number | null, label: Label<LabelValue>): Label<number> {
  if (measure === 'score') return told(score, 0);
  if (label.kind !== 'label') return label;
  const value = typeof label.value === 'boolean' ? Number(label.value) : label.value;
  const came = typeof value === 'number' ? value : null;
  return told(came === null ? null : ofOutcome(measure, score, came), label.outcomes);
}

function ofOutcome(measure: Exclude<RolloutMeasure, 'score'>, score: number | null, came: number): number | null {
  if (measure === 'label') return came;
  if (score === null) return null;
  if (measure === 'brier') return finite((score - came) ** 2);
  if (measure === 'absolute-error') return finite(Math.abs(score - came));
  // A loss is told of chances, and of yes and no.
  if (!(score >= 0 && score <= 1) || (came !== 0 && came !== 1)) return null;
  return -Math.log(Math.min(1 - NEAREST, Math.max(NEAREST, came === 1 ? score : 1 - score)));
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function told(value: number | null, outcomes: number): Label<number> {
  return { kind: 'label', value, outcomes, afterMaturity: 0 };
}
