import type { LiveVersion, ViewPlan } from './contract.ts';

/** The topic that a version reads: its own, whatever was applied since; null: none. Of one that workers of the release before told of, that of the definition. */
export function topicOf({ topic }: Pick<LiveVersion, 'topic'>, plan: ViewPlan | null): string | null {
  return topic === undefined ? (plan?.topic ?? null) : topic;
}

/** Whether what is served, or is to be, has a topic; true where that is not known yet. */
export function hasTopic(live: LiveVersion | null, plan: ViewPlan | null): boolean {
  return plan === null || (live === null ? plan.topic : topicOf(live, plan)) !== null;
}
