import { CancellationScope } from '@temporalio/workflow';
import {
  batch,
  batchOptions,
  CERTAIN,
  certain,
  QUICK,
  quick,
  sliceBudgetMs,
  stream,
  streamOptions,
} from '../activity-profiles.ts';
import { type ParityReport, reportOf } from '../audit-parity/contract.ts';
import type { Failure } from '../failure.ts';
import { allOrNone, type Lane, openLane, runLane, stopLane } from '../lane.ts';
import { FEATURE_PARITY, FEATURE_PHASE, FEATURE_VERSION, FEATURE_VIEW, parityAttribute } from '../search-attributes.ts';
import { type Machine, StateRunner } from '../state-runner.ts';
import type { LifecycleOptions, LiveVersion, Phase, PromotionProof, SliceSummary } from './contract.ts';
import { renderLifecyclePage } from './page.ts';
import { isUnprovable, proofOf, unproven } from './proof-outcome.ts';
import { type LifecycleEvent, transition } from './transition.ts';
import type { LifecycleState, StreamKind } from './state.ts';
import { phaseOf } from './status.ts';

const MACHINE: Machine<LifecycleState, LifecycleEvent, Phase> = {
  transition,
  phaseOf,
  renderPage: renderLifecyclePage,
  attributesOf: ({ view, live, parity }, phase) => [
    [{ key: FEATURE_PARITY, value: parityAttribute(parity) }],
    [
      { key: FEATURE_VIEW, value: view },
      { key: FEATURE_PHASE, value: phase },
      { key: FEATURE_VERSION, value: live?.version ?? null },
    ],
  ],
};

const LOOKING_UP = 'looking up the definition';

interface SliceWork {
  readonly kind: StreamKind;
  readonly version: number;
  readonly fingerprint: string;
  readonly shard: number;
  readonly until: 'forever' | 'present-end';
}

/**
 * Runs the work of one lifecycle: at most one build, one stream and one proof of a promotion at a time, side by side.
 */
export class LifecycleRunner extends StateRunner<LifecycleState, LifecycleEvent, Phase> {
  readonly #options: LifecycleOptions;
  #build: Lane | null = null;
  #stream: Lane | null = null;
  #proof: { readonly lane: Lane; readonly version: number } | null = null;
  /** Set when something changed since the reconciler last looked. */
  changed = true;

  constructor(state: LifecycleState, options: LifecycleOptions) {
    super(MACHINE, state, options.maxHistoryEvents);
    this.#options = options;
  }

  override apply(event: LifecycleEvent): void {
    super.apply(event);
    this.changed = true;
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
    await certain.retireView.executeWithOptions({ ...CERTAIN, summary: `take ${view} from its readers` }, [{ view }]);
    this.apply({ type: 'retired' });
  }

  async #runBuild(lane: Lane, onUnknownView: (error: unknown) => void): Promise<void> {
    const { view } = this.state;
    const isFirst = this.state.wants.build === 'first';
    let during = LOOKING_UP;
    const broken = await runLane(
      lane,
      () => during,
      async () => {
        const plan = await quick.resolveView.executeWithOptions({ ...QUICK, summary: `look up ${view}` }, [{ view }]);
        this.apply({ type: 'resolved', plan });
        if (isFirst && this.state.wants.build === null) return;
        during = 'backfill';
        const built = await batch.backfillView.executeWithOptions(batchOptions(`backfill ${view}`), [
          { view, fingerprint: plan.fingerprint },
        ]);
        this.apply({ type: 'backfilled' });
        during = 'publish';
        if (this.state.live !== null && plan.topic !== null)
          await this.#meetThePresent(built.version, plan.fingerprint);
        const summary = `publish ${view} v${built.version}`;
        await quick.publishView.executeWithOptions({ ...QUICK, summary }, [{ view, version: built.version }]);
        this.apply({ type: 'published', built, fingerprint: plan.fingerprint, atMs: Date.now() });
      },
    );
    const failure = broken?.failure ?? null;
    if (broken !== null) {
      if (failure?.code === 'unknown-view' && this.state.live === null) onUnknownView(broken.error);
      else if (during !== LOOKING_UP) await certain.discardUnfinished({ view });
    }
    this.#build = null;
    this.apply({ type: 'build-ended', failure });
  }

  /** A version that takes over from a served one is first brought up to the present, or readers would step back in time. */
  async #meetThePresent(version: number, fingerprint: string): Promise<void> {
    const catchUp = async (shard: number): Promise<void> => {
      for (;;) {
        const slice = await this.#slice({ kind: 'refresh', version, fingerprint, shard, until: 'present-end' });
        this.apply({ type: 'generation-taken', atLeast: slice.generation ?? 0 });
        if (slice.ended === 'present-end') return;
      }
    };
    await allOrNone(
      CancellationScope.current(),
      this.#shards((shard) => catchUp(shard)),
    );
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
    // Whatever became of the worker that ran it: after the fence nothing older can write.
    if (!completed) await this.#fence(version);
    this.#stream = null;
    this.apply({ type: 'stream-ended', failure: broken?.failure ?? null, completed });
  }

  async #runShard(lane: Lane, work: Omit<SliceWork, 'shard' | 'until'>, shard: number): Promise<void> {
    while (!lane.stopping) {
      const isCaughtUp = this.state.caughtUp.includes(shard);
      const until = work.kind === 'stream' && isCaughtUp ? 'forever' : 'present-end';
      const slice = await this.#slice({ ...work, shard, until });
      const { catchUpLag } = this.#options;
      this.apply({ type: 'slice-ended', shard, slice, catchUpLag });
      if (work.kind === 'refresh' && slice.ended === 'present-end') return;
      if (this.carryOnDue() && !this.isBound) {
        lane.ending = true;
        // The other shards end at once: none may wait for the slowest slice.
        if (this.#options.shards > 1) lane.scope.cancel();
        return;
      }
    }
  }

  /** Compares what the stream holds with a backfill over the same log, beside the running stream. */
  async #runProof(lane: Lane, { version, fingerprint }: LiveVersion): Promise<void> {
    const { view } = this.state;
    const bounds = { reads: 0, entities: this.#options.proofEntities };
    let report: ParityReport | null = null;
    let proof: PromotionProof | null = null;
    const broken = await runLane(
      lane,
      () => 'proof',
      async () => {
        const options = batchOptions(`prove the promotion of ${view} v${version}`);
        const input = { view, version, fingerprint, entities: bounds.entities };
        const summary = await batch.provePromotion.executeWithOptions(options, [input]);
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

  async #slice(work: SliceWork): Promise<SliceSummary> {
    const { view } = this.state;
    const { shards, sliceSeconds } = this.#options;
    const budgetMs = sliceBudgetMs(sliceSeconds);
    this.apply({ type: 'generation-taken', atLeast: 0 });
    const { kind, version, fingerprint, shard, until } = work;
    const verb = kind === 'refresh' ? 'bring up to now' : until === 'forever' ? 'stream' : 'catch up';
    const summary = `${verb}: ${view} v${version}${shards > 1 ? ` shard ${shard + 1}/${shards}` : ''}`;
    return await stream.runStreamSlice.executeWithOptions(streamOptions(budgetMs, summary), [
      { view, version, fingerprint, generation: this.state.generation, shard, shards, until, budgetMs },
    ]);
  }

  async #fence(version: number): Promise<void> {
    this.apply({ type: 'generation-taken', atLeast: 0 });
    const { view, generation } = this.state;
    await certain.fenceStream.executeWithOptions({ ...CERTAIN, summary: `fence the stream of ${view} v${version}` }, [
      { view, version, generation },
    ]);
  }
}
