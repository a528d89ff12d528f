import { longestWait } from '../waits.ts';
import {
  type CandidateStatus,
  type Command,
  COMMANDS,
  type LifecycleStatus,
  type Phase,
  type PreviousStatus,
  VERSION_COMMANDS,
} from './contract.ts';
import { nextRefreshAtMs } from './decide.ts';
import { isReady } from './decide-sides.ts';
import { hasTopic } from './own-topic.ts';
import { owesProof, PARITY_BROKEN } from './proof.ts';
import { lagOf } from './side-version.ts';
import type { LifecycleState } from './state.ts';
import type { PlainCommand } from './transition.ts';
import { awaitsAcceptance, isUpgrading, upgradeOf } from './upgrade.ts';
import { meantBy } from './version-commands.ts';

/** The one word for where a lifecycle is. */
export function phaseOf(state: LifecycleState): Phase {
  const { wants, build, stream, failures, live } = state;
  if (state.retired) return 'retired';
  if (wants.retired) return 'retiring';
  if (wants.paused) return build !== null || stream !== null || isBusyAside(state) ? 'pausing' : 'paused';
  if (isKept(state)) return 'built';
  if (isUpgrading(state)) return failures.build === null || awaitsAcceptance(state) ? 'upgrading' : 'failed';
  const hasFailed = failures.build !== null || failures.stream !== null || failures.proof !== null;
  if (!hasFailed && longestWait(state.waiting) !== null) return 'waiting';
  if (build !== null) return build.stage === 'validating' ? 'validating' : 'backfilling';
  // A difference was found and the stream is being fenced: failed only when nothing can be written any more.
  if (failures.stream?.code === PARITY_BROKEN && stream !== null) return 'proving';
  if (hasFailed) return 'failed';
  if (wants.build !== null || live === null) return 'validating';
  if (wants.streaming) {
    if (state.mostlyInvalid.length > 0) return 'invalid-input';
    if (state.caughtUp.length < state.shards) return 'catching-up';
    return owesProof(state) ? 'proving' : 'streaming';
  }
  return stream?.kind === 'refresh' || wants.refresh ? 'refreshing' : 'published';
}

/** True while something writes to a version beside the served one. */
function isBusyAside({ offered, previous, flipping }: LifecycleState): boolean {
  return flipping !== null || offered?.isStreaming === true || previous?.isStreaming === true;
}

/** True while a version that is built waits for a person, and nothing else does. */
function isKept({ candidate, failures }: LifecycleState): boolean {
  return candidate !== null && failures.build !== null && failures.stream === null && failures.proof === null;
}

/** What a person is told. */
export function statusOf(state: LifecycleState): LifecycleStatus {
  const upgrade = upgradeOf(state);
  return {
    view: state.view,
    phase: phaseOf(state),
    version: state.live?.version ?? null,
    fingerprint: state.live?.fingerprint ?? null,
    upgrade,
    promoted: state.wants.streaming,
    paused: state.wants.paused,
    rows: state.live?.rows ?? null,
    entities: state.live?.entities ?? null,
    lag: upgrade !== null && state.standing !== null ? state.standing : lagOf(state),
    watermarkUs: watermarkOf(state),
    records: state.records,
    nextRefreshAtMs: nextRefreshAtMs(state),
    proof: state.proof,
    parity: state.parity,
    waitingFor: longestWait(state.waiting),
    candidate: candidateOf(state),
    previous: previousOf(state),
    error: state.failures.build ?? state.failures.stream ?? state.failures.proof,
    notice: state.notice,
    accepts: [
      ...COMMANDS.filter((command) => refusal(state, command) === null && !isNoOp(state, command)),
      ...VERSION_COMMANDS.filter((command) => 'side' in meantBy(state, command, {})),
    ],
  };
}

