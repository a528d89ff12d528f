import type { RolloutInput } from '../../workflows/model-rollout/contract.ts';
import { MODEL } from './loop-models.ts';

type RolloutOf = RolloutInput & { readonly candidate: number };

/** A second is an hour of June and more: evidence is looked at as much more often. */
const options = { evaluateSeconds: 2 };

/** The second model: beside the first one, then for half of the flights, then for all, each step on evidence. */
export function promotingRollout(candidate: number): RolloutOf {
  return {
    model: MODEL,
    candidate,
    decisions: 'delay_decisions',
    labels: 'late',
    units: 'flight',
    metric: { measure: 'log-loss' },
    stages: [
      { share: 0, minUnits: 3_000, smallestEffect: 0.005 },
      // Flights differ by far more than models do, and none is scored by both here: this stage is to see that nothing is wrong where B acts. Units weigh alike in
      // all stages, so what the shadow told is wider from now on.
      { share: 0.5, minUnits: 4_000, smallestEffect: 0.05 },
    ],
    guardrails: [
      { kind: 'errors', limit: 0.01 },
      { kind: 'coverage', limit: 0.05 },
      { kind: 'latency', limit: 50 },
    ],
    segments: ['origin'],
    options,
  };
}

/** The broken one, straight to a tenth of the flights: what stops it is a guardrail on decisions, before any label is there. */
export function guardedRollout(candidate: number): RolloutOf {
  return {
    model: MODEL,
    candidate,
    decisions: 'delay_decisions',
    labels: 'late',
    units: 'flight',
    metric: { measure: 'log-loss' },
    // Guardrails speak from a tenth of these units on.
    stages: [{ share: 0.1, minUnits: 400, smallestEffect: 0.01 }],
    guardrails: [
      { kind: 'errors', limit: 0.01 },
      { kind: 'coverage', limit: 0.05 },
      { kind: 'score-shift', limit: 0.1 },
      { kind: 'action-share', action: 'warn', limit: 0.1 },
      { kind: 'metric', limit: 0.05 },
    ],
    options,
  };
}
