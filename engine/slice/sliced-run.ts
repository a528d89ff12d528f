import { setTimeout as sleep } from 'node:timers/promises';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { HoldWatch } from './hold-watch.ts';
import { RateMeter } from './rate-meter.ts';
import {
  heldOf,
  lagOf,
  type SliceEnd,
  type SliceLimits,
  type SliceOffset,
  type SliceOptions,
  type SliceProgress,
} from './slice-options.ts';
import { type Waiting, WaitWatch } from './wait-watch.ts';

/** Why the work under one claim ended: `reclaim` when the partitions of the topic have changed. */
export type SessionEnd = 'stopped' | 'read-all' | 'superseded' | 'reclaim';

/** What a run does under its claims. */
export interface SliceWork {
  readonly topic: string;
  /** Claims, then works until the claim ends. Calls `SlicedRun.claimed` in between. What it throws ends the claim. */
  claimAndRun(): Promise<SessionEnd>;
  /** Committed by the run so far. */
  readonly records: number;
  /** As committed. */
  offsets(): readonly SliceOffset[];
  /** Passes the figures on. What it throws ends the run. */
  report(progress: SliceProgress): void;
  /**
   * How many failures in a row an error makes after `failures`, or null where it ends the run.
   *
   * @param progressed whether records were committed since the last failure
   */
  failuresAfter(error: MillraceError, failures: number, progressed: boolean): number | null;
}

/**
 * The loop of a time-sliced run: claim, work, and claim again, until the deadline, an abort, the present end or a newer token. Services that
 * are away are waited for, with progress reported all the while; which other errors pass is the work's to say.
 */
export class SlicedRun {
  readonly #options: SliceOptions;
  readonly #limits: SliceLimits;
  readonly #work: SliceWork;
  readonly #startedMs: number;
  readonly #meter = new RateMeter();
  readonly #watch: WaitWatch;
  readonly #holds: HoldWatch | null;
  #state: SliceProgress['state'] = 'claiming';
  #waitingFor: string | undefined;
  #reportFailure: unknown = null;
  #ends: ReadonlyMap<number, number> | undefined;
  #hasClaimed = false;
  #turns = 0;

  constructor(options: SliceOptions, limits: SliceLimits, work: SliceWork) {
    this.#options = options;
    this.#limits = limits;
    this.#work = work;
    this.#startedMs = options.clock.monotonicMs();
    this.#watch = new WaitWatch(options.waiting, limits.tellWaitAfterMs, this.#startedMs);
    // A run with an end ends at what can be read.
    this.#holds =
      options.until === 'present-end'
        ? null
        : new HoldWatch(work.topic, options.waiting ?? null, limits.tellHeldAfterMs);
  }

