import type { ParityReport, PromotionProof } from './audit-contracts.ts';
import type {
  BackfillSummary,
  Command,
  Failure,
  LifecycleStatus,
  LiveVersion,
  Phase,
  SliceSummary,
  ViewPlan,
} from './contracts.ts';
import { COMMANDS } from './contracts.ts';
import { PARITY_BROKEN, owesProof, parityReported, proofEnded, type ProofEnded, toProve } from './lifecycle-proof.ts';

/** What people asked for. Level-triggered: the workflow makes it so, however often or in what order it was asked. */
interface Wants {
  readonly streaming: boolean;
  readonly paused: boolean;
  readonly retired: boolean;
  readonly refresh: boolean;
  /** `first`: adopt a live version of the same definition, else build; `again`: build in any case. */
  readonly build: 'first' | 'again' | null;
}

export type StreamKind = 'stream' | 'refresh';

/** The whole of a lifecycle between two instants: plain JSON, carried over continue-as-new. */
export interface LifecycleState {
  readonly schema: 1;
  readonly view: string;
  readonly wants: Wants;
  readonly plan: ViewPlan | null;
  readonly live: LiveVersion | null;
  /** The build lane, while it runs. */
  readonly build: { readonly stage: 'validating' | 'backfilling' | 'publishing' } | null;
  /** The stream lane, while it runs. */
  readonly stream: { readonly kind: StreamKind; readonly version: number } | null;
  /** Shards whose lag has been small since the stream began. */
  readonly caughtUp: readonly number[];
  readonly shards: number;
  /** Last lag by shard. */
  readonly lags: Readonly<Record<string, number>>;
  readonly watermarkUs: number | null;
  readonly records: number;
  readonly generation: number;
  readonly refreshedAtMs: number | null;
  /** Entities a promotion is proven over at most; 0: promotions are not proven. */
  readonly proofEntities: number;
  /** The version that is being proven now. */
  readonly proving: number | null;
  readonly proof: PromotionProof | null;
  readonly parity: ParityReport | null;
  readonly failures: {
    readonly build: Failure | null;
    readonly stream: Failure | null;
    readonly proof: Failure | null;
  };
  readonly notice: string | null;
  readonly retired: boolean;
  /** The last phases and when they began, newest last. */
  readonly passed: readonly { readonly phase: Phase; readonly atMs: number }[];
}

/** What happened, as the lanes report it. */
export type LifecycleEvent =
  | { readonly type: 'command'; readonly command: Command }
  | { readonly type: 'build-started' }
  | { readonly type: 'resolved'; readonly plan: ViewPlan }
  | { readonly type: 'backfilled' }
  | { readonly type: 'published'; readonly built: BackfillSummary; readonly fingerprint: string; readonly atMs: number }
  | { readonly type: 'build-ended'; readonly failure: Failure | null }
  | { readonly type: 'stream-started'; readonly kind: StreamKind; readonly version: number; readonly atMs: number }
  | { readonly type: 'generation-taken'; readonly atLeast: number }
  | { readonly type: 'slice-ended'; readonly shard: number; readonly slice: SliceSummary; readonly catchUpLag: number }
  | { readonly type: 'stream-ended'; readonly failure: Failure | null; readonly completed: boolean }
  | { readonly type: 'proof-started'; readonly version: number }
  | ({ readonly type: 'proof-ended' } & ProofEnded)
  | { readonly type: 'parity'; readonly report: ParityReport }
  | { readonly type: 'retired' };

/** The work that should be going on, given the state. */
export interface Work {
  readonly retire: boolean;
  readonly build: boolean;
  readonly stream: { readonly kind: StreamKind; readonly version: number } | null;
  /** The version whose state is to be compared with a backfill, beside its stream. */
  readonly proof: number | null;
}

const NO_FAILURES = { build: null, stream: null, proof: null } as const;

/** A lifecycle before anything was done. */
export function initialState(view: string, shards: number, proofEntities = 0): LifecycleState {
  return {
    schema: 1,
    view,
    wants: { streaming: false, paused: false, retired: false, refresh: false, build: 'first' },
    plan: null,
    live: null,
    build: null,
    stream: null,
    caughtUp: [],
    shards,
    lags: {},
    watermarkUs: null,
    records: 0,
    generation: 0,
    refreshedAtMs: null,
    proofEntities,
    proving: null,
    proof: null,
    parity: null,
    failures: NO_FAILURES,
    notice: null,
    retired: false,
    passed: [],
  };
}

