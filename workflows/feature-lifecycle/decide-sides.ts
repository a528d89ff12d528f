import { topicOf } from './own-topic.ts';
import type { SideVersion } from './side-version.ts';
import type { LifecycleState } from './state.ts';
import { isRetiredBy } from './upgrade.ts';

/** The work that should be going on beside the served version. */
export interface SideWork {
  /** Versions whose streams are to run. */
  readonly streams: readonly SideVersion[];
  /** The version that is to be approved by itself, or not. */
  readonly judge: number | null;
  /** The version that is to be dropped next. */
  readonly drop: number | null;
}

const NOTHING: SideWork = { streams: [], judge: null, drop: null };

/** True of a version that readers could be flipped to at once: nothing it would have to read first. */
export function isReady(state: LifecycleState, side: SideVersion): boolean {
  return side.failure === null && (!needsStream(state, side) || side.caughtUp.length >= state.shards);
}

/** What should be going on beside the served version. */
export function decideSides(state: LifecycleState): SideWork {
  const { wants, offered, previous, leaving } = state;
  if (wants.retired || wants.paused) return NOTHING;
  const streams = [offered, previous]
    .filter((side) => side !== null)
    .filter((side) => needsStream(state, side) && mayStream(state, side));
  const isJudged = offered === null || offered.autoShare === null || offered.judged !== null;
  return {
    streams,
    judge: !isJudged && isReady(state, offered) ? offered.version : null,
    drop: leaving[0] ?? null,
  };
}

function needsStream({ wants, plan }: LifecycleState, side: SideVersion): boolean {
  return wants.streaming && plan !== null && topicOf(side, plan) !== null;
}

/** No worker goes on with a version of earlier semantics; and what a flip brings up to the present has no other stream meanwhile. */
function mayStream({ engine, flipping }: LifecycleState, side: SideVersion): boolean {
  return (
    side.failure === null && !isRetiredBy(side, engine) && (side.isStreaming || flipping?.version !== side.version)
  );
}

/** When the version that is kept goes, epoch ms; null where none is, or it is being flipped to. */
export function keptUntilMs({ previous, flipping, wants }: LifecycleState): number | null {
  if (previous === null || wants.retired || flipping?.version === previous.version) return null;
  return previous.untilMs;
}
