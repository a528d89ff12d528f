import { CancellationScope, patched } from '@temporalio/workflow';
import { sliceBudgetMs } from '../activity-profiles.ts';
import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import { type ParityReport, reportOf } from '../audit-parity/contract.ts';
import { type Failure, failureOf } from '../failure.ts';
import { allOrNone, type Lane, openLane, runLane, stopLane } from '../lane.ts';
import { engineOf, OtherReleases, UPGRADES } from '../other-release.ts';
import { ownInstallation } from '../own-installation.ts';
import { FEATURE_PARITY, FEATURE_PHASE, FEATURE_VERSION, FEATURE_VIEW, parityAttribute } from '../search-attributes.ts';
import { type Machine, StateRunner } from '../state-runner.ts';
import { type Until, type Waiting, WaitLane, WAITS } from '../waits.ts';
import { BesideLanes } from './beside-lanes.ts';
import { buildVersion } from './build-version.ts';
import { discardUnfinished, fence, prove, runSlice, takeFromReaders } from './calls.ts';
import type {
  Applied,
  Candidate,
  LifecycleOptions,
  LiveVersion,
  Phase,
  PromotionProof,
  SliceSummary,
} from './contract.ts';
import { flip } from './flip.ts';
import { renderLifecyclePage } from './page.ts';
import { isUnprovable, proofOf, unproven } from './proof-outcome.ts';
import type { LifecycleState } from './state.ts';
import { phaseOf } from './status.ts';
import { type SliceWork, StreamLanes } from './stream-lanes.ts';
import { type LifecycleEvent, transition } from './transition.ts';
import { isAnothers, isRetiredBy, semanticsKnown } from './upgrade.ts';

const MACHINE: Machine<LifecycleState, LifecycleEvent, Phase> = {
  transition,
  phaseOf,
  renderPage: renderLifecyclePage,
  attributesOf: ({ view, live, parity }, phase) => [
    [{ key: FEATURE_PARITY, value: parityAttribute(parity) }],
    [
      { key: FEATURE_VIEW, value: ownInstallation().searchValue(view) },
      { key: FEATURE_PHASE, value: phase },
      { key: FEATURE_VERSION, value: live?.version ?? null },
    ],
  ],
};

const LOOKING_UP = 'looking up the definition';

/** Marks, in a run's history, where what broke off is kept: built or half built, it waits for the build to go on. */
const KEPT = 'kept-builds';

/** Marks, in a run's history, that a version of another definition waits to be approved: it was served as soon as it was built. */
const APPROVAL = 'approval';

/** What a version is refused with that is not there any more: there is nothing to go on with. */
const GONE: ReadonlySet<string> = new Set<MillraceErrorCode>(['version-not-built', 'version-not-streamable']);

/**
 * Runs the work of one lifecycle, side by side: at most one build and one proof of a promotion at a time, and a stream of each version that is served, waits
 * to be, or is kept.
 */
