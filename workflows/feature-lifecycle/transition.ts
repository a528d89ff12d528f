import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import type { ParityReport } from '../audit-parity/contract.ts';
import type { Failure } from '../failure.ts';
import { type Waiting, type WaitingLanes, withWaiting } from '../waits.ts';
import type {
  Applied,
  BackfillSummary,
  Candidate,
  COMMANDS,
  LiveVersion,
  SliceSummary,
  VersionCommand,
  ViewPlan,
} from './contract.ts';
import { appliedHeard, buildOver, flipped, type Flipped, keptOver, offeredFor, withoutOffered } from './flips.ts';
import { hasTopic } from './own-topic.ts';
import { parityReported, proofEnded, type ProofEnded } from './proof.ts';
import {
  figuresAfter,
  heardOfSlice,
  NO_FIGURES,
  type PreviousVersion,
  sideOf,
  streamLane,
  withSide,
} from './side-version.ts';
import { type LifecycleState, NO_FAILURES, type StreamKind, type Wants } from './state.ts';
import { engineHeard, isOfDefinition, isRetiredBy, isUpgrading } from './upgrade.ts';

/** A command that is about the view alone, and not about one of its versions. */
export type PlainCommand = (typeof COMMANDS)[number];

/** What happened, as the lanes report it. */
export type LifecycleEvent =
  | { readonly type: 'command'; readonly command: PlainCommand }
  | ({ readonly type: 'applied' } & Applied)
  | { readonly type: 'cancelled' }
  | { readonly type: 'build-started' }
  | { readonly type: 'resolved'; readonly plan: ViewPlan }
  | { readonly type: 'backfilled'; readonly candidate: Candidate }
  | { readonly type: 'candidate-gone' }
  | {
      readonly type: 'published';
      readonly built: BackfillSummary;
      readonly fingerprint: string;
      /** The number of the build; left out: the one at hand. */
      readonly build?: number | undefined;
      readonly atMs: number;
    }
  | { readonly type: 'build-begun' }
  | { readonly type: 'offered'; readonly candidate: Candidate; readonly build: number; readonly atMs: number }
  | { readonly type: 'judged'; readonly version: number; readonly text: string }
  | { readonly type: 'flip-started'; readonly command: VersionCommand; readonly version: number }
  | { readonly type: 'flip-failed' }
  | ({ readonly type: 'flipped' } & Flipped)
  | { readonly type: 'discarded' }
  | { readonly type: 'kept-over' }
  | { readonly type: 'dropped'; readonly version: number }
  | { readonly type: 'build-ended'; readonly failure: Failure | null }
  | { readonly type: 'stream-started'; readonly kind: StreamKind; readonly version: number; readonly atMs: number }
  | { readonly type: 'generation-taken'; readonly atLeast: number }
  | { readonly type: 'engine'; readonly semantics: number; readonly lag: number | null }
  | { readonly type: 'other-release'; readonly isWaiting: boolean }
  | { readonly type: 'waiting'; readonly lane: string; readonly waiting: Waiting | null }
  | { readonly type: 'build-failing'; readonly failure: Failure }
  | { readonly type: 'clean-up-failed'; readonly failure: Failure }
  | {
      readonly type: 'slice-ended';
      readonly version: number;
      readonly shard: number;
      readonly slice: SliceSummary;
      readonly isCaughtUp: boolean;
    }
  | {
      readonly type: 'stream-ended';
      readonly version: number;
      readonly failure: Failure | null;
      readonly completed: boolean;
    }
  | { readonly type: 'proof-started'; readonly version: number }
  | ({ readonly type: 'proof-ended' } & ProofEnded)
  | { readonly type: 'parity'; readonly report: ParityReport }
  | { readonly type: 'retired' };

