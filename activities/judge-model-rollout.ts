import { judgeRollout } from '../engine/rollouts/judge-rollout.ts';
import type { Judgement } from '../engine/rollouts/judgement.ts';
import type { JudgeRolloutInput } from '../workflows/model-rollout/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { memoryWait, STILL_FOR_MS, withPulse } from './heartbeat.ts';
import { rolloutParts } from './rollout-parts.ts';

/** Looks at the evidence of a rollout. Safe to repeat: it is a function of the log. */
export async function judgeModelRollout(deps: ActivityDeps, input: JudgeRolloutInput): Promise<Judgement> {
  const { plan, asked, stage } = input;
  const { labels, reader } = rolloutParts(deps, asked);
  const { pool, clock, spillDir, memory } = deps;
  return await withPulse({ stillForMs: STILL_FOR_MS }, async (pulse) => {
    const wait = memoryWait(pulse);
    return await judgeRollout({
      pool,
      reader,
      labels,
      rollout: plan.rollout,
      stage,
      rule: asked.rule,
      clock,
      spillDir,
      memory,
      signal: pulse.signal,
      onWait: wait.onWait,
      onProgress: ({ phase, done, total }) => wait.report({ phase, done, total }),
    });
  });
}