export class LifecycleRunner extends StateRunner<LifecycleState, LifecycleEvent, Phase> {
  readonly #options: LifecycleOptions;
  readonly #others = new OtherReleases(
    () => semanticsKnown(this.state),
    (isWaiting) => this.apply({ type: 'other-release', isWaiting }),
  );
  readonly streams: StreamLanes;
  readonly beside: BesideLanes;
  #build: Lane | null = null;
  #proof: { readonly lane: Lane; readonly version: number } | null = null;
  /** Set when something changed since the reconciler last looked. */
  changed = true;
  #isCancelled = false;

  constructor(state: LifecycleState, options: LifecycleOptions) {
    super(MACHINE, state, options.maxHistoryEvents);
    this.#options = options;
    this.streams = new StreamLanes({
      owner: this,
      options,
      others: this.#others,
      slice: (work) => this.#slice(work),
      fence: (version) => this.#fence(version),
      toldFailure: (version, failure, error) => this.#withoutNews(version, failure, error),
    });
    this.beside = new BesideLanes({
      owner: this,
      options,
      others: this.#others,
      waitLane: (name, until) => this.#waitLane(name, until),
      meetThePresent: (version, fingerprint) => this.#meetThePresent(version, fingerprint),
      onChange: () => (this.changed = true),
    });
  }

  override apply(event: LifecycleEvent): void {
    super.apply(event);
    this.changed = true;
  }

  /** Pauses, and lets this run end for the next: Temporal hears a second cancel in a new run only. */
  cancel(): void {
    this.#isCancelled = true;
    this.apply({ type: 'cancelled' });
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** The state, as what is to go on now follows from it. A cancelled run stands still whatever was asked since: that is for the next run. */
  get toDecideOn(): LifecycleState {
    return this.#isCancelled ? { ...this.state, wants: { ...this.state.wants, paused: true } } : this.state;
  }

  /** True while something runs that has an end of its own and would start over in a new run: it keeps this one open. */
  get isBound(): boolean {
    return this.#build !== null || this.#proof !== null || this.beside.isBound;
  }

  get idle(): boolean {
    return !this.isBound && this.beside.isIdle && this.streams.isIdle;
  }

  /** Starts the build lane unless it runs. `onUnknownView` ends the workflow: there is nothing to wait for. */
  startBuild(onUnknownView: (error: unknown) => void): void {
    if (this.#build !== null) return;
    const lane = openLane();
    this.#build = lane;
    this.apply({ type: 'build-started' });
    void this.#runBuild(lane, onUnknownView);
  }

  stopBuild(): void {
    stopLane(this.#build);
  }

  /** Takes in what was applied; what is being built of another definition is given up for it. */
  takeApplied(applied: Applied): void {
    const { builds } = this.state;
    this.apply({ type: 'applied', ...applied });
    if (this.state.builds !== builds) this.stopBuild();
  }

  /** Starts to prove the version's promotion, or stops a running proof of another one. */
  ensureProof(live: LiveVersion): void {
    if (this.#proof !== null) {
      if (this.#proof.version !== live.version) this.stopProof();
      return;
    }
    const lane = openLane();
    this.#proof = { lane, version: live.version };
    this.apply({ type: 'proof-started', version: live.version });
    void this.#runProof(lane, live);
  }

  stopProof(): void {
    stopLane(this.#proof?.lane ?? null);
  }

  /** Fences every stream of the live version and takes the view from its readers. */
  async retire(): Promise<void> {
    const { view, live } = this.state;
    if (live !== null) await this.#fence(live.version);
    const lane = this.#waitLane('retiring', 'anything');
    for (;;) {
      try {
        await takeFromReaders(view);
        break;
      } catch (error) {
        await lane.retryAfter(error);
      }
    }
    lane.over();
    this.apply({ type: 'retired' });
  }

  async #runBuild(lane: Lane, onUnknownView: (error: unknown) => void): Promise<void> {
    const { view } = this.state;
    let during = LOOKING_UP;
    let isAdopted = false;
    const { builds: build, wants } = this.state;
    const lanes = {
      lookUp: this.#waitLane('looking up', 'what-passes'),
      backfill: this.#waitLane('backfill', 'what-passes'),
    };
    const broken = await runLane(
      lane,
      () => during,
      async () => {
        const begun = (): void => {
          during = 'backfill';
          if (this.state.offered !== null) this.apply({ type: 'build-begun' });
        };
        const candidate = this.#kept ?? (await buildVersion(this, this.#others, lanes, begun));
        if (candidate === null) {
          isAdopted = true;
          return;
        }
        const { built, fingerprint, topic } = candidate;
        this.apply({ type: 'backfilled', candidate });
        if (isAnothers(this.state, fingerprint) && patched(APPROVAL)) {
          this.apply({ type: 'offered', candidate, build, atMs: Date.now() });
          return;
        }
        during = 'publish';
        if (this.state.live !== null && topic !== null) await this.#meetThePresent(built.version, fingerprint);
        const by = patched(UPGRADES) ? 'flipView' : 'publishView';
        await this.#others.pass(() => flip(by, view, built.version), this.#waitLane('publish', 'what-passes'));
        this.apply({ type: 'published', built, fingerprint, build, atMs: Date.now() });
      },
    );
    let failure = broken?.failure ?? null;
    if (broken !== null) {
      if (failure?.code === 'unknown-view' && this.state.live === null) onUnknownView(broken.error);
      else if (during !== LOOKING_UP) failure = await this.#keepOrCleanUp(failure);
    } else if (isAdopted && wants.build !== 'desired' && this.state.offered === null && patched(KEPT)) {
      // Nobody can come back to what a lifecycle before this one had under way.
      await this.#cleanUp(null);
    }
    this.#build = null;
    this.apply({ type: 'build-ended', failure });
  }

  /** What a build before has left for this one to publish. A newer engine publishes what it built itself. */
  get #kept(): Candidate | null {
    const { candidate } = this.state;
    return candidate === null || (candidate.built.semantics ?? 0) < semanticsKnown(this.state) ? null : candidate;
  }

  /** Leaves what was built, or saved on the way: it is gone on with at the next try. Gives the failure the build ends with. */
  async #keepOrCleanUp(failure: Failure | null): Promise<Failure | null> {
    if (!patched(KEPT)) {
      this.apply({ type: 'candidate-gone' });
      return await this.#cleanUp(failure);
    }
    if (failure !== null && GONE.has(failure.code)) this.apply({ type: 'candidate-gone' });
    return failure;
  }

  /**
   * Removes what was built. Where that does not go at once, what broke off the build is said before it does: whatever becomes of the clean-up, it is no
   * failure of its own. Gives the failure the build ends with: none where `retry` was sent meanwhile.
   */
  async #cleanUp(failure: Failure | null): Promise<Failure | null> {
    const lane = this.#waitLane('clean-up', 'what-passes');
    for (let isSaid = false; ; ) {
      try {
        await discardUnfinished(this.state.view);
        lane.over();
        return isSaid ? this.state.failures.build : failure;
      } catch (failed) {
        if (failure !== null && !isSaid && patched(WAITS)) {
          this.apply({ type: 'build-failing', failure });
          isSaid = true;
        }
        try {
          await lane.retryAfter(failed);
        } catch (error) {
          if (!patched(WAITS)) throw error;
          this.apply({ type: 'clean-up-failed', failure: failureOf(error, 'clean-up', Date.now()) });
          return isSaid ? this.state.failures.build : failure;
        }
      }
    }
  }

  /** A version that takes over from a served one is first brought up to the present, or readers would step back in time. */
  async #meetThePresent(version: number, fingerprint: string): Promise<void> {
    const catchUp = async (shard: number): Promise<void> => {
      for (;;) {
        const slice = await this.#others.pass(() =>
          this.#slice({
            kind: 'refresh',
            version,
            fingerprint,
            shard,
            until: 'present-end',
            waiting: this.state.waiting[`build ${shard}`] ?? null,
          }),
        );
        this.#buildWaits(shard, slice.waiting);
        this.apply({ type: 'generation-taken', atLeast: slice.generation ?? 0 });
        if (slice.ended === 'present-end') return;
      }
    };
    await allOrNone(
      CancellationScope.current(),
      this.#shards((shard) => catchUp(shard)),
    );
  }

  #buildWaits(shard: number, waiting: Waiting | null | undefined): void {
    const lane = `build ${shard}`;
    if (waiting === undefined || (waiting === null && this.state.waiting[lane] === undefined)) return;
    this.apply({ type: 'waiting', lane, waiting });
  }

  #shards(task: (shard: number) => Promise<void>): (() => Promise<void>)[] {
    return Array.from({ length: this.#options.shards }, (_, shard) => () => task(shard));
  }

  /** That a version is of earlier semantics is no failure of its stream: another is built, and takes over. */
  #withoutNews(version: number, failure: Failure | null, error: unknown): Failure | null {
    const { live } = this.state;
    const semantics = failure === null || live?.version !== version ? null : engineOf(error);
    if (semantics === null || !isRetiredBy(live, semantics) || !patched(UPGRADES)) return failure;
    this.apply({ type: 'engine', semantics, lag: null });
    return null;
  }

  /** Compares what the stream holds with a backfill over the same log, beside the running stream. */
  async #runProof(lane: Lane, live: LiveVersion): Promise<void> {
    const { view } = this.state;
    const { version } = live;
    const bounds = { reads: 0, entities: this.#options.proofEntities };
    let report: ParityReport | null = null;
    let proof: PromotionProof | null = null;
    const broken = await runLane(
      lane,
      () => 'proof',
      async () => {
        const summary = await this.#others.pass(
          () => prove(view, live, bounds.entities),
          this.#waitLane('proof', 'what-passes'),
        );
        report = reportOf(summary, 'promotion', bounds, Date.now());
        // Readers have been flipped meanwhile: what was compared is not what they get.
        proof = summary.version === version ? proofOf(report) : null;
      },
    );
    let failure: Failure | null = broken?.failure ?? null;
    if (failure !== null && isUnprovable(failure.code)) {
      proof = unproven(version, failure);
      failure = null;
    }
    this.#proof = null;
    this.apply({ type: 'proof-ended', version, proof, report, failure });
  }

  #slice({ kind, ...work }: SliceWork): Promise<SliceSummary> {
    const { shards, sliceSeconds } = this.#options;
    const budgetMs = sliceBudgetMs(sliceSeconds);
    this.apply({ type: 'generation-taken', atLeast: 0 });
    const { view, generation } = this.state;
    return runSlice(kind, { view, ...work, semantics: semanticsKnown(this.state), generation, shards, budgetMs });
  }

  async #fence(version: number): Promise<void> {
    this.apply({ type: 'generation-taken', atLeast: 0 });
    const { view, generation } = this.state;
    const lane = this.#waitLane('fence', 'anything');
    for (;;) {
      try {
        await fence(view, version, generation);
        return lane.over();
      } catch (error) {
        await lane.retryAfter(error);
      }
    }
  }

  #waitLane(name: string, until: Until): WaitLane {
    return new WaitLane(name, until, (lane, waiting) => this.apply({ type: 'waiting', lane, waiting }));
  }
}
