import type { ApplicationFailure } from '@temporalio/workflow';
import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import { failure } from '../failure.ts';
import { isRecord } from '../json-input.ts';
import type { EngineNews, LiveVersion, ViewPlan } from './contract.ts';
import type { LifecycleState } from './state.ts';

/** What a build is refused for that would silently hold less, or other things, than what is served: a person accepts it, or does not. */
const FOR_A_PERSON: ReadonlySet<string> = new Set<MillraceErrorCode>([
  'definition-changed',
  'offsets-gone',
  'topic-recreated',
  'cluster-changed',
  'history-changed',
]);

/** Below every one there is: it is not said of what was made before it was noted. */
const NOT_NOTED = 0;

function semanticsOf(live: LiveVersion): number {
  return live.semantics ?? NOT_NOTED;
}

/** True of a served version that an engine of these semantics does not go on with. */
export function isRetiredBy(live: LiveVersion | null, semantics: number | null | undefined): boolean {
  return live !== null && semantics != null && semanticsOf(live) < semantics;
}

/** True of a version that the very definition has built that a worker speaks of, be it by the semantics before. */
export function isOfDefinition(
  live: LiveVersion,
  plan: Pick<ViewPlan, 'fingerprint' | 'former' | 'semantics'>,
): boolean {
  return live.fingerprint === (isRetiredBy(live, plan.semantics) ? plan.former : plan.fingerprint);
}

/** True of a built version of another definition than what is served. */
export function isAnothers({ live, plan }: LifecycleState, fingerprint: string): boolean {
  if (live === null || plan === null || live.fingerprint === fingerprint) return false;
  return !(plan.fingerprint === fingerprint && isOfDefinition(live, plan));
}

/** The newest semantics this lifecycle has heard of: an answer of less is that of a worker of another release. */
export function semanticsKnown({ engine, plan }: LifecycleState): number {
  return Math.max(engine ?? NOT_NOTED, plan?.semantics ?? NOT_NOTED);
}

/** True while what is served stands still until a version by the newest semantics heard of takes over. */
export function isUpgrading({ live, engine }: LifecycleState): boolean {
  return isRetiredBy(live, engine);
}

/** True where the upgrade waits for somebody to accept what it would change. */
export function awaitsAcceptance(state: LifecycleState): boolean {
  const { build } = state.failures;
  return isUpgrading(state) && build !== null && FOR_A_PERSON.has(build.code);
}

/** Which semantics go and which come; null while there is nothing to upgrade. */
export function upgradeOf({ live, engine }: LifecycleState): { from: number | null; to: number } | null {
  if (live === null || engine === null || !isRetiredBy(live, engine)) return null;
  return { from: live.semantics ?? null, to: engine };
}

/** True of a signal that says what it should: one from a person may not. */
export function isEngineNews(news: unknown): news is EngineNews {
  if (!isRecord(news)) return false;
  const { semantics, lag } = news;
  return typeof semantics === 'number' && (lag === null || typeof lag === 'number');
}

/** The state once it is known that a worker's engine has these semantics. */
export function engineHeard(state: LifecycleState, semantics: number, lag: number | null): LifecycleState {
  const heard = { ...state, engine: Math.max(state.engine ?? NOT_NOTED, semantics) };
  if (!isUpgrading(heard)) return heard;
  // What was wrong with the stream of a version that is not streamed any more does not matter now.
  return { ...heard, standing: lag ?? state.standing, failures: { ...state.failures, stream: null, proof: null } };
}

/** The error of an upgrade whose definition is not the one that what is served was built by. */
export function definitionChangedToo(plan: ViewPlan, live: LiveVersion): ApplicationFailure {
  return failure(
    'definition-changed',
    `view "${plan.view}": version ${live.version} was built by definition ${live.fingerprint.slice(0, 12)} and earlier semantics of the engine; this worker's definition is another one (${plan.fingerprint.slice(0, 12)}), and not only by its semantics`,
    'Send "rebackfill" to build the new definition and flip to it, or run the old definition again and send "retry".',
  );
}
