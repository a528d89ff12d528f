import { patched, workflowInfo } from '@temporalio/workflow';
import { engineOf, type OtherReleases, UPGRADES } from '../other-release.ts';
import type { WaitLane } from '../waits.ts';
import { backfill, lookUp } from './calls.ts';
import type { Candidate, ViewPlan } from './contract.ts';
import { topicOf } from './own-topic.ts';
import type { LifecycleState } from './state.ts';
import type { LifecycleEvent } from './transition.ts';
import { definitionChangedToo, isOfDefinition, isRetiredBy, isUpgrading, semanticsKnown } from './upgrade.ts';

/** Whose version is built. */
interface Owner {
  readonly state: LifecycleState;
  apply(event: LifecycleEvent): void;
}

/** What a build waits for: two, for it looks its view up again before each try. */
interface BuildLanes {
  readonly lookUp: WaitLane;
  readonly backfill: WaitLane;
}

/**
 * Looks a view up and builds a version of it aside, with a worker of this release; null where there is nothing to build any more. One that
 * nobody asked for, because earlier semantics built what is served, must be of the same definition and reach back as far.
 *
 * @param begun called before there is anything to clean up
 */
export async function buildVersion(
  owner: Owner,
  others: OtherReleases,
  lanes: BuildLanes,
  begun: () => void,
): Promise<Candidate | null> {
  const { view, wants: asked } = owner.state;
  const mayBeDone = asked.build === 'first' || (asked.build === null && isUpgrading(owner.state));
  for (let tries = 0; ; tries++) {
    let plan: ViewPlan;
    try {
      plan = await lookUp(view);
    } catch (error) {
      await lanes.lookUp.retryAfter(error);
      continue;
    }
    lanes.lookUp.over();
    if ((plan.semantics ?? 0) < semanticsKnown(owner.state) && patched(UPGRADES)) {
      await others.wait(tries);
      continue;
    }
    owner.apply({ type: 'resolved', plan: heeded(owner.state, plan) });
    const { wants, live } = owner.state;
    const upgraded = wants.build === null && isUpgrading(owner.state) ? live : null;
    if (mayBeDone && wants.build === null && upgraded === null) return null;
    if (upgraded !== null && upgraded.fingerprint !== plan.former) throw definitionChangedToo(plan, upgraded);
    begun();
    try {
      const covers = upgraded === null ? {} : { covers: upgraded.version };
      const { fingerprint, topic } = builtBy(owner.state, plan);
      const build = `${workflowInfo().firstExecutionRunId}/${owner.state.builds}`;
      // Who asks for a rebackfill asks for the log.
      const takes = wants.build === 'first' || wants.build === 'desired' ? { mayTakeStates: true } : {};
      const semantics = semanticsKnown(owner.state);
      const built = await backfill({ view, fingerprint, semantics, build, ...covers, ...takes });
      lanes.backfill.over();
      return { built, fingerprint, topic };
    } catch (error) {
      // Retired is also what a worker of the release before had planned, for a worker of this one.
      if (engineOf(error) === null ? others.gave(error) : patched(UPGRADES)) await others.wait(tries);
      else await lanes.backfill.retryAfter(error);
    }
  }
}

/** Marks, in a run's history, that what is served is built anew by its own definition: a newer one waits to be approved. */
const OWN_REFRESH = 'own-refresh';

/** The definition that a build is by: the one the view is to be, or, to bring what is served up to date, the one that is. */
function builtBy({ wants, live }: LifecycleState, plan: ViewPlan): Pick<Candidate, 'fingerprint' | 'topic'> {
  const isOwn = wants.build === 'refresh' && live !== null && !isOfDefinition(live, plan) && patched(OWN_REFRESH);
  return isOwn ? { fingerprint: live.fingerprint, topic: topicOf(live, plan) } : plan;
}

/** What a run of the release before did not look at is not looked at when it is replayed. */
function heeded(state: LifecycleState, plan: ViewPlan): ViewPlan {
  const isNews = isRetiredBy(state.live ?? plan.live, plan.semantics);
  return isNews && !patched(UPGRADES) ? { ...plan, semantics: undefined } : plan;
}