/** The state after `event`. Pure. */
export function transition(state: LifecycleState, event: LifecycleEvent): LifecycleState {
  switch (event.type) {
    case 'command':
      return commanded(state, event.command);
    case 'cancelled':
      return state.wants.retired ? state : { ...commanded(state, 'pause'), notice: cancelled(state.view) };
    case 'build-started':
      return {
        ...state,
        build: { stage: 'validating' },
        wants: isDueRefresh(state) ? { ...state.wants, build: 'refresh' } : state.wants,
        failures: { ...state.failures, build: null },
      };
    case 'resolved':
      return resolved(state, event.plan);
    case 'backfilled':
      return { ...state, build: { stage: 'publishing' }, candidate: event.candidate };
    case 'candidate-gone':
      return { ...state, candidate: null };
    case 'published': {
      const { built, fingerprint, atMs } = event;
      const live = {
        version: built.version,
        fingerprint,
        semantics: built.semantics,
        topic: state.candidate?.topic,
        rows: built.rows,
        entities: built.entities,
        publishedAtMs: atMs,
      };
      return {
        ...state,
        ...NO_FIGURES,
        ...buildOver(state, event.build ?? state.builds),
        live,
        build: null,
        candidate: null,
        failures: NO_FAILURES,
        // They spoke of the version before.
        proof: null,
        parity: null,
        standing: null,
        refreshedAtMs: atMs,
      };
    }
    case 'applied':
      return appliedHeard(state, event);
    case 'build-begun': {
      const isRefresh = state.wants.build === 'refresh' && state.offered !== null;
      return withoutOffered(isRefresh ? { ...state, wants: { ...state.wants, offersAgain: true } } : state);
    }
    case 'discarded':
      return withoutOffered(state);
    case 'offered':
      return offeredFor(state, event.candidate, event.build, event.atMs);
    case 'judged':
      return state.offered?.version === event.version
        ? { ...state, offered: { ...state.offered, judged: event.text } }
        : state;
    case 'flip-started':
      return { ...state, flipping: { command: event.command, version: event.version } };
    case 'flip-failed':
      return { ...state, flipping: null };
    case 'flipped':
      return flipped(state, event);
    case 'kept-over':
      return keptOver(state);
    case 'dropped':
      return { ...state, leaving: state.leaving.filter((version) => version !== event.version) };
    case 'build-ended':
      return {
        ...state,
        build: null,
        failures: { ...state.failures, build: withWayOut(event.failure, state.candidate) },
      };
    case 'stream-started':
      if (event.version !== state.live?.version) return withSide(state, event.version, () => ({ isStreaming: true }));
      return {
        ...state,
        stream: { kind: event.kind, version: event.version },
        refreshedAtMs: event.kind === 'refresh' ? event.atMs : state.refreshedAtMs,
      };
    case 'generation-taken':
      return { ...state, generation: Math.max(state.generation + 1, event.atLeast) };
    case 'engine':
      return engineHeard(state, event.semantics, event.lag);
    case 'other-release':
      return { ...state, notice: event.isWaiting ? OTHER_RELEASE : noticeAfter(state) };
    case 'waiting':
      return { ...state, waiting: withWaiting(state.waiting, event.lane, event.waiting) };
    case 'build-failing':
      return { ...state, failures: { ...state.failures, build: event.failure } };
    case 'clean-up-failed':
      return { ...state, notice: leftBehind(event.failure) };
    case 'slice-ended':
      return sliceEnded(state, event.version, event.shard, event.slice, event.isCaughtUp);
    case 'stream-ended': {
      const main = state.stream ?? state.live;
      if (main !== null && event.version !== main.version) return sideEnded(state, event.version, event.failure);
      const refreshed = event.completed && state.stream?.kind === 'refresh';
      return {
        ...state,
        stream: null,
        mostlyInvalid: [],
        waiting: withoutStreams(state.waiting, event.version),
        wants: refreshed ? { ...state.wants, refresh: false } : state.wants,
        caughtUp: (event.failure ?? state.failures.stream) === null ? state.caughtUp : [],
        failures: { ...state.failures, stream: event.failure ?? state.failures.stream },
      };
    }
    case 'proof-started':
      return { ...state, proving: event.version };
    case 'proof-ended':
      return proofEnded(state, event);
    case 'parity':
      return parityReported(state, event.report);
    case 'retired':
      return { ...state, retired: true, live: null };
  }
}

