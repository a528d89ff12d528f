import { defineSearchAttributeKey } from '@temporalio/common';
import { CancellationScope, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { failureOf } from './activity-failure.ts';
import { batch, batchOptions, CERTAIN, certain, QUICK, quick, stream, streamOptions } from './activity-profiles.ts';
import type { Failure, LifecycleOptions, LiveVersion, SliceSummary } from './contracts.ts';
import { renderLifecyclePage } from './lifecycle-page.ts';
import { type LifecycleEvent, type LifecycleState, phaseOf, type StreamKind, transition } from './lifecycle-state.ts';

const PASSED_SHOWN = 12;
const VIEW = defineSearchAttributeKey('FeatureView', 'KEYWORD');
const PHASE = defineSearchAttributeKey('FeaturePhase', 'KEYWORD');
const VERSION = defineSearchAttributeKey('FeatureVersion', 'INT');

/** A running piece of work: its scope to cancel, and whether it is to stop (for good) or only to end (for the next run to go on). */
interface Lane {
  readonly scope: CancellationScope;
  stopping: boolean;
  ending: boolean;
}

interface SliceWork {
  readonly kind: StreamKind;
  readonly version: number;
  readonly fingerprint: string;
  readonly shard: number;
  readonly until: 'forever' | 'present-end';
}

function openLane(): Lane {
  return { scope: new CancellationScope(), stopping: false, ending: false };
}

function stop(lane: Lane | null): void {
  if (lane === null || lane.stopping) return;
  lane.stopping = true;
  lane.scope.cancel();
}

/** Runs all; the first that fails stops the others, and only when every one has ended is its error thrown. */
async function allOrNone(scope: CancellationScope, tasks: readonly (() => Promise<void>)[]): Promise<void> {
  let first: { readonly error: unknown } | null = null;
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task();
      } catch (error) {
        first ??= { error };
        scope.cancel();
      }
    }),
  );
  const failed = first as { readonly error: unknown } | null;
  if (failed !== null) throw failed.error;
}

/**
 * Runs the work of one lifecycle: at most one build and one stream at a time, side by side. Holds the state; every change of it
 * goes through `apply`, so that the page and the search attributes always say what is so.
 */
export class LifecycleRunner {
  readonly #options: LifecycleOptions;
  #state: LifecycleState;
  #build: Lane | null = null;
  #stream: Lane | null = null;
  #shown: { phase: string | null; version: number | null } = { phase: null, version: null };
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

  get building(): boolean {
    return this.#build !== null;
  }

  get idle(): boolean {
    return this.#build === null && this.#stream === null;
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
    const version = next.live?.version ?? null;
    if (this.#shown.phase === phase && this.#shown.version === version) return;
    this.#shown = { phase, version };
    upsertSearchAttributes([
      { key: VIEW, value: next.view },
      { key: PHASE, value: phase },
      { key: VERSION, value: version },
    ]);
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
    stop(this.#build);
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
    stop(this.#stream);
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
      if (this.carryOnDue() && !this.building) {
        lane.ending = true;
        // The other shards end at once: none may wait for the slowest slice.
        if (this.#options.shards > 1) lane.scope.cancel();
        return;
      }
    }
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
