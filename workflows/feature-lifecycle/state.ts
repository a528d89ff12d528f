import type { ParityReport } from '../audit-parity/contract.ts';
import type { Failure } from '../failure.ts';
import type { Passed } from '../state-runner.ts';
import type { WaitingLanes } from '../waits.ts';
import type {
  Candidate,
  LifecycleOptions,
  LiveVersion,
  Phase,
  PromotionProof,
  VersionCommand,
  ViewPlan,
} from './contract.ts';
import type { OfferedVersion, PreviousVersion } from './side-version.ts';

/** What people asked for. Level-triggered: the workflow makes it so, however often or in what order it was asked. */
export interface Wants {
  readonly streaming: boolean;
  readonly paused: boolean;
  readonly retired: boolean;
  readonly refresh: boolean;
  /**
   * `first`, `desired`: adopt a live version of the same definition, else build; `again`: build in any case; `refresh`: build what is served anew, by its
   * own definition.
   */
  readonly build: 'first' | 'desired' | 'again' | 'refresh' | null;
  /** Whether a version that waited went for a refresh, and is to be built of the same log once that is over. Default: no. */
  readonly offersAgain?: boolean | undefined;
}

/** Who says that a version of another definition is served. */
export type Approval = Pick<LifecycleOptions, 'approval' | 'autoApproveShare'>;

export const MANUAL: Approval = { approval: 'manual', autoApproveShare: 0 };

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
  /** What is built and not served yet: kept until it is published, or somebody says otherwise. */
  readonly candidate: Candidate | null;
  readonly approval: Approval;
  /** The newest definition that was said to be what the view is to become; null: none was. */
  readonly applied: { readonly applyNumber: number; readonly fingerprint: string; readonly isAuto: boolean } | null;
  /** What is built and waits to be approved, with a stream of its own. */
  readonly offered: OfferedVersion | null;
  /** What readers can be flipped back to, with a stream of its own. */
  readonly previous: PreviousVersion | null;
  /** A flip that is under way, between the versions there are. */
  readonly flipping: { readonly command: VersionCommand; readonly version: number } | null;
  /** Versions that nobody is to be served any more, and that take up room. */
  readonly leaving: readonly number[];
  /** Builds that are over: published, or given up for another. Attempts of one and the same go on from one another. */
  readonly builds: number;
  /** The stream lane, while it runs. */
  readonly stream: { readonly kind: StreamKind; readonly version: number } | null;
  /** Shards whose lag has been small since the stream began. */
  readonly caughtUp: readonly number[];
  readonly shards: number;
  /** Shards of whose last records most are invalid. */
  readonly mostlyInvalid: readonly number[];
  /** Last lag by shard. */
  readonly lags: Readonly<Record<string, number>>;
  /** Last watermark by shard. */
  readonly watermarks: Readonly<Record<string, number | null>>;
  readonly records: number;
  readonly generation: number;
  /** The newest semantics of an engine that was heard of since the first ones; null: none. */
  readonly engine: number | null;
  /** Records behind a version that stands still, as a worker last saw it. */
  readonly standing: number | null;
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
  /** What lanes wait for, by lane: `build`, `stream 0`, `proof`, … */
  readonly waiting: WaitingLanes;
  readonly notice: string | null;
  readonly retired: boolean;
  readonly passed: Passed<Phase>;
}

export const NO_FAILURES = { build: null, stream: null, proof: null } as const;

/** A lifecycle before anything was done. */
export function initialState(view: string, shards: number, proofEntities = 0, approval = MANUAL): LifecycleState {
  return {
    schema: 1,
    view,
    wants: { streaming: false, paused: false, retired: false, refresh: false, build: 'first' },
    plan: null,
    live: null,
    build: null,
    candidate: null,
    approval,
    applied: null,
    offered: null,
    previous: null,
    flipping: null,
    leaving: [],
    builds: 0,
    stream: null,
    caughtUp: [],
    shards,
    mostlyInvalid: [],
    lags: {},
    watermarks: {},
    records: 0,
    generation: 0,
    engine: null,
    standing: null,
    refreshedAtMs: null,
    proofEntities,
    proving: null,
    proof: null,
    parity: null,
    failures: NO_FAILURES,
    waiting: {},
    notice: null,
    retired: false,
    passed: [],
  };
}

/** The state an earlier run handed on, with what this code knows and that one's did not. */
export function carriedState(carried: LifecycleState, fresh: LifecycleState): LifecycleState {
  const { shards, proofEntities, approval } = fresh;
  return { ...fresh, ...carried, shards, proofEntities, approval, failures: { ...NO_FAILURES, ...carried.failures } };
}
