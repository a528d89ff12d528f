import { CancellationScope, patched } from '@temporalio/workflow';
import { sliceBudgetMs } from '../activity-profiles.ts';
import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import { type ParityReport, reportOf } from '../audit-parity/contract.ts';
import { type Failure, failureOf } from '../failure.ts';
import { allOrNone, type Lane, openLane, runLane, stopLane } from '../lane.ts';
import { engineOf, OtherReleases, STREAM_WAITS_MS, UPGRADES } from '../other-release.ts';
import { ownInstallation } from '../own-installation.ts';
import { FEATURE_PARITY, FEATURE_PHASE, FEATURE_VERSION, FEATURE_VIEW, parityAttribute } from '../search-attributes.ts';
import { type Machine, StateRunner } from '../state-runner.ts';
import { type Until, type Waiting, WaitLane, WAITS } from '../waits.ts';
import { buildVersion } from './build-version.ts';
import { isCaughtUp } from './caught-up.ts';
import { discardUnfinished, fence, prove, runSlice, takeFromReaders } from './calls.ts';
import type {
  Candidate,
  LifecycleOptions,
  LiveVersion,
  Phase,
  PromotionProof,
  SliceInput,
  SliceSummary,
} from './contract.ts';
import { flip } from './flip.ts';
import { renderLifecyclePage } from './page.ts';
import { isUnprovable, proofOf, unproven } from './proof-outcome.ts';
import type { LifecycleState, StreamKind } from './state.ts';
import { phaseOf } from './status.ts';
import { type LifecycleEvent, streamLane, transition } from './transition.ts';
import { isRetiredBy, semanticsKnown } from './upgrade.ts';

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

/** What a version is refused with that is not there any more: there is nothing to go on with. */
const GONE: ReadonlySet<string> = new Set<MillraceErrorCode>(['version-not-built', 'version-not-streamable']);

type SliceWork = Pick<SliceInput, 'version' | 'fingerprint' | 'shard' | 'until' | 'mostlyInvalid' | 'waiting'> & {
  readonly kind: StreamKind;
};

/**
 * Runs the work of one lifecycle: at most one build, one stream and one proof of a promotion at a time, side by side.
 */
export class LifecycleRunner extends StateRunner<LifecycleState, LifecycleEvent, Phase> {
  readonly #options: LifecycleOptions;
  readonly #others = new OtherReleases(
    () => semanticsKnown(this.state),
    (isWaiting) => this.apply({ type: 'other-release', isWaiting }),
  );
  #build: Lane | null = null;
  #stream: Lane | null = null;
  #proof: { readonly lane: Lane; readonly version: number } | null = null;
  /** Set when something changed since the reconciler last looked. */
  changed = true;
  #isCancelled = false;

  constructor(state: LifecycleState, options: LifecycleOptions) {
    super(MACHINE, state, options.maxHistoryEvents);
    this.#options = options;
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
    return this.#build !== null || this.#proof !== null;
  }

  get idle(): boolean {
    return this.#build === null && this.#stream === null && this.#proof === null;
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

  /** Starts the stream lane, or stops a running one that does something else; the reconciler starts the right one afterwards. */
  ensureStream(kind: StreamKind, live: LiveVersion): void {
    const { version, fingerprint } = live;
    const running = this.state.stream;
    if (running !== null) {
      if (running.kind !== kind || running.version !== version) this.stopStream();
      return;
    }
    const lane = openLane();
    this.#stream = lane;
    this.apply({ type: 'stream-started', kind, version, atMs: Date.now() });
    void this.#runStream(lane, kind, version, fingerprint);
  }

  stopStream(): void {
    stopLane(this.#stream);
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
    const lanes = {
      lookUp: this.#waitLane('looking up', 'what-passes'),
      backfill: this.#waitLane('backfill', 'what-passes'),
    };
    const broken = await runLane(
      lane,
      () => during,
      async () => {
        const candidate = this.#kept ?? (await buildVersion(this, this.#others, lanes, () => (during = 'backfill')));
        if (candidate === null) {
          isAdopted = true;
          return;
        }
        const { built, fingerprint, topic } = candidate;
        this.apply({ type: 'backfilled', candidate });
        during = 'publish';
        if (this.state.live !== null && topic !== null) await this.#meetThePresent(built.version, fingerprint);
        const by = patched(UPGRADES) ? 'flipView' : 'publishView';
        await this.#others.pass(() => flip(by, view, built.version), this.#waitLane('publish', 'what-passes'));
        this.apply({ type: 'published', built, fingerprint, atMs: Date.now() });
      },
    );
    let failure = broken?.failure ?? null;
    if (broken !== null) {
      if (failure?.code === 'unknown-view' && this.state.live === null) onUnknownView(broken.error);
      else if (during !== LOOKING_UP) failure = await this.#keepOrCleanUp(failure);
    } else if (isAdopted && patched(KEPT)) {
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

  async #runStream(lane: Lane, kind: StreamKind, version: number, fingerprint: string): Promise<void> {
    const shards = this.#shards((shard) => this.#runShard(lane, { kind, version, fingerprint }, shard));
    const broken = await runLane(
      lane,
      () => kind,
      () => allOrNone(lane.scope, shards),
    );
    const completed = broken === null && !lane.stopping && !lane.ending;
    const failure = this.#withoutNews(broken?.failure ?? null, broken?.error);
    // Whatever became of the worker that ran it: after the fence nothing older can write.
    if (!completed) await this.#fence(version);
    this.#stream = null;
    this.apply({ type: 'stream-ended', failure, completed });
  }

  /** That a version is of earlier semantics is no failure of its stream: another is built, and takes over. */
  #withoutNews(failure: Failure | null, error: unknown): Failure | null {
    const semantics = failure === null ? null : engineOf(error);
    if (semantics === null || !isRetiredBy(this.state.live, semantics) || !patched(UPGRADES)) return failure;
    this.apply({ type: 'engine', semantics, lag: null });
    return null;
  }

  async #runShard(
    lane: Lane,
    work: Omit<SliceWork, 'shard' | 'until' | 'mostlyInvalid' | 'waiting'>,
    shard: number,
  ): Promise<void> {
    let tries = 0;
    while (!lane.stopping) {
      const until = work.kind === 'stream' && this.state.caughtUp.includes(shard) ? 'forever' : 'present-end';
      try {
        const mostlyInvalid = work.kind === 'stream' ? this.state.mostlyInvalid.includes(shard) : undefined;
        const waiting = this.state.waiting[streamLane(shard)] ?? null;
        const slice = await this.#slice({ ...work, shard, until, mostlyInvalid, waiting });
        tries = 0;
        this.apply({ type: 'slice-ended', shard, slice, isCaughtUp: isCaughtUp(slice, this.#options) });
        if (work.kind === 'refresh' && slice.ended === 'present-end') return;
      } catch (error) {
        if (!this.#others.gave(error)) throw error;
        await this.#others.wait(tries++, STREAM_WAITS_MS);
      }
      if (this.carryOnDue() && !this.isBound) {
        lane.ending = true;
        // The other shards end at once: none may wait for the slowest slice.
        if (this.#options.shards > 1) lane.scope.cancel();
        return;
      }
    }
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