/** As the engine has it of partitions: shards that lag hold it back; where none does, the newest event of any counts. */
function watermarkOf({ lags, watermarks }: LifecycleState): number | null {
  const shards = Object.keys(watermarks);
  const lagging = shards.filter((shard) => (lags[shard] ?? 0) > 0);
  const times = (lagging.length > 0 ? lagging : shards).flatMap((shard) => watermarks[shard] ?? []);
  if (times.length === 0) return null;
  return times.reduce((a, b) => (lagging.length > 0 ? Math.min(a, b) : Math.max(a, b)));
}

function candidateOf(state: LifecycleState): CandidateStatus | null {
  const { candidate, offered } = state;
  if (offered !== null) {
    const { version, rows, entities, fingerprint, sinceMs, judged, failure } = offered;
    const made = madeFrom(offered);
    const isCaughtUp = isReady(state, offered);
    const known = { version, rows, entities, ...made, fingerprint, waitsSinceMs: sinceMs };
    return { ...known, lag: lagOf(offered), isCaughtUp, judged, error: failure };
  }
  if (candidate === null) return null;
  const { version, rows, entities } = candidate.built;
  const { fingerprint } = candidate;
  const own = { version, rows, entities, ...madeFrom(candidate.built), fingerprint, waitsSinceMs: null };
  return { ...own, lag: null, isCaughtUp: false, judged: null, error: null };
}

/** Left out of what was built from the log. */
function madeFrom({ madeFrom: version }: Pick<CandidateStatus, 'madeFrom'>): Pick<CandidateStatus, 'madeFrom'> {
  return version === undefined ? {} : { madeFrom: version };
}

function previousOf({ previous }: LifecycleState): PreviousStatus | null {
  if (previous === null) return null;
  const { version, fingerprint, untilMs, isRolledBack, failure } = previous;
  return { version, fingerprint, keptUntilMs: untilMs, lag: lagOf(previous), isRolledBack, error: failure };
}

/** Why a command cannot be accepted now, or null. Commands that ask for what is so already are accepted: nothing happens twice. */
export function refusal(state: LifecycleState, command: PlainCommand): string | null {
  const { wants, plan, live, failures } = state;
  if (wants.retired && command !== 'retire')
    return `view "${state.view}" is ${phaseOf(state)}; start its lifecycle anew to use it again`;
  const failed = failures.build ?? failures.stream ?? failures.proof;
  const wayOut =
    failed?.code === 'definition-changed'
      ? 'send rebackfill, or run the old definition and send retry'
      : (failed?.remedy ?? 'send retry');
  switch (command) {
    case 'promote':
      if (!hasTopic(live, plan)) return `source "${plan?.source}" has no topic: there is nothing to stream`;
      return failures.stream === null ? null : `the stream has failed (${failures.stream.code}): ${wayOut}`;
    case 'refresh':
      if (live === null) return 'nothing is published yet: the backfill reads all there is';
      if (wants.streaming) return 'the view is streaming: it is always fresh';
      if (isUpgrading(state)) return 'the view is being upgraded: its new version will be brought to the present';
      if (wants.paused) return 'the view is paused: send resume first';
      return failed === null ? null : `the view has failed (${failed.code}): ${wayOut}`;
    case 'rebackfill':
      if ((wants.build !== null || isUpgrading(state)) && failures.build === null)
        return 'a backfill is running or waiting already';
      return wants.paused ? 'the view is paused: send resume first' : null;
    case 'retry':
      return failed === null && !hasFailedAside(state) ? 'nothing has failed' : null;
    case 'pause':
    case 'resume':
    case 'retire':
      return null;
  }
}

function hasFailedAside({ offered, previous }: LifecycleState): boolean {
  return offered?.failure != null || offered?.judged != null || previous?.failure != null;
}

function isNoOp(state: LifecycleState, command: Command): boolean {
  const { wants } = state;
  if (command === 'promote') return wants.streaming;
  if (command === 'pause') return wants.paused;
  if (command === 'resume') return !wants.paused;
  return command === 'retire' && wants.retired;
}
