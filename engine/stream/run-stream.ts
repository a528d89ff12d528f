import { setTimeout as sleep } from 'node:timers/promises';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { claimPartitions } from './claim.ts';
import type { MicroBatch } from './micro-batch.ts';
import { RateMeter } from '../log/rate-meter.ts';
import {
  DEFAULT_STREAM_LIMITS,
  type RunStreamOptions,
  type StreamLimits,
  type StreamProgress,
  type StreamResult,
} from './stream-options.ts';
import { type SessionEnd, type SessionHost, StreamSession } from './stream-session.ts';

/**
 * Streams a topic into the state table of a view version: micro-batches, each one transaction with the offsets and the fencing token
 * (design §8). Goes on until aborted, past its deadline, fenced by a newer token (`superseded`), or, with `until: 'present-end'`, at the
 * offsets that were the end when it began. What was committed stays; what was not is read again by the next run: nothing is lost or doubled,
 * wherever it is killed.
 *
 * A database or a broker that is away is waited for (progress state `waiting`) and does not end the run. Throws MillraceError:
 * `offsets-gone`, `topic-recreated`, `cluster-changed`, `topic-not-found`, `compacted-topic`, `too-many-invalid-records`,
 * `definition-changed`, `version-not-streamable`, `stream-not-prepared`, `source-without-topic`, `value-out-of-range`.
 *
 * The pool needs two connections or more.
 *
 * @example
 * const result = await runStream({ view, version: 3, pool, reader, until: 'forever', deadlineMs: 30 * 60_000, signal, clock: systemClock,
 *   fence: { generation: 7, attemptMs: scheduledMs, owner: 'worker-1' }, onProgress: (progress) => heartbeat(progress) });
 */
export async function runStream(options: RunStreamOptions): Promise<StreamResult> {
  return new StreamRun(options).run();
}

class StreamRun implements SessionHost {
  readonly reducer;
  readonly #options: RunStreamOptions;
  readonly #limits: StreamLimits;
  readonly #topic: string;
  readonly #startedMs: number;
  readonly #meter = new RateMeter();
  #session: StreamSession | null = null;
  #offsets: ReturnType<StreamSession['offsets']> = [];
  #ends: Map<number, number> | undefined;
  #claimed = false;
  #records = 0;
  #applied = 0;
  #invalid = 0;
  #state: StreamProgress['state'] = 'claiming';
  #waitingFor: string | undefined;
  #progressFailure: unknown = null;

  constructor(options: RunStreamOptions) {
    const { view, clock } = options;
    if (view.source.topic === null) {
      throw new MillraceError(
        'source-without-topic',
        `${view.name}: its source ${view.source.name} has no topic to stream from`,
        {
          remedy: 'Give the source a topic.',
        },
      );
    }
    this.#options = options;
    this.#topic = view.source.topic;
    this.#limits = { ...DEFAULT_STREAM_LIMITS, ...options.limits };
    this.#startedMs = clock.monotonicMs();
    this.reducer = createViewReducer(view.layout);
  }

  async run(): Promise<StreamResult> {
    const ticker = setInterval(() => this.#progress(), this.#limits.progressEveryMs);
    try {
      let failures = 0;
      for (;;) {
        if (this.stopping()) return this.#result('stopped');
        const before = this.#records;
        try {
          const end = await this.#claimAndRun();
          if (end !== 'reclaim') return this.#result(end);
          failures = 0;
        } catch (error) {
          if (this.stopping() && isMillraceError(error) && error.retryable) return this.#result('stopped');
          if (!isMillraceError(error) || !(error.retryable || mayBeNamedByClaim(error, failures))) throw error;
          failures = this.#records > before && error.retryable ? 1 : failures + 1;
          await this.#wait(error, failures);
        }
      }
    } finally {
      clearInterval(ticker);
    }
  }

  stopping(): boolean {
    if (this.#progressFailure !== null) throw this.#progressFailure;
    return this.#options.signal?.aborted === true || this.leftMs() <= 0;
  }

  leftMs(): number {
    const { deadlineMs, clock } = this.#options;
    return deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - (clock.monotonicMs() - this.#startedMs);
  }

  committed(batch: MicroBatch): void {
    this.#records += batch.records;
    this.#applied += batch.applied;
    this.#invalid += batch.invalid;
  }

  async #claimAndRun(): Promise<SessionEnd> {
    const { reader, until } = this.#options;
    this.#state = 'claiming';
    const bounds = await reader.bounds(this.#topic);
    const claim = await claimPartitions(this.#options, bounds, this.#claimed);
    if (claim === null) return 'superseded';
    this.#claimed = true;
    if (until === 'present-end')
      this.#ends ??= new Map(claim.partitions.map(({ partition, endOffset }) => [partition, endOffset]));
    this.#session = await StreamSession.open(this.#options, this.#limits, claim, bounds, this);
    this.#state = 'running';
    this.#waitingFor = undefined;
    try {
      return await this.#session.run(this.#ends);
    } finally {
      this.#offsets = this.#session.offsets();
      this.#session = null;
    }
  }

  async #wait(error: MillraceError, failures: number): Promise<void> {
    this.#state = 'waiting';
    this.#waitingFor = error.message;
    this.#progress();
    const { retryMinMs, retryMaxMs } = this.#limits;
    const ms = Math.min(retryMinMs * 2 ** Math.min(failures - 1, 16), retryMaxMs, this.leftMs());
    // Rejects on abort only, and the loop looks at the signal next.
    await sleep(Math.max(ms, 0), undefined, { signal: this.#options.signal }).catch(() => undefined);
  }

  #progress(): void {
    const { clock, onProgress } = this.#options;
    const offsets = this.#session?.offsets() ?? this.#offsets;
    try {
      onProgress?.({
        records: this.#records,
        lag: lagOf(offsets),
        watermarkUs: watermarkOf(offsets),
        recordsPerSecond: this.#meter.rate(this.#records, clock.monotonicMs()),
        offsets: offsets.map(({ partition, nextOffset, endOffset }) => ({ partition, nextOffset, endOffset })),
        invalid: this.#invalid,
        state: this.#state,
        waitingFor: this.#waitingFor,
      });
    } catch (error) {
      this.#progressFailure = error;
    }
  }

  #result(end: SessionEnd): StreamResult {
    this.#progress();
    const offsets = this.#session?.offsets() ?? this.#offsets;
    return {
      ended:
        end === 'superseded'
          ? 'superseded'
          : end === 'read-all'
            ? 'present-end'
            : this.#options.signal?.aborted
              ? 'aborted'
              : 'deadline',
      records: this.#records,
      applied: this.#applied,
      lag: lagOf(offsets),
      watermarkUs: watermarkOf(offsets),
    };
  }
}

function lagOf(offsets: ReturnType<StreamSession['offsets']>): number {
  return offsets.reduce((sum, { nextOffset, endOffset }) => sum + endOffset - nextOffset, 0);
}

/** The highest event time seen in any partition; null before the first event. */
function watermarkOf(offsets: ReturnType<StreamSession['offsets']>): number | null {
  return offsets.reduce<number | null>(
    (most, { watermarkUs }) => (watermarkUs === null ? most : Math.max(most ?? watermarkUs, watermarkUs)),
    null,
  );
}

/** The reader says only that a position is not held; the next claim compares bounds and anchor and says why. */
function mayBeNamedByClaim(error: MillraceError, failures: number): boolean {
  return isNotHeld(error) && failures < 3;
}