/** The state an earlier run handed on, with what this code knows and that one's did not. */
export function carriedState(carried: LifecycleState, fresh: LifecycleState): LifecycleState {
  const { shards, proofEntities } = fresh;
  return { ...fresh, ...carried, shards, proofEntities, failures: { ...NO_FAILURES, ...carried.failures } };
}

/** Why a command cannot be accepted now, or null. Commands that ask for what is so already are accepted: nothing happens twice. */
export function refusal(state: LifecycleState, command: Command): string | null {
  const { wants, plan, live, failures } = state;
  if (wants.retired && command !== 'retire')
    return `view "${state.view}" is ${phaseOf(state)}; start its lifecycle anew to use it again`;
  const hasTopic = plan === null || plan.topic !== null;
  const failed = failures.build ?? failures.stream ?? failures.proof;
  const wayOut =
    failed?.code === 'definition-changed'
      ? 'send rebackfill, or run the old definition and send retry'
      : (failed?.remedy ?? 'send retry');
  switch (command) {
    case 'promote':
      if (!hasTopic) return `source "${plan?.source}" has no topic: there is nothing to stream`;
      return failures.stream === null ? null : `the stream has failed (${failures.stream.code}): ${wayOut}`;
    case 'refresh':
      if (live === null) return 'nothing is published yet: the backfill reads all there is';
      if (wants.streaming) return 'the view is streaming: it is always fresh';
      if (wants.paused) return 'the view is paused: send resume first';
      return failed === null ? null : `the view has failed (${failed.code}): ${wayOut}`;
    case 'rebackfill':
      if (wants.build !== null && failures.build === null) return 'a backfill is running or waiting already';
      return wants.paused ? 'the view is paused: send resume first' : null;
    case 'retry':
      return failed === null ? 'nothing has failed' : null;
    case 'pause':
    case 'resume':
    case 'retire':
      return null;
  }
}

