import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ParityReport, ParityVerdict } from '../audit-parity/contract.ts';
import type { Failure } from '../failure.ts';
import type { Waiting } from '../waits.ts';

/** Settings of one lifecycle; all optional in the input. */
export interface LifecycleOptions {
  /** Stream activities the topic's partitions are dealt over. Default 1. */
  readonly shards: number;
  /** How long one stream activity runs before the next takes over, in seconds. Default 1800. */
  readonly sliceSeconds: number;
  /** Records behind the end of the topic up to which a stream counts as caught up. Default 1000. */
  readonly catchUpLag: number;
  /** So many as a stream works off in this time, in seconds, count as caught up too: on a fast topic more arrive while it is looked. Default 5; 0 where `catchUpLag` is given. */
  readonly catchUpSeconds: number;
  /** Entities whose state is compared with a backfill before a promoted view counts as streaming. Default 200,000; 0: none. */
  readonly proofEntities: number;
  /** Whether a person approves a version of another definition before readers are flipped to it (`manual`, the default), or it is flipped to by itself. */
  readonly approval: 'manual' | 'auto';
  /** Approved by itself is what differs in at most this share of the cells, 0 to 1. Default 0: in none. At 1 nothing is compared. */
  readonly autoApproveShare: number;
  /** How long the version before is kept, streaming, for readers to be flipped back to it. Default 24; 0: not at all. */
  readonly keepPreviousHours: number;
  /** Continue as new after this many history events; null: when the server suggests it. */
  readonly maxHistoryEvents: number | null;
}

/** What the workflow is started with: one JSON object. */
export interface LifecycleInput {
  readonly view: string;
  readonly options?: Partial<LifecycleOptions> | undefined;
}

export type Phase =
  | 'validating'
  | 'backfilling'
  | 'waiting'
  | 'upgrading'
  | 'published'
  | 'refreshing'
  | 'catching-up'
  | 'proving'
  | 'streaming'
  | 'invalid-input'
  | 'pausing'
  | 'paused'
  | 'built'
  | 'failed'
  | 'retiring'
  | 'retired';

export const COMMANDS = ['promote', 'pause', 'resume', 'refresh', 'rebackfill', 'retry', 'retire'] as const;
/** The commands about the versions beside the served one: they carry the version they mean. */
export const VERSION_COMMANDS = ['approve', 'rollback', 'discard'] as const;
export type VersionCommand = (typeof VERSION_COMMANDS)[number];
export type Command = (typeof COMMANDS)[number] | VersionCommand;

/** One sentence per command, shown in the Temporal UI's list and in the CLI's help. */
export const COMMAND_DESCRIPTIONS: Readonly<Record<Command, string>> = {
  promote: 'Stream from the exact offset where the batch stopped, from now on.',
  pause:
    'Stop every write. On resume a backfill goes on from what it had saved, about a minute before; a stream goes on where it stopped.',
  resume: 'Go on after a pause.',
  refresh: 'Bring a published view up to the present end of its topic, once.',
  rebackfill:
    'Build a new version aside from the whole log with the present definition. One of the definition that is served is served once it is built; one of another waits for `approve`. What was built or half built goes.',
  retry: 'Try again what failed. A version that is built is not built again: it is published.',
  retire: 'Stop for good: nothing is served any more.',
  approve:
    'Flip readers to the version that is built and waits. The one served until now is kept for its time, streaming; one that was kept before goes at once.',
  rollback: 'Flip readers back to the version before, while it is kept. The one served until now is kept in its place.',
  discard: 'Drop the version that is built and waits.',
};

/** What a command about versions takes: one JSON object. */
export interface VersionCommandInput {
  /** The version that is meant: another one is refused. Default: the one there is. */
  readonly version?: number | undefined;
  /** Of `rollback`: however far the version is behind. */
  readonly stale?: boolean | undefined;
  /** Of `approve`: although models in use were trained on features that the version does not have as that. */
  readonly break?: boolean | undefined;
  /** As the CLI sends it. */
  readonly actor?: string | undefined;
}

/** How many records went where, by the names of `LogCounts`. */
export type Counts = Readonly<Record<string, number>>;

/** What a view is, as the worker's definitions and the catalog say. */
export interface ViewPlan {
  readonly view: string;
  readonly fingerprint: string;
  /** Of the worker's engine. Workers of the first semantics do not say. */
  readonly semantics?: number | undefined;
  /** The definition's fingerprint by the semantics before: what workers and versions of then know it by; null where that cannot be told. */
  readonly former?: string | null | undefined;
  readonly entity: string;
  readonly source: string;
  readonly topic: string | null;
  readonly history: string | null;
  /** Of many, a lifecycle keeps the first, and says how many more there are. */
  readonly features: readonly string[];
  /** Period of the scheduled refresh in ms, or null. */
  readonly refreshMs: number | null;
  /** The version readers are served now, or null. */
  readonly live: LiveVersion | null;
  /** The version that readers can be flipped back to; workers of the release before do not say. */
  readonly previous?: KeptVersion | null | undefined;
  /** The highest fencing generation any stream of this view has had. */
  readonly generation: number;
}