function commanded(state: LifecycleState, command: PlainCommand): LifecycleState {
  const wants = (more: Partial<Wants>): LifecycleState => ({
    ...state,
    notice: null,
    wants: { ...state.wants, ...more },
  });
  switch (command) {
    case 'promote':
      return {
        ...wants({ streaming: true, refresh: false }),
        caughtUp: state.wants.streaming ? state.caughtUp : [],
        notice: state.proofEntities === 0 && hasTopic(state.live, state.plan) ? UNPROVEN : null,
      };
    case 'pause':
      return wants({ paused: true });
    case 'resume':
      return state.wants.paused ? withoutCaughtUp(wants({ paused: false })) : wants({ paused: false });
    case 'refresh':
      // Without a topic the history is all there is: fresh means built again.
      if (hasTopic(state.live, state.plan)) return wants({ refresh: true });
      return wants({ build: state.live === null || isUpgrading(state) ? 'again' : 'refresh' });
    case 'rebackfill':
      return {
        ...wants({ build: 'again' }),
        candidate: null,
        builds: state.builds + (isAnotherBuild(state) ? 1 : 0),
        failures: { ...state.failures, build: null },
      };
    case 'retry':
      return triedAgain({ ...wants({}), failures: NO_FAILURES });
    case 'retire':
      return wants({ retired: true });
  }
}

/** Nobody knows how far behind the streams are that stood still. */
function withoutCaughtUp(state: LifecycleState): LifecycleState {
  const { offered, previous } = state;
  return {
    ...state,
    caughtUp: [],
    offered: offered === null ? null : { ...offered, caughtUp: [] },
    previous: previous === null ? null : { ...previous, caughtUp: [] },
  };
}

/** Of lifecycles that were told to: their option, or a run from before promotions were proven. */
const UNPROVEN = 'Promotions of this lifecycle are not proven: its option "proofEntities" is 0.';

function resolved(state: LifecycleState, plan: ViewPlan): LifecycleState {
  const live = liveAfter(state, plan);
  const isRetired = isRetiredBy(live, plan.semantics);
  const { build } = state.wants;
  const adopted = (build === 'first' || build === 'desired') && live !== null && isOfDefinition(live, plan);
  // What waits to be approved is what is wanted.
  const isOffered = build === 'desired' && state.offered?.fingerprint === plan.fingerprint;
  // Back to the definition that is served: what waited is not wanted any more.
  const kept = adopted && build === 'desired' ? withoutOffered(state) : state;
  const cannotStream = state.wants.streaming && !hasTopic(live, plan);
  return {
    ...kept,
    plan: { ...plan, features: shown(plan.features) },
    live,
    previous: adopted && build === 'first' ? adoptedPrevious(plan) : state.previous,
    engine: isRetired ? Math.max(state.engine ?? 0, plan.semantics ?? 0) : state.engine,
    build: { stage: 'backfilling' },
    generation: Math.max(state.generation, plan.generation),
    refreshedAtMs: state.refreshedAtMs ?? live?.publishedAtMs ?? null,
    wants: {
      ...state.wants,
      build: adopted || isOffered ? null : build,
      streaming: cannotStream ? false : state.wants.streaming,
    },
    notice: isRetired
      ? state.notice
      : adopted && build === 'desired'
        ? `Version ${live.version}, which is served, is built by the definition that was applied: there is nothing to build.`
        : adopted
          ? `Version ${live.version} was being served already and is built by this very definition: taken over, nothing was read again.`
          : cannotStream
            ? `Not promoted: source "${plan.source}" has no topic, so there is nothing to stream.`
            : state.notice,
  };
}

function adoptedPrevious({ previous }: ViewPlan): PreviousVersion | null {
  if (previous == null) return null;
  return { ...previous, ...NO_FIGURES, isStreaming: false, failure: null, isRolledBack: false };
}

/** The page shows them, and every history carries them. */
const FEATURES_SHOWN = 50;

function shown(features: readonly string[]): readonly string[] {
  const more = features.length - FEATURES_SHOWN;
  return more > 0 ? [...features.slice(0, FEATURES_SHOWN), `and ${more} more`] : features;
}

