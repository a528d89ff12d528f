import type { Failure } from '../failure.ts';
import { allOrNone, type Lane, openLane, runLane, stopLane } from '../lane.ts';
import { type OtherReleases, STREAM_WAITS_MS } from '../other-release.ts';
import { isCaughtUp } from './caught-up.ts';
import type { LifecycleOptions, LiveVersion, SliceInput, SliceSummary } from './contract.ts';
import { NO_FIGURES, sideOf, streamLane, type StreamFigures } from './side-version.ts';
import type { LifecycleState, StreamKind } from './state.ts';
import type { LifecycleEvent } from './transition.ts';

export type SliceWork = Pick<
  SliceInput,
  'version' | 'fingerprint' | 'shard' | 'until' | 'mostlyInvalid' | 'waiting'
> & {
  readonly kind: StreamKind;
};

/** A stream that is to run. */
export interface WantedStream extends Pick<LiveVersion, 'version' | 'fingerprint'> {
  readonly kind: StreamKind;
}

/** Whose streams run, and by what. */
export interface StreamsOf {
  readonly owner: {
    readonly state: LifecycleState;
    readonly isBound: boolean;
    apply(event: LifecycleEvent): void;
    carryOnDue(): boolean;
  };
  readonly options: LifecycleOptions;
  readonly others: OtherReleases;
  readonly slice: (work: SliceWork) => Promise<SliceSummary>;
  readonly fence: (version: number) => Promise<void>;
  /** What of a failure is one, and no news. */
  readonly toldFailure: (version: number, failure: Failure | null, error: unknown) => Failure | null;
}

/** The streams of a lifecycle's versions, each in a lane of its own: whatever becomes of the versions, a stream that is still wanted runs on. */
export class StreamLanes {
  readonly #of: StreamsOf;
  readonly #lanes = new Map<number, { readonly lane: Lane; readonly kind: StreamKind }>();

  constructor(of: StreamsOf) {
    this.#of = of;
  }

  get isIdle(): boolean {
    return this.#lanes.size === 0;
  }

  has(version: number): boolean {
    return this.#lanes.has(version);
  }

  /** Starts the streams that are wanted, and stops those that are not: the wanted ones are started once those have ended. */
  ensure(wanted: readonly WantedStream[], mayStart: boolean): void {
    let isStopping = false;
    for (const [version, { lane, kind }] of this.#lanes) {
      if (wanted.some((one) => one.version === version && one.kind === kind)) continue;
      stopLane(lane);
      isStopping = true;
    }
    if (isStopping || !mayStart) return;
    for (const one of wanted) if (!this.#lanes.has(one.version)) this.#start(one);
  }

  #start({ kind, version, fingerprint }: WantedStream): void {
    const lane = openLane();
    this.#lanes.set(version, { lane, kind });
    this.#of.owner.apply({ type: 'stream-started', kind, version, atMs: Date.now() });
    void this.#run(lane, kind, version, fingerprint);
  }

  async #run(lane: Lane, kind: StreamKind, version: number, fingerprint: string): Promise<void> {
    const { owner, options, fence, toldFailure } = this.#of;
    const shards = Array.from(
      { length: options.shards },
      (_, shard) => () => this.#runShard(lane, { kind, version, fingerprint }, shard),
    );
    const broken = await runLane(
      lane,
      () => kind,
      () => allOrNone(lane.scope, shards),
    );
    const completed = broken === null && !lane.stopping && !lane.ending;
    const failure = toldFailure(version, broken?.failure ?? null, broken?.error);
    // Whatever became of the worker that ran it: after the fence nothing older can write.
    if (!completed) await fence(version);
    this.#lanes.delete(version);
    owner.apply({ type: 'stream-ended', version, failure, completed });
  }

  async #runShard(
    lane: Lane,
    work: Omit<SliceWork, 'shard' | 'until' | 'mostlyInvalid' | 'waiting'>,
    shard: number,
  ): Promise<void> {
    const { owner, options, others, slice: run } = this.#of;
    const { version } = work;
    let tries = 0;
    while (!lane.stopping) {
      const figures = this.#figures(version);
      const until = work.kind === 'stream' && figures.caughtUp.includes(shard) ? 'forever' : 'present-end';
      try {
        const mostlyInvalid = work.kind === 'stream' ? figures.mostlyInvalid.includes(shard) : undefined;
        const waiting = owner.state.waiting[streamLane(version, shard)] ?? null;
        const slice = await run({ ...work, shard, until, mostlyInvalid, waiting });
        tries = 0;
        owner.apply({ type: 'slice-ended', version, shard, slice, isCaughtUp: isCaughtUp(slice, options) });
        if (work.kind === 'refresh' && slice.ended === 'present-end') return;
      } catch (error) {
        if (!others.gave(error)) throw error;
        await others.wait(tries++, STREAM_WAITS_MS);
      }
      if (owner.carryOnDue() && !owner.isBound) {
        this.#endAll(lane);
        return;
      }
    }
  }

  /** Ends all streams at once, for the next run to go on with them: none may wait for the slowest slice. */
  #endAll(first: Lane): void {
    for (const { lane } of this.#lanes.values()) {
      lane.ending = true;
      if (lane !== first || this.#of.options.shards > 1) lane.scope.cancel();
    }
  }

  #figures(version: number): StreamFigures {
    const { state } = this.#of.owner;
    return state.live?.version === version ? state : (sideOf(state, version) ?? NO_FIGURES);
  }
}