/** A version readers are served. */
export interface LiveVersion {
  readonly version: number;
  readonly fingerprint: string;
  /** Of the engine that built it. Workers and runs of the first semantics do not say. */
  readonly semantics?: number | undefined;
  /** That it reads, null for none. Workers and runs of the release before do not say. */
  readonly topic?: string | null | undefined;
  readonly rows: number;
  readonly entities: number;
  readonly publishedAtMs: number;
}

/** A version that readers were flipped from, and may be flipped back to. */
export interface KeptVersion extends LiveVersion {
  readonly untilMs: number;
}

export interface SwitchInput {
  readonly view: string;
  readonly version: number;
  /** How long the version served until now is kept; 0: not at all. */
  readonly keepMs: number;
  /** How far behind the served version one may be that takes over; null: however far. */
  readonly behindAtMost: { readonly records: number; readonly seconds: number } | null;
  /** What of models in use that could not go on with it; lifecycles of the release before do not say: nothing. */
  readonly models?: 'keep' | 'strand' | undefined;
}

export interface SwitchSummary {
  /** The version that is kept now, and until when; null: none. */
  readonly kept: { readonly version: number; readonly untilMs: number } | null;
}

export interface BackfillInput {
  readonly view: string;
  readonly fingerprint: string;
  /** The newest semantics the lifecycle has heard of, 0 for none; one of the first release does not say: it does not know that there are any. */
  readonly semantics?: number | undefined;
  /** The version whose log the new one must reach back as far as; none: what there is will do. */
  readonly covers?: number | undefined;
  /** Which build it is an attempt of: those of one go on from one another. One of a release before does not say: then those of its activity do. */
  readonly build?: string | undefined;
  /** Whether it may be made of the live version's states; one of a release before does not say: it may not. */
  readonly mayTakeStates?: boolean | undefined;
}

export interface BackfillSummary {
  readonly version: number;
  readonly rows: number;
  readonly entities: number;
  readonly counts: Counts;
  /** Of the engine that built it. Workers of the first semantics do not say. */
  readonly semantics?: number | undefined;
  /** The version of whose states it was made; left out: it was built from the log. */
  readonly madeFrom?: number | undefined;
}

/** A version that is built and not served yet. */
export interface Candidate {
  readonly built: BackfillSummary;
  readonly fingerprint: string;
  readonly topic: string | null;
}

export interface SliceInput {
  readonly view: string;
  readonly version: number;
  readonly fingerprint: string;
  /** As in `BackfillInput`. */
  readonly semantics?: number | undefined;
  readonly generation: number;
  readonly shard: number;
  readonly shards: number;
  readonly until: 'forever' | 'present-end';
  readonly budgetMs: number;
  /** What is known of the shard's last records: the slice ends once it is otherwise. Left out: it goes on. */
  readonly mostlyInvalid?: boolean | undefined;
  /** What the shard is known to wait for, null for nothing: the slice ends once it is otherwise. Left out: it goes on. */
  readonly waiting?: Waiting | null | undefined;
}

export interface SliceSummary {
  readonly ended: 'deadline' | 'present-end' | 'aborted' | 'superseded' | 'worker-shutdown';
  readonly records: number;
  /** Records to the real end of the topic, those behind an open transaction included. */
  readonly lag: number;
  /** Of these, the ones behind an open transaction: nobody is given them yet. Left out by workers of the release before. */
  readonly held?: number | undefined;
  readonly watermarkUs: number | null;
  /** How fast its records were worked off; left out by workers of the release before. */
  readonly recordsPerSecond?: number | undefined;
  /** More than half of the last 20 records of some partition are invalid; left out by workers of the release before. */
  readonly mostlyInvalid?: boolean | undefined;
  /** What it waited for as it ended, null for nothing; left out by workers of the release before. */
  readonly waiting?: Waiting | null | undefined;
  /** The highest fencing generation in the catalog, where the slice was superseded. */
  readonly generation?: number | undefined;
}

/** The proof a promotion carries: the stream's state against a backfill over the same log. */
export interface PromotionProof {
  readonly version: number;
  /** `unproven`: it could not be made (`reason` says why), which is no difference. */
  readonly verdict: ParityVerdict | 'unproven';
  readonly auditId: number | null;
  readonly seq: number | null;
  readonly entities: number;
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
  readonly reason: string | null;
  readonly atMs: number;
}

