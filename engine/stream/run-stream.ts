import type { MillraceError } from '../errors/millrace-error.ts';
import { type SessionEnd, SlicedRun, type SliceWork } from '../slice/sliced-run.ts';
import { heldOf, lagOf, type SliceProgress } from '../slice/slice-options.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { realEnd } from '../topic/log-reader.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { topicOf } from '../topic/topic-of.ts';
import { viewWatermark } from '../topic/watermark.ts';
import { claimPartitions } from './claim.ts';
import type { WaitTurn } from './load-session.ts';
import type { MicroBatch } from './micro-batch.ts';
import { waitsForMemory } from './stream-memory.ts';
import {
  DEFAULT_STREAM_LIMITS,
  type RunStreamOptions,
  type StreamLimits,
  type StreamResult,
} from './stream-options.ts';
import { type SessionHost, StreamSession } from './stream-session.ts';

/**
 * Streams a topic into the state table of a view version: micro-batches, each one transaction with the offsets and the fencing token
 * (design §8). Goes on until aborted, past its deadline, fenced by a newer token (`superseded`), or, with `until: 'present-end'`, at the
 * offsets that were the end when it began. What was committed stays; what was not is read again by the next run: nothing is lost or doubled,
 * wherever it is killed.
 *
 * A database or a broker that is away is waited for (progress state `waiting`) and does not end the run. Throws MillraceError:
 * `offsets-gone`, `topic-recreated`, `cluster-changed`, `topic-not-found`, `compacted-topic`, `too-many-invalid-records`,
 * `semantics-retired`, `definition-changed`, `version-not-streamable`, `stream-not-prepared`, `source-without-topic`, `value-out-of-range`.
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

const NOTHING_HELD = { intake: 0, states: 0, ids: 0 };

class StreamRun implements SliceWork, SessionHost {
  readonly reducer;
  records = 0;
  readonly #options: RunStreamOptions;
  readonly #limits: StreamLimits;
  readonly topic: string;
  readonly #slice: SlicedRun;
  #session: StreamSession | null = null;
  #offsets: ReturnType<StreamSession['offsets']> = [];
  #applied = 0;
  #invalid = 0;
  /** As committed. */
  readonly #mostlyInvalid = new Set<number>();

  constructor(options: RunStreamOptions) {
    this.#options = options;
    this.topic = topicOf(options.view.source, 'to stream from');
    this.#limits = { ...DEFAULT_STREAM_LIMITS, ...options.limits };
    this.reducer = createViewReducer(options.view.layout);
    this.#slice = new SlicedRun(options, this.#limits, this);
  }

  async run(): Promise<StreamResult> {
    const ended = await this.#slice.run();
    const offsets = this.offsets();
    return {
      ended,
      records: this.records,
      applied: this.#applied,
      lag: lagOf(offsets),
      held: heldOf(offsets),
      watermarkUs: watermarkOf(offsets),
      mostlyInvalid: this.#mostlyInvalid.size > 0,
      waiting: this.#slice.waiting,
    };
  }

  stopping(): boolean {
    return this.#slice.stopping() || this.#hasTurned();
  }

  leftMs(): number {
    return this.#slice.leftMs();
  }

  committed(batch: MicroBatch): void {
    this.records += batch.records;
    this.#applied += batch.applied;
    this.#invalid += batch.invalid;
    for (const advance of batch.advances) this.#note(advance);
    if (batch.deadLetters.length > 0) this.#options.onDeadLetters?.(batch.deadLetters);
  }

  readonly waitTurn: WaitTurn = (wait) => this.#slice.waitTurn(wait);

  readonly readWaits = (text: string | null): void => {
    const { view, version } = this.#options;
    const what = `stream of ${view.name}, version ${version}`;
    this.#slice.readWaits(text === null ? null : waitsForMemory(what, text));
  };

  async claimAndRun(): Promise<SessionEnd> {
    const { reader } = this.#options;
    const bounds = await reader.bounds(this.topic);
    const claim = await claimPartitions(this.#options, bounds, this.#slice.hasClaimed);
    if (claim === null) return 'superseded';
    for (const claimed of claim.partitions) this.#note(claimed);
    const ends = this.#slice.claimed(claim.partitions);
    this.#session = await StreamSession.open(this.#options, this.#limits, claim, bounds, this);
    this.#slice.working();
    try {
      return await this.#session.run(ends);
    } finally {
      this.#offsets = this.#session.offsets();
      this.#session = null;
    }
  }

  offsets(): ReturnType<StreamSession['offsets']> {
    return this.#session?.offsets() ?? this.#offsets;
  }

  report(progress: SliceProgress): void {
    this.#options.onProgress?.({
      ...progress,
      watermarkUs: watermarkOf(this.offsets()),
      invalid: this.#invalid,
      mostlyInvalid: this.#mostlyInvalid.size > 0,
      memory: this.#session?.memoryUse() ?? NOTHING_HELD,
    });
  }

  #note({ partition, mostlyInvalid }: { readonly partition: number; readonly mostlyInvalid: boolean }): void {
    if (mostlyInvalid) this.#mostlyInvalid.add(partition);
    else this.#mostlyInvalid.delete(partition);
  }

  #hasTurned(): boolean {
    const { mostlyInvalid } = this.#options;
    return mostlyInvalid !== undefined && mostlyInvalid !== this.#mostlyInvalid.size > 0;
  }

  /** What a reader no longer finds, the next claim names: it compares bounds and anchor. */
  failuresAfter(error: MillraceError, failures: number, progressed: boolean): number | null {
    if (error.retryable) return progressed ? 1 : failures + 1;
    return isNotHeld(error) && failures < 3 ? failures + 1 : null;
  }
}

function watermarkOf(offsets: ReturnType<StreamSession['offsets']>): number | null {
  return viewWatermark(offsets.map((at) => ({ lag: realEnd(at) - at.nextOffset, watermarkUs: at.watermarkUs })));
}
