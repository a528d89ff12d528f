import type { MillraceError } from '../errors/millrace-error.ts';
import { type SessionEnd, SlicedRun, type SliceWork } from '../slice/sliced-run.ts';
import { heldOf, lagOf, type SliceEnd, type SliceOffset, type SliceProgress } from '../slice/slice-options.ts';
import type { Waiting } from '../slice/wait-watch.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { topicOf } from '../topic/topic-of.ts';
import type { Joined } from './join-events.ts';
import { OutboxSender } from './outbox.ts';
import { claimSide } from './pair-claim.ts';
import {
  DEFAULT_PAIRS_LIMITS,
  type PairsLimits,
  type PairsResult,
  type RunPairsOptions,
  type Side,
} from './pairs-options.ts';
import { type SideHost, SideSession } from './side-session.ts';

/**
 * Joins the decisions and outcomes of a label set into pairs on a topic: both logs are read side by side, each batch of either is one transaction with its
 * offsets and the fencing token, in which its pairs go to the outbox; a sender brings them to the topic. Which pairs there are is a function of the two
 * logs: no order, batching, parallelism or crash shows. Goes on until aborted, past its deadline, fenced by a newer token (`superseded`), or, with
 * `until: 'present-end'`, until what was there when it began is joined and sent.
 *
 * Services that are away are waited for (state `waiting`), as are a full outbox and the other side. Throws MillraceError: `pairs-changed`,
 * `topic-not-found`, `topic-recreated`, `cluster-changed`, `offsets-gone`, `too-many-invalid-records`, `source-without-topic`.
 *
 * The pool needs four connections or more.
 *
 * @example
 * const result = await runPairs({ rule: labelSet, topic: 'millrace.pairs.late', pool, reader, pairsReader, writer, until: 'forever', signal,
 *   deadlineMs: 30 * 60_000, clock: systemClock, fence: { generation: 7, attemptMs: scheduledMs, owner: 'worker-1' } });
 */
export async function runPairs(options: RunPairsOptions): Promise<PairsResult> {
  return new PairsRun(options).run();
}

class PairsRun {
  readonly #options: RunPairsOptions;
  readonly #limits: PairsLimits;
  readonly #sender: OutboxSender;
  readonly #sides: readonly SideRun[];
  /** Ends both sides and the sender. */
  readonly #stop = new AbortController();
  #pairs = 0;
  #senderWaiting: Waiting | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(options: RunPairsOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_PAIRS_LIMITS, ...options.limits };
    const { topic, pool, writer, fence, failAt } = options;
    this.#sender = new OutboxSender({
      topic,
      pool,
      writer,
      fence,
      reader: options.pairsReader,
      limits: this.#limits.sender,
      failAt,
    });
    const { signal } = options;
    const either = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    // What the run waits for is told of all three together.
    const ofSide = { ...options, signal: either, waiting: undefined };
    const host = { committed: (joined: Joined) => this.#committed(joined), stopping: () => this.#stopping() };
    this.#sides = (['decisions', 'outcomes'] as const).map((side) => new SideRun(ofSide, this.#limits, side, host));
  }

  async run(): Promise<PairsResult> {
    const stopSender = new AbortController();
    const sending = this.#sender.run(stopSender.signal).then(
      (ended) => {
        if (ended === 'superseded') this.#stop.abort();
        return { ended };
      },
      (error: unknown) => {
        this.#failed(error);
        return { error };
      },
    );
    const ticker = setInterval(() => this.#report(), this.#limits.progressEveryMs);
    try {
      const ended = await this.#runSides();
      stopSender.abort();
      const sent = await sending;
      if (this.#failure !== null) throw this.#failure.error;
      if ('error' in sent) throw sent.error;
      const isSuperseded = ended.includes('superseded') || sent.ended === 'superseded';
      if (!isSuperseded && ended.every((end) => end === 'present-end')) {
        const rest = await this.#sender.run(this.#options.signal ?? new AbortController().signal, { untilEmpty: true });
        return this.#result(rest === 'empty' ? 'present-end' : rest === 'superseded' ? 'superseded' : 'aborted');
      }
      if (isSuperseded) return this.#result('superseded');
      return this.#result(this.#options.signal?.aborted === true ? 'aborted' : 'deadline');
    } finally {
      clearInterval(ticker);
      stopSender.abort();
      await sending;
    }
  }

  /** Both until one of them stops; with an end, until both are there. What one throws ends the other. */
  async #runSides(): Promise<readonly SliceEnd[]> {
    const runs = this.#sides.map(async ({ slice }): Promise<SliceEnd> => {
      try {
        const ended = await slice.run();
        if (ended !== 'present-end') this.#stop.abort();
        return ended;
      } catch (error) {
        // A wait for memory that was broken off throws why.
        const isStopped = error === this.#stop.signal.reason || error === this.#options.signal?.reason;
        if (!isStopped) this.#failed(error);
        return 'aborted';
      }
    });
    return await Promise.all(runs);
  }

  /** The first failure is the run's: the others come of it. */
  #failed(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }

  #result(ended: PairsResult['ended']): PairsResult {
    this.#report();
    const offsets = this.#offsets();
    return {
      ended,
      records: this.#records(),
      pairs: this.#pairs,
      sent: this.#sender.sent,
      lag: lagOf(offsets),
      waiting: this.#waiting(),
    };
  }

  #committed({ pairs }: Joined): void {
    this.#pairs += pairs;
    if (pairs > 0) this.#sender.nudge();
  }

  /** True where the caller is to hear that it waits, or no more. */
  #stopping(): boolean {
    const { waiting: known } = this.#options;
    if (known === undefined) return false;
    return known?.code !== this.#waiting()?.code;
  }

  #waiting(): Waiting | null {
    const ofSides = this.#sides.map(({ slice }) => slice.waiting).find((waiting) => waiting !== null);
    if (ofSides !== undefined) return ofSides;
    const { clock } = this.#options;
    const error = this.#sender.waitsFor;
    const nowMs = Math.floor(clock.nowUs() / 1000);
    if (error === null) return (this.#senderWaiting = null);
    const { code, message } = error;
    if (this.#senderWaiting?.code !== code) this.#senderWaiting = { code, message, sinceMs: nowMs };
    return nowMs - this.#senderWaiting.sinceMs >= this.#limits.tellWaitAfterMs ? this.#senderWaiting : null;
  }

  #records(): number {
    return this.#sides.reduce((sum, { records }) => sum + records, 0);
  }

  #offsets(): SliceOffset[] {
    return this.#sides.flatMap((side) => side.offsets());
  }

  #report(): void {
    const offsets = this.#offsets();
    const told = this.#sides.map(({ progress }) => progress).filter((progress) => progress !== null);
    const isIn = (state: SliceProgress['state']): boolean => told.some((each) => each.state === state);
    try {
      this.#options.onProgress?.({
        records: this.#records(),
        lag: lagOf(offsets),
        held: heldOf(offsets),
        recordsPerSecond: told.reduce((sum, each) => sum + each.recordsPerSecond, 0),
        // The one that hangs is to be seen.
        turns: told.length === 0 ? 0 : Math.min(...told.map(({ turns }) => turns)),
        state: isIn('waiting') ? 'waiting' : isIn('claiming') || told.length === 0 ? 'claiming' : 'running',
        waitingFor:
          told.find(({ waitingFor }) => waitingFor !== undefined)?.waitingFor ?? this.#sender.waitsFor?.message,
        waiting: this.#waiting(),
        pairs: this.#pairs,
        sent: this.#sender.sent,
      });
    } catch (error) {
      this.#failed(error);
    }
  }
}