/** The state after `event`. Pure. */
export function transition(state: LifecycleState, event: LifecycleEvent): LifecycleState {
  switch (event.type) {
    case 'command':
      return commanded(state, event.command);
    case 'build-started':
      return { ...state, build: { stage: 'validating' }, failures: { ...state.failures, build: null } };
    case 'resolved':
      return resolved(state, event.plan);
    case 'backfilled':
      return { ...state, build: { stage: 'publishing' } };
    case 'published': {
      const { built, fingerprint, atMs } = event;
      const live = {
        version: built.version,
        fingerprint,
        rows: built.rows,
        entities: built.entities,
        publishedAtMs: atMs,
      };
      return {
        ...state,
        live,
        build: null,
        wants: { ...state.wants, build: null },
        failures: NO_FAILURES,
        // They spoke of the version before.
        proof: null,
        parity: null,
        caughtUp: [],
        lags: {},
        records: 0,
        refreshedAtMs: atMs,
      };
    }
    case 'build-ended':
      return { ...state, build: null, failures: { ...state.failures, build: event.failure } };
    case 'stream-started':
      return {
        ...state,
        stream: { kind: event.kind, version: event.version },
        refreshedAtMs: event.kind === 'refresh' ? event.atMs : state.refreshedAtMs,
      };
    case 'generation-taken':
      return { ...state, generation: Math.max(state.generation + 1, event.atLeast) };
    case 'slice-ended':
      return sliceEnded(state, event.shard, event.slice, event.catchUpLag);
    case 'stream-ended': {
      const refreshed = event.completed && state.stream?.kind === 'refresh';
      return {
        ...state,
        stream: null,
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

function commanded(state: LifecycleState, command: Command): LifecycleState {
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
        notice: state.proofEntities === 0 && state.plan?.topic !== null ? UNPROVEN : null,
      };
    case 'pause':
      return wants({ paused: true });
    case 'resume':
      return { ...wants({ paused: false }), caughtUp: state.wants.paused ? [] : state.caughtUp };
    case 'refresh':
      // Without a topic the history is all there is: fresh means built again.
      return state.plan?.topic === null ? wants({ build: 'again' }) : wants({ refresh: true });
    case 'rebackfill':
      return { ...wants({ build: 'again' }), failures: { ...state.failures, build: null } };
    case 'retry':
      return { ...wants({}), failures: NO_FAILURES };
    case 'retire':
      return wants({ retired: true });
  }
}

/** Of lifecycles that were told to: their option, or a run from before promotions were proven. */
const UNPROVEN = 'Promotions of this lifecycle are not proven: its option "proofEntities" is 0.';

function resolved(state: LifecycleState, plan: ViewPlan): LifecycleState {
  const live = state.live ?? plan.live;
  const adopted = state.wants.build === 'first' && live?.fingerprint === plan.fingerprint;
  const cannotStream = state.wants.streaming && plan.topic === null;
  return {
    ...state,
    plan,
    live,
    build: { stage: 'backfilling' },
    generation: Math.max(state.generation, plan.generation),
    refreshedAtMs: state.refreshedAtMs ?? live?.publishedAtMs ?? null,
    wants: {
      ...state.wants,
      build: adopted ? null : state.wants.build,
      streaming: cannotStream ? false : state.wants.streaming,
    },
    notice: adopted
      ? `Version ${live.version} was being served already and is built by this very definition: taken over, nothing was read again.`
      : cannotStream
        ? `Not promoted: source "${plan.source}" has no topic, so there is nothing to stream.`
        : state.notice,
  };
}

function sliceEnded(state: LifecycleState, shard: number, slice: SliceSummary, catchUpLag: number): LifecycleState {
  // The last word of a version that has just been replaced says nothing about the one served now.
  if (state.stream?.version !== state.live?.version) return state;
  const others = state.caughtUp.filter((other) => other !== shard);
  return {
    ...state,
    generation: Math.max(state.generation, slice.generation ?? 0),
    caughtUp: slice.lag <= catchUpLag && slice.ended !== 'superseded' ? [...others, shard] : others,
    lags: { ...state.lags, [shard]: slice.lag },
    watermarkUs: slice.watermarkUs ?? state.watermarkUs,
    records: state.records + slice.records,
  };
}

/** When the next scheduled refresh is due, in epoch ms; null where none is scheduled or can run. */
export function nextRefreshAtMs(state: LifecycleState): number | null {
  const { plan, live, wants, failures, refreshedAtMs } = state;
  if (plan?.refreshMs == null || live === null || refreshedAtMs === null) return null;
  if (wants.streaming || wants.paused || wants.retired || failures.stream !== null || failures.build !== null)
    return null;
  return refreshedAtMs + plan.refreshMs;
}

/** What should be going on at `nowMs`. */
export function decide(state: LifecycleState, nowMs: number): Work {
  const { wants, live, failures, plan } = state;
  if (wants.retired) return { retire: true, build: false, stream: null, proof: null };
  if (wants.paused) return { retire: false, build: false, stream: null, proof: null };
  const dueAtMs = nextRefreshAtMs(state);
  const due = dueAtMs !== null && nowMs >= dueAtMs;
  const build = failures.build === null && (wants.build !== null || (due && plan?.topic === null));
  const canStream = live !== null && plan !== null && plan.topic !== null && failures.stream === null;
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

/** The one word for where a lifecycle is. */
export function phaseOf(state: LifecycleState): Phase {
  const { wants, build, stream, failures, live } = state;
  if (state.retired) return 'retired';
  if (wants.retired) return 'retiring';
  if (wants.paused) return build !== null || stream !== null ? 'pausing' : 'paused';
  if (build !== null) return build.stage === 'validating' ? 'validating' : 'backfilling';
  // A difference was found and the stream is being fenced: failed only when nothing can be written any more.
  if (failures.stream?.code === PARITY_BROKEN && stream !== null) return 'proving';
  if (failures.build !== null || failures.stream !== null || failures.proof !== null) return 'failed';
  if (wants.build !== null || live === null) return 'validating';
  if (wants.streaming) {
    if (state.caughtUp.length < state.shards) return 'catching-up';
    return owesProof(state) ? 'proving' : 'streaming';
  }
  return stream?.kind === 'refresh' || wants.refresh ? 'refreshing' : 'published';
}

/** What a person is told. */
export function statusOf(state: LifecycleState): LifecycleStatus {
  const lags = Object.values(state.lags);
  return {
    view: state.view,
    phase: phaseOf(state),
    version: state.live?.version ?? null,
    fingerprint: state.live?.fingerprint ?? null,
    promoted: state.wants.streaming,
    paused: state.wants.paused,
    rows: state.live?.rows ?? null,
    entities: state.live?.entities ?? null,
    lag: lags.length === 0 ? null : lags.reduce((sum, lag) => sum + lag, 0),
    watermarkUs: state.watermarkUs,
    records: state.records,
    nextRefreshAtMs: nextRefreshAtMs(state),
    proof: state.proof,
    parity: state.parity,
    error: state.failures.build ?? state.failures.stream ?? state.failures.proof,
    notice: state.notice,
    accepts: COMMANDS.filter((command) => refusal(state, command) === null && !isNoOp(state, command)),
  };
}

function isNoOp(state: LifecycleState, command: Command): boolean {
  const { wants } = state;
  if (command === 'promote') return wants.streaming;
  if (command === 'pause') return wants.paused;
  if (command === 'resume') return !wants.paused;
  return command === 'retire' && wants.retired;
}
