import { Context } from '@temporalio/activity';
import type { Activities } from '../../activities/create-activities.ts';
import type { Judgement } from '../../engine/rollouts/judgement.ts';
import type { RolloutPlan, WatchRolloutResult } from '../../workflows/model-rollout/contract.ts';

export type RolloutActivities = Pick<
  Activities,
  'openModelRollout' | 'watchModelRollout' | 'judgeModelRollout' | 'moveModelRollout' | 'endModelRollout'
>;

/** The activities of a rollout as a test scripts them. */
export class ScriptedRollout {
  plan: Omit<RolloutPlan, 'rollout'> = {
    candidate: 2,
    against: 1,
    topic: 'millrace.decisions',
    positions: [[0, 0]],
    matureAfterUs: 60_000_000,
    revision: 1,
  };
  /** What the evidence says, by stage. */
  judgement: (stage: number) => Partial<Judgement> = () => ({});
  #revision = 1;
  /** Ends the watch; until then it goes on. */
  watch = Promise.withResolvers<WatchRolloutResult>();

  activities(called: (name: string, input: unknown) => void): RolloutActivities {
    return {
      openModelRollout: async (input) => {
        called('openModelRollout', input);
        return { ...this.plan, rollout: input.rollout };
      },
      watchModelRollout: async (input) => {
        called('watchModelRollout', input);
        const { cancelled, heartbeat } = Context.current();
        const beating = setInterval(() => heartbeat({}), 50);
        try {
          return await Promise.race([this.watch.promise, cancelled]);
        } finally {
          clearInterval(beating);
        }
      },
      judgeModelRollout: async (input) => {
        called('judgeModelRollout', input);
        return { ...nothingKnown(input.stage), ...this.judgement(input.stage) };
      },
      moveModelRollout: async (input) => {
        called('moveModelRollout', input);
        return { revision: ++this.#revision };
      },
      endModelRollout: async (input) => {
        called('endModelRollout', input);
        return { how: input.how };
      },
    };
  }
}

/** A look at a stage with so many units, of which nothing can be concluded. */
export function nothingKnown(stage: number, units = 5_000): Judgement {
  const counts = { exposed: units, observed: units, waiting: 0, nothing: 0 };
  return {
    asOfUs: 1,
    evaluatedAtMs: 1,
    tookMs: 1,
    stages: [
      {
        stage,
        candidate: counts,
        against: counts,
        candidateMean: 0.4,
        againstMean: 0.5,
        difference: null,
        units,
        paired: units,
        unpaired: 0,
        mixed: 0,
        withoutUnit: 0,
        ratioP: null,
        isRatioMismatch: false,
      },
    ],
    combined: { value: -0.1, low: -0.3, high: 0.1, units },
    isBetter: false,
    isWorse: false,
    isNotWorse: false,
    guardrails: [],
    segments: [],
    labels: { decisions: units, mature: units, immature: 0 },
    lacks: null,
    bestChances: null,
    banditShare: null,
  };
}