/** What is served, with what a worker that notes semantics says of it. */
function liveAfter(state: LifecycleState, plan: ViewPlan): LiveVersion | null {
  const { live } = state;
  if (live === null || live.version !== plan.live?.version) return live ?? plan.live;
  const { semantics = live.semantics, topic = live.topic } = plan.live;
  return { ...live, semantics, topic };
}

/** Whether a build that begins is none that was asked for: a refresh is due of what has no topic. */
function isDueRefresh(state: LifecycleState): boolean {
  const { wants, candidate, live } = state;
  return wants.build === null && candidate === null && live !== null && !isUpgrading(state);
}

/** Whether `rebackfill` asks for a build that is not the one at hand: what that had saved or built is given up. */
function isAnotherBuild({ wants, candidate, failures }: LifecycleState): boolean {
  return wants.build === null || candidate !== null || failures.build !== null;
}

/** What keeps a version from being published that no try will mend: its part of the log is gone, or another's. */
const TOO_OLD: ReadonlySet<string> = new Set<MillraceErrorCode>([
  'offsets-gone',
  'offset-out-of-range',
  'topic-recreated',
  'cluster-changed',
]);

/** A failure of what follows the build says that the version is kept, and what can be done with it. */
function withWayOut(failure: Failure | null, candidate: Candidate | null): Failure | null {
  if (failure === null || candidate === null) return failure;
  const { version } = candidate.built;
  const kept = TOO_OLD.has(failure.code)
    ? `Version ${version} is built and kept, but the log behind its cut has gone on without it: send "rebackfill".`
    : `Version ${version} is built and kept: once that is done, send "retry" to publish it; "rebackfill" builds another instead.`;
  return { ...failure, remedy: `${failure.remedy} ${kept}` };
}

function cancelled(view: string): string {
  return `Cancelled, which pauses: nothing is written any more, and readers are served what there is. Send \`resume\` to go on. To stop for good and drop what is served, send \`retire\`, or run \`millrace retire ${view}\`.`;
}

function leftBehind({ code, message }: Failure): string {
  return `What was built could not be removed (${code}: ${message}); the next build removes it.`;
}

function withoutStreams(waiting: WaitingLanes, version: number): WaitingLanes {
  const stream = streamLane(version);
  return Object.fromEntries(Object.entries(waiting).filter(([lane]) => !lane.startsWith(stream)));
}

const OTHER_RELEASE =
  'A worker of another release took work that only this one can do: it is put on the queue again until a worker of this release takes it.';

function noticeAfter({ notice }: LifecycleState): string | null {
  return notice === OTHER_RELEASE ? null : notice;
}

function sliceEnded(
  state: LifecycleState,
  version: number,
  shard: number,
  slice: SliceSummary,
  isCaughtUp: boolean,
): LifecycleState {
  const side = sideOf(state, version);
  if (side !== null)
    return withSide(heardOfSlice(state, version, shard, slice), version, (figures) =>
      figuresAfter(figures, shard, slice, isCaughtUp),
    );
  // The last word of a version that has just been replaced says nothing about the one served now.
  if (version !== state.live?.version) return state;
  return { ...heardOfSlice(state, version, shard, slice), ...figuresAfter(state, shard, slice, isCaughtUp) };
}

/** The stream of a version beside the served one, or of one that goes, has ended. */
function sideEnded(state: LifecycleState, version: number, failure: Failure | null): LifecycleState {
  const ended = { ...state, waiting: withoutStreams(state.waiting, version) };
  return withSide(ended, version, (side) => ({
    isStreaming: false,
    mostlyInvalid: [],
    caughtUp: failure === null ? side.caughtUp : [],
    failure: failure ?? side.failure,
  }));
}

/** The state in which what failed beside the served version is tried again, too. */
function triedAgain(state: LifecycleState): LifecycleState {
  const { offered, previous } = state;
  return {
    ...state,
    offered: offered === null ? null : { ...offered, failure: null, judged: null },
    previous: previous === null ? null : { ...previous, failure: null },
  };
}