  async run(): Promise<SliceEnd> {
    const ticker = setInterval(() => this.report(), this.#limits.progressEveryMs);
    try {
      const end = await this.#untilItEnds();
      this.report();
      if (end === 'superseded') return 'superseded';
      if (end === 'read-all') return 'present-end';
      return this.#options.signal?.aborted === true ? 'aborted' : 'deadline';
    } finally {
      clearInterval(ticker);
    }
  }

  /** True when the run is to end (abort, deadline, a wait begun or over that its caller is to hear of). Throws what reporting threw. */
  stopping(): boolean {
    this.#turns++;
    if (this.#reportFailure !== null) throw this.#reportFailure;
    return this.#options.signal?.aborted === true || this.leftMs() <= 0 || this.#hasTurned();
  }

  /** What is waited for as the run ends; null where for nothing. */
  get waiting(): Waiting | null {
    return this.#watch.waiting;
  }

  /** Monotonic ms left until the deadline. */
  leftMs(): number {
    const { deadlineMs, clock } = this.#options;
    return deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - (clock.monotonicMs() - this.#startedMs);
  }

  /** Whether this run has claimed before: then its own token does not stand in its way. */
  get hasClaimed(): boolean {
    return this.#hasClaimed;
  }

  /** To be told once a claim stands. Gives where to end: with `until: 'present-end'`, the ends of the first claim. */
  claimed(partitions: readonly SliceOffset[]): ReadonlyMap<number, number> | undefined {
    this.#hasClaimed = true;
    if (this.#options.until === 'present-end')
      this.#ends ??= new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset]));
    return this.#ends;
  }

  /** To be told when the work under the claim begins. */
  working(): void {
    this.#state = 'running';
    this.#waitingFor = undefined;
    this.#watch.working(this.#options.clock.monotonicMs());
  }

  /**
   * Waits under a claim for what has a turn of its own, with progress reported all the while; given up when the run is to end.
   *
   * @param wait calls `waits` once it has to, with what for
   * @throws what `wait` throws; where it was given up, what it waited for
   */
  async waitTurn<Result>(
    wait: (signal: AbortSignal, waits: (error: MillraceError) => void) => Promise<Result>,
  ): Promise<Result> {
    const given = new AbortController();
    const { signal } = this.#options;
    const either = signal === undefined ? given.signal : AbortSignal.any([signal, given.signal]);
    const look = setInterval(() => {
      try {
        if (this.stopping()) given.abort();
      } catch (error) {
        given.abort(error);
      }
    }, this.#limits.progressEveryMs);
    let waitedFor: MillraceError | null = null;
    try {
      const result = await wait(either, (error) => {
        waitedFor = error;
        this.#waits(error);
      });
      this.#state = 'claiming';
      return result;
    } catch (error) {
      throw either.aborted ? (waitedFor ?? error) : error;
    } finally {
      clearInterval(look);
    }
  }

  /** To be told what a read waits for while it lasts, under the claim that stands; null: it goes on. */
  readWaits(error: MillraceError | null): void {
    if (error !== null) this.#waits(error);
    else if (this.#state === 'waiting') this.working();
  }

  report(): void {
    const { records } = this.#work;
    const offsets = this.#work.offsets();
    this.#lookAtHolds(offsets);
    const { held } = this.#watch;
    try {
      this.#work.report({
        records,
        lag: lagOf(offsets),
        held: heldOf(offsets),
        recordsPerSecond: this.#meter.rate(records, this.#options.clock.monotonicMs()),
        turns: this.#turns,
        offsets,
        state: this.#state,
        waitingFor: this.#waitingFor ?? held?.message,
        waiting: this.#watch.waiting,
      });
    } catch (error) {
      this.#reportFailure = error;
    }
  }

  #hasTurned(): boolean {
    const { records } = this.#work;
    const offsets = this.#work.offsets();
    this.#lookAtHolds(offsets);
    // Of what can be read.
    const lag = lagOf(offsets) - heldOf(offsets);
    return this.#watch.hasTurned({ records, lag }, this.#options.clock.monotonicMs());
  }

  #lookAtHolds(offsets: readonly SliceOffset[]): void {
    const { clock } = this.#options;
    this.#watch.heldBack(this.#holds?.look(offsets, clock.monotonicMs(), Math.floor(clock.nowUs() / 1000)) ?? null);
  }

  async #untilItEnds(): Promise<Exclude<SessionEnd, 'reclaim'>> {
    let failures = 0;
    for (;;) {
      if (this.stopping()) return 'stopped';
      const before = this.#work.records;
      try {
        this.#state = 'claiming';
        const end = await this.#work.claimAndRun();
        if (end !== 'reclaim') return end;
        failures = 0;
      } catch (thrown) {
        const progressed = this.#work.records > before;
        const next = this.#failuresAfter(thrown, failures, progressed);
        const error = isMillraceError(thrown) ? thrown : unnamed(thrown);
        if (next === null) throw this.#limits.unnamedTries > 1 ? error : thrown;
        if (this.stopping() && error.retryable) return 'stopped';
        failures = next;
        await this.#wait(error, failures);
      }
    }
  }

  /** Those in a row; the attempts of a slice do not add up over its life. */
  #failuresAfter(thrown: unknown, failures: number, progressed: boolean): number | null {
    if (isMillraceError(thrown)) return this.#work.failuresAfter(thrown, failures, progressed);
    if (progressed && this.#limits.unnamedTries > 1) return 1;
    return failures + 1 < this.#limits.unnamedTries ? failures + 1 : null;
  }

  #waits(error: MillraceError): void {
    const { clock } = this.#options;
    this.#state = 'waiting';
    this.#waitingFor = error.message;
    this.#watch.failed(error, this.#work.records, clock.monotonicMs(), Math.floor(clock.nowUs() / 1000));
    this.report();
  }

  async #wait(error: MillraceError, failures: number): Promise<void> {
    const { signal } = this.#options;
    this.#waits(error);
    const { retryMinMs, retryMaxMs } = this.#limits;
    const ms = Math.min(retryMinMs * 2 ** Math.min(failures - 1, 16), retryMaxMs, this.leftMs());
    // Rejects on abort only, and the loop looks at the signal next.
    await sleep(Math.max(ms, 0), undefined, { signal }).catch(() => undefined);
  }
}

function unnamed(cause: unknown): MillraceError {
  const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return new MillraceError('unexpected-error', message, {
    remedy: 'Read the worker\'s log; when the cause is gone, send "retry".',
    httpStatus: 500,
    cause,
  });
}
