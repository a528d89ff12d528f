import { defineSearchAttributeKey } from '@temporalio/common';
import { CancellationScope, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { failureOf } from './activity-failure.ts';
import { batch, batchOptions, CERTAIN, certain, QUICK, quick, stream, streamOptions } from './activity-profiles.ts';
import { type ParityReport, type PromotionProof, reportOf } from './audit-contracts.ts';
import type { Failure, LifecycleOptions, LiveVersion, SliceSummary } from './contracts.ts';
import { allOrNone, type Lane, openLane, stopLane } from './lane.ts';
import { renderLifecyclePage } from './lifecycle-page.ts';
import { isUnprovable, parityAttribute, proofOf, unproven } from './proof-outcome.ts';
import { type LifecycleEvent, type LifecycleState, phaseOf, type StreamKind, transition } from './lifecycle-state.ts';

const PASSED_SHOWN = 12;
const VIEW = defineSearchAttributeKey('FeatureView', 'KEYWORD');
const PHASE = defineSearchAttributeKey('FeaturePhase', 'KEYWORD');
const VERSION = defineSearchAttributeKey('FeatureVersion', 'INT');
const PARITY = defineSearchAttributeKey('FeatureParity', 'KEYWORD');

interface SliceWork {
  readonly kind: StreamKind;
  readonly version: number;
  readonly fingerprint: string;
  readonly shard: number;
  readonly until: 'forever' | 'present-end';
}

/**
 * Runs the work of one lifecycle: at most one build, one stream and one proof of a promotion at a time, side by side. Holds the state; every change of it
 * goes through `apply`, so that the page and the search attributes always say what is so.
 */
export class LifecycleRunner {
  readonly #options: LifecycleOptions;
  #state: LifecycleState;
  #build: Lane | null = null;
  #stream: Lane | null = null;
  #proof: { readonly lane: Lane; readonly version: number } | null = null;
  #shown: { phase: string | null; version: number | null; parity: string | null } = {
    phase: null,
    version: null,
    parity: null,
  };
  /** Set when something changed since the reconciler last looked. */
  changed = true;

  constructor(state: LifecycleState, options: LifecycleOptions) {
    this.#state = state;
    this.#options = options;
    this.apply(null);
  }

  get state(): LifecycleState {
    return this.#state;
  }

  /** True while something runs that has an end of its own and would start over in a new run: it keeps this one open. */
  get isBound(): boolean {
    return this.#build !== null || this.#proof !== null;
  }

  get idle(): boolean {
    return this.#build === null && this.#stream === null && this.#proof === null;
  }

  /** Takes an event in and shows what came of it. */
  apply(event: LifecycleEvent | null): void {
    let next = event === null ? this.#state : transition(this.#state, event);
    const phase = phaseOf(next);
    if (next.passed.at(-1)?.phase !== phase) {
      next = { ...next, passed: [...next.passed, { phase, atMs: Date.now() }].slice(-PASSED_SHOWN) };
    }
    this.#state = next;
    this.changed = true;
    setCurrentDetails(renderLifecyclePage(next));
    this.#showParity(parityAttribute(next.parity));
    const version = next.live?.version ?? null;
    if (this.#shown.phase === phase && this.#shown.version === version) return;
    this.#shown = { ...this.#shown, phase, version };
    upsertSearchAttributes([
      { key: VIEW, value: next.view },
      { key: PHASE, value: phase },
      { key: VERSION, value: version },
    ]);
  }

  /** `carried` runs inherit the attribute: it is set when it changes. */
  #showParity(parity: string | null): void {
    if (this.#shown.parity === parity) return;
    this.#shown = { ...this.#shown, parity };
    upsertSearchAttributes([{ key: PARITY, value: parity }]);
  }

  /** True when this run's history is long enough to go on in a new one. */
  carryOnDue(): boolean {
    const { continueAsNewSuggested, targetWorkerDeploymentVersionChanged, historyLength } = workflowInfo();
    const { maxHistoryEvents } = this.#options;
    return (
      continueAsNewSuggested ||
      targetWorkerDeploymentVersionChanged ||
      (maxHistoryEvents !== null && historyLength >= maxHistoryEvents)
    );
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
    const running = this.#state.stream;
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
    const { view, live } = this.#state;
    if (live !== null) await this.#fence(live.version);
    await certain.retireView.executeWithOptions({ ...CERTAIN, summary: `take ${view} from its readers` }, [{ view }]);
    this.apply({ type: 'retired' });
  }

  async #runBuild(lane: Lane, onUnknownView: (error: unknown) => void): Promise<void> {
    const { view } = this.#state;
    const isFirst = this.#state.wants.build === 'first';
    let during = 'looking up the definition';
    let failure: Failure | null = null;
    try {
      await lane.scope.run(async () => {
        const plan = await quick.resolveView.executeWithOptions({ ...QUICK, summary: `look up ${view}` }, [{ view }]);
        this.apply({ type: 'resolved', plan });
        if (isFirst && this.#state.wants.build === null) return;
        during = 'backfill';
        const built = await batch.backfillView.executeWithOptions(batchOptions(`backfill ${view}`), [
          { view, fingerprint: plan.fingerprint },
        ]);
        this.apply({ type: 'backfilled' });
        during = 'publish';
        if (this.#state.live !== null && plan.topic !== null)
          await this.#meetThePresent(built.version, plan.fingerprint);
        const summary = `publish ${view} v${built.version}`;
        await quick.publishView.executeWithOptions({ ...QUICK, summary }, [{ view, version: built.version }]);
        this.apply({ type: 'published', built, fingerprint: plan.fingerprint, atMs: Date.now() });
      });
    } catch (error) {
      if (!lane.stopping) failure = failureOf(error, during, Date.now());
      if (failure?.code === 'unknown-view' && this.#state.live === null) onUnknownView(error);
      else if (during !== 'looking up the definition') await certain.discardUnfinished({ view });
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
    let failure: Failure | null = null;
    let completed = false;
    try {
      const shards = this.#shards((shard) => this.#runShard(lane, { kind, version, fingerprint }, shard));
      await lane.scope.run(() => allOrNone(lane.scope, shards));
      completed = !lane.stopping && !lane.ending;
    } catch (error) {
      if (!lane.stopping && !lane.ending) failure = failureOf(error, kind, Date.now());
    }
    // Whatever became of the worker that ran it: after the fence nothing older can write.
    if (!completed) await this.#fence(version);
    this.#stream = null;
    this.apply({ type: 'stream-ended', failure, completed });
  }

  async #runShard(lane: Lane, work: Omit<SliceWork, 'shard' | 'until'>, shard: number): Promise<void> {
    while (!lane.stopping) {
      const isCaughtUp = this.#state.caughtUp.includes(shard);
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
    const { view } = this.#state;
    const bounds = { reads: 0, entities: this.#options.proofEntities };
    let report: ParityReport | null = null;
    let proof: PromotionProof | null = null;
    let failure: Failure | null = null;
    try {
      const summary = await lane.scope.run(() =>
        batch.provePromotion.executeWithOptions(batchOptions(`prove the promotion of ${view} v${version}`), [
          { view, version, fingerprint, entities: bounds.entities },
        ]),
      );
      report = reportOf(summary, 'promotion', bounds, Date.now());
      // Readers have been flipped meanwhile: what was compared is not what they get.
      proof = summary.version === version ? proofOf(report) : null;
    } catch (error) {
      if (!lane.stopping) failure = failureOf(error, 'proof', Date.now());
      if (failure !== null && isUnprovable(failure.code)) {
        proof = unproven(version, failure);
        failure = null;
      }
    }
    this.#proof = null;
    this.apply({ type: 'proof-ended', version, proof, report, failure });
  }

  async #slice(work: SliceWork): Promise<SliceSummary> {
    const { view } = this.#state;
    const { shards, sliceSeconds } = this.#options;
    // A tenth of jitter keeps many views from changing slices in the same instant.
    const budgetMs = Math.round(sliceSeconds * 1000 * (0.9 + 0.2 * Math.random()));
    this.apply({ type: 'generation-taken', atLeast: 0 });
    const { kind, version, fingerprint, shard, until } = work;
    const verb = kind === 'refresh' ? 'bring up to now' : until === 'forever' ? 'stream' : 'catch up';
    const summary = `${verb}: ${view} v${version}${shards > 1 ? ` shard ${shard + 1}/${shards}` : ''}`;
    return await stream.runStreamSlice.executeWithOptions(streamOptions(budgetMs, summary), [
      { view, version, fingerprint, generation: this.#state.generation, shard, shards, until, budgetMs },
    ]);
  }

  async #fence(version: number): Promise<void> {
    this.apply({ type: 'generation-taken', atLeast: 0 });
    const { view, generation } = this.#state;
    await certain.fenceStream.executeWithOptions({ ...CERTAIN, summary: `fence the stream of ${view} v${version}` }, [
      { view, version, generation },
    ]);
  }
}
