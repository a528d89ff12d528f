import { count } from '../../cli/output.ts';
import { percent } from '../../engine/values/shown-number.ts';
import type { LoopFigures, OffPolicyFigures, RolloutFigures } from './loop-figures.ts';

/** The figures in lines: a word, then what it is. */
export function figureLines(figures: Omit<LoopFigures, 'seconds'>): readonly (readonly [string, string])[] {
  const { logLossBase, logLossA, logLossB, rollout, guardrail, guardrailUnitsShare, guardrailUnits } = figures;
  const { opeEstimate, opeInterval, opeActual, opeActualInterval, opeBroken } = figures;
  const ofB: OffPolicyFigures = {
    estimate: opeEstimate,
    interval: opeInterval,
    actual: opeActual,
    actualInterval: opeActualInterval,
    refusal: null,
  };
  return [
    ['log loss, base rate', logLossBase.toFixed(4)],
    ['log loss, A', logLossA.toFixed(4)],
    ['log loss, B', logLossB.toFixed(4)],
    ['rollout of B', rolloutText(rollout)],
    ['rollout of C, broken', guardrail === null ? 'not started' : rolloutText(guardrail)],
    ['units C ever touched', `${percent(guardrailUnitsShare)} (${count(guardrailUnits)})`],
    ['B off-policy, then what happened', offPolicyText(ofB)],
    ['C off-policy, then what happened', offPolicyText(opeBroken)],
    ['stands in the end', figures.chosen],
    ['decisions', count(figures.decisions)],
    ['outcomes', count(figures.outcomes)],
    ['labels', `${count(figures.labelsMature)} mature, ${count(figures.labelsImmature)} not yet`],
  ];
}

function rolloutText({ end, why }: RolloutFigures): string {
  return `${end}: ${why}`;
}

function offPolicyText({ estimate, interval, actual, actualInterval, refusal }: OffPolicyFigures): string {
  const estimated = estimate === null ? (refusal ?? 'nothing was estimated') : rangeText(estimate, interval);
  return `${estimated}; ${actual === null ? 'it did not act' : rangeText(actual, actualInterval)}`;
}

/** `-0.612 (-0.655 to -0.569)` */
function rangeText(value: number, interval: readonly [number, number] | null): string {
  const shown = (one: number): string => one.toFixed(3).replace('-', '−');
  return interval === null ? shown(value) : `${shown(value)} (${shown(interval[0])} to ${shown(interval[1])})`;
}
