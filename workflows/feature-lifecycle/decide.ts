import { hasTopic } from './own-topic.ts';
import { toProve } from './proof.ts';
import type { LifecycleState, StreamKind } from './state.ts';
import { isRetiredBy, isUpgrading } from './upgrade.ts';

/** The work that should be going on, given the state. */
export interface Work {
  readonly retire: boolean;
  readonly build: boolean;
  readonly stream: { readonly kind: StreamKind; readonly version: number } | null;
  /** The version whose state is to be compared with a backfill, beside its stream. */
  readonly proof: number | null;
}

/** When the next scheduled refresh is due, in epoch ms; null where none is scheduled or can run. */
export function nextRefreshAtMs(state: LifecycleState): number | null {
  const { plan, live, wants, failures, refreshedAtMs } = state;
  if (isUpgrading(state)) return null;
  if (plan?.refreshMs == null || live === null || refreshedAtMs === null) return null;
  if (wants.streaming || wants.paused || wants.retired || failures.stream !== null || failures.build !== null)
    return null;
  return refreshedAtMs + plan.refreshMs;
}

/** True while a version by semantics that go on waits to be approved: it takes over, and no other is built. */
function hasSuccessor({ offered, engine }: LifecycleState): boolean {
  return offered !== null && !isRetiredBy(offered, engine);
}

/** What should be going on at `nowMs`. */
export function decide(state: LifecycleState, nowMs: number): Work {
  const { wants, live, failures, plan } = state;
  if (wants.retired) return { retire: true, build: false, stream: null, proof: null };
  if (wants.paused) return { retire: false, build: false, stream: null, proof: null };
  const dueAtMs = nextRefreshAtMs(state);
  const due = dueAtMs !== null && nowMs >= dueAtMs;
  const upgrading = isUpgrading(state);
  const build =
    failures.build === null &&
    (wants.build !== null ||
      state.candidate !== null ||
      (upgrading && !hasSuccessor(state)) ||
      (due && !hasTopic(live, plan)));
  // No worker goes on with a version of earlier semantics: it stands still at its stored offsets.
  const canStream = live !== null && plan !== null && hasTopic(live, plan) && failures.stream === null && !upgrading;
  if (!canStream) return { retire: false, build, stream: null, proof: null };
  // A refresh under way goes on to its end: it moved `refreshedAtMs` when it began and is not due any more.
  const refresh = wants.refresh || due || state.stream?.kind === 'refresh';
  const kind = wants.streaming ? 'stream' : refresh ? 'refresh' : null;
  return {
    retire: false,
    build,
    stream: kind === null ? null : { kind, version: live.version },
    proof: kind === 'stream' ? toProve(state) : null,
  };
}