/** What a side asks its run, and tells it. */
interface RunHost {
  committed(joined: Joined): void;
  stopping(): boolean;
}

/** One side: a sliced run of its own. */
class SideRun implements SliceWork, SideHost {
  readonly topic: string;
  readonly slice: SlicedRun;
  records = 0;
  /** As last reported. */
  progress: SliceProgress | null = null;
  readonly #options: RunPairsOptions;
  readonly #limits: PairsLimits;
  readonly #side: Side;
  readonly #host: RunHost;
  #session: SideSession | null = null;
  #offsets: readonly SliceOffset[] = [];

  constructor(options: RunPairsOptions, limits: PairsLimits, side: Side, host: RunHost) {
    this.#options = options;
    this.#limits = limits;
    this.#side = side;
    this.#host = host;
    this.topic = topicOf(options.rule[side], 'to join');
    this.slice = new SlicedRun(options, limits, this);
  }

  stopping(): boolean {
    return this.slice.stopping() || this.#host.stopping();
  }

  committed(records: number, joined: Joined): void {
    this.records += records;
    this.#host.committed(joined);
  }

  async claimAndRun(): Promise<SessionEnd> {
    const bounds = await this.#options.reader.bounds(this.topic);
    const claimed = await claimSide(this.#options, this.#side, bounds, this.slice.hasClaimed);
    if (claimed === null) return 'superseded';
    this.#offsets = claimed;
    const ends = this.slice.claimed(claimed);
    this.#session = await SideSession.open(this.#options, this.#limits, this.#side, this, claimed, bounds);
    this.slice.working();
    try {
      return await this.#session.run(ends);
    } finally {
      this.#offsets = this.#session.offsets();
      this.#session = null;
    }
  }

  offsets(): readonly SliceOffset[] {
    return this.#session?.offsets() ?? this.#offsets;
  }

  report(progress: SliceProgress): void {
    this.progress = progress;
  }

  /** What a reader no longer finds, the next claim names: it compares bounds and anchor. */
  failuresAfter(error: MillraceError, failures: number, progressed: boolean): number | null {
    return error.retryable || (isNotHeld(error) && failures < 3) ? (progressed ? 1 : failures + 1) : null;
  }
}