/** A version that is built and not served. */
export interface CandidateStatus extends Pick<BackfillSummary, 'version' | 'rows' | 'entities' | 'madeFrom'> {
  readonly fingerprint: string;
  /** Since when it waits to be approved; null of one that is served as soon as it can be. */
  readonly waitsSinceMs: number | null;
  /** To the real end of the topic, as of the last ended slices of its stream; null: not known. */
  readonly lag: number | null;
  readonly isCaughtUp: boolean;
  /** Why it was not approved by itself; null where that was not asked. */
  readonly judged: string | null;
  readonly error: Failure | null;
}

/** A version that was served, and is kept. */
export interface PreviousStatus {
  readonly version: number;
  readonly fingerprint: string;
  readonly keptUntilMs: number;
  readonly lag: number | null;
  /** Whether readers were flipped back from it: `approve` flips them to it again. */
  readonly isRolledBack: boolean;
  readonly error: Failure | null;
}

/** The answer of the query `status` and of every update. */
export interface LifecycleStatus {
  readonly view: string;
  readonly phase: Phase;
  readonly version: number | null;
  readonly fingerprint: string | null;
  /** While what is served was built by earlier semantics of the engine (null: the first ones), and which take over. */
  readonly upgrade: { readonly from: number | null; readonly to: number } | null;
  readonly promoted: boolean;
  readonly paused: boolean;
  /** Of the backfill, and so are `entities`: how many are stored by now, `millrace status` counts. */
  readonly rows: number | null;
  readonly entities: number | null;
  /**
   * To the real end of the topic, open transactions included. As of the last ended slice, or, of a version that stands still, as a worker last saw it; the live figure is in the running activity's
   * heartbeat and in `millrace status`.
   */
  readonly lag: number | null;
  /** As of the last ended slice of each shard; shards that lag hold it back. */
  readonly watermarkUs: number | null;
  /** Stream records read since the version was published, by ended slices. */
  readonly records: number;
  readonly nextRefreshAtMs: number | null;
  /** What the stream's state was compared with a backfill for, before the view counted as streaming. */
  readonly proof: PromotionProof | null;
  /** The last comparison of what is served with the log. */
  readonly parity: ParityReport | null;
  /** What work waits for, and goes on by itself; missing of a lifecycle of the release before. */
  readonly waitingFor?: Waiting | null | undefined;
  /** The version that is built and not served yet; missing of a lifecycle of the release before. */
  readonly candidate?: CandidateStatus | null | undefined;
  /** The version that readers can be flipped back to; missing of a lifecycle of the release before. */
  readonly previous?: PreviousStatus | null | undefined;
  readonly error: Failure | null;
  readonly notice: string | null;
  readonly accepts: readonly Command[];
}

export const promoteUpdate = defineUpdate<LifecycleStatus>('promote');
export const pauseUpdate = defineUpdate<LifecycleStatus>('pause');
export const resumeUpdate = defineUpdate<LifecycleStatus>('resume');
export const refreshUpdate = defineUpdate<LifecycleStatus>('refresh');
export const rebackfillUpdate = defineUpdate<LifecycleStatus>('rebackfill');
export const retryUpdate = defineUpdate<LifecycleStatus>('retry');
export const retireUpdate = defineUpdate<LifecycleStatus>('retire');
export const approveUpdate = defineUpdate<LifecycleStatus, [VersionCommandInput]>('approve');
export const rollbackUpdate = defineUpdate<LifecycleStatus, [VersionCommandInput]>('rollback');
export const discardUpdate = defineUpdate<LifecycleStatus, [VersionCommandInput]>('discard');
export const statusQuery = defineQuery<LifecycleStatus>('status');
/** What a worker tells the lifecycles of versions that earlier semantics of the engine built. */
export interface EngineNews {
  /** Of the worker's engine. */
  readonly semantics: number;
  /** Records of the topic behind the version's stored offsets; null without a topic. */
  readonly lag: number | null;
}

/** That a definition was applied: it is what the view is to become. */
export interface Applied {
  /** Of the view; an older one than was heard of changes nothing. */
  readonly applyNumber: number;
  readonly fingerprint: string;
  /** `auto`: its version is approved by itself, whatever it changes. */
  readonly approval?: 'auto' | undefined;
}

export const appliedSignal = defineSignal<[Applied]>('applied');

export const engineSignal = defineSignal<[EngineNews]>('engine');

export const paritySignal = defineSignal<[ParityReport]>('parity');
