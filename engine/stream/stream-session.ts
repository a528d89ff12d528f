import { once } from 'node:events';
import { MillraceError } from '../errors/millrace-error.ts';
import { intakeMemory } from '../memory/intake-memory.ts';
import { processMemory } from '../memory/process-memory.ts';
import type { LogBatch, TopicBounds } from '../topic/log-reader.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { installationOf } from '../postgres/settled-queries.ts';
import { sqlText } from '../postgres/sql.ts';
import { readStates } from '../postgres/state-table.ts';
import { withClient } from '../postgres/transaction.ts';
import type { SliceOffset } from '../slice/slice-options.ts';
import type { SessionEnd } from '../slice/sliced-run.ts';
import type { ViewReducer } from '../state/view-reducer.ts';
import { BatchBuilder } from './batch-builder.ts';
import type { Claim } from './claim.ts';
import { ExpirySweep } from './expiry-sweep.ts';
import { commitBatch } from './commit-batch.ts';
import type { MicroBatch } from './micro-batch.ts';
import { type LoadedSession, loadSession, type WaitTurn } from './load-session.ts';
import type { PartitionRun } from './partition-run.ts';
import type { SessionIds } from './session-ids.ts';
import { RecordIntake, type TakenRecords } from '../slice/record-intake.ts';
import { runSql } from '../postgres/run-sql.ts';
import { StateCache } from './state-cache.ts';
import { StreamLimit } from './stream-limit.ts';
import type { StreamMemory } from './stream-memory.ts';
import type { RunStreamOptions, StreamLimits, StreamMemoryUse } from './stream-options.ts';
import { lostOffsets, wentBack } from './went-back.ts';

/** What the session tells its run, and asks it. */
export interface SessionHost {
  /** True when the run is to end (abort, deadline). */
  stopping(): boolean;
  /** Monotonic ms left until the deadline. */
  leftMs(): number;
  committed(batch: MicroBatch): void;
  /** Waits for what has a turn of its own, and says so: `SlicedRun.waitTurn`. */
  readonly waitTurn: WaitTurn;
  /** The read waits for memory, as the text says; null: it goes on. */
  readonly readWaits: (text: string | null) => void;
  readonly reducer: ViewReducer;
}

/** Of what there is for records on their way in, what a micro-batch may hold, and what waits to be one. */
const BATCH_SHARE = 1 / 16;

type CommitOutcome =
  | { readonly kind: 'committed' | 'superseded' }
  | { readonly kind: 'failed'; readonly error: unknown };

/** The loop while one claim stands. Everything in memory here dies with it. */
export class StreamSession {
  readonly #options: RunStreamOptions;
  readonly #limits: StreamLimits;
  readonly #claim: Claim;
  readonly #host: SessionHost;
  readonly #runs: ReadonlyMap<number, PartitionRun>;
  readonly #ids: SessionIds;
  readonly #memory: StreamMemory;
  readonly #cache: StateCache;
  readonly #builder: BatchBuilder;
  readonly #sweep: ExpirySweep;
  readonly #partitionCount: number;
  #intake: RecordIntake | null = null;
  #committing: Promise<CommitOutcome> | null = null;
  #boundsCheck: Promise<void> | null = null;
  #bounds: TopicBounds | null = null;
  #boundsFailure: unknown = null;
  #boundsAtMs: number;
  #reportedAtMs: number;
  #reporting = false;
  #expiredAtMs: number;
  #batchRecords: number;
  #committedBatch = 0;
  #lastSeq: number;
  readonly #batchBytes: number;
  /** Of records that are not committed. */
  readonly #taken = new Set<TakenRecords>();

  private constructor(
    options: RunStreamOptions,
    limits: StreamLimits,
    claim: Claim,
    { runs, ids, accepted, memory }: LoadedSession,
    partitionCount: number,
    host: SessionHost,
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#claim = claim;
    this.#lastSeq = claim.seq;
    this.#host = host;
    this.#runs = runs;
    this.#ids = ids;
    this.#partitionCount = partitionCount;
    this.#memory = memory;
    this.#cache = new StateCache(limits.cache, host.reducer, memory);
    this.#batchRecords = limits.batchRecords;
    const intake = intakeMemory(options.memory ?? processMemory());
    this.#batchBytes = Math.min(limits.batchBytes, intake.limits.buffers * BATCH_SHARE);
    const now = options.clock.monotonicMs();
    this.#boundsAtMs = now;
    this.#reportedAtMs = now;
    this.#expiredAtMs = now;
    this.#sweep = new ExpirySweep(options, limits, claim, [...runs.keys()]);
    const { view, pool } = options;
    this.#builder = new BatchBuilder({
      view,
      reducer: host.reducer,
      cache: this.#cache,
      limit: new StreamLimit(view.source, accepted),
      runs,
      load: (keys) => withClient(pool, (client) => readStates(client, claim.stateTable, view.layout, keys)),
    });
  }

  /** Checks that the topic is the one we know, and loads what is needed to go on. Throws `topic-recreated`. */
  static async open(
    options: RunStreamOptions,
    limits: StreamLimits,
    claim: Claim,
    bounds: TopicBounds,
    host: SessionHost,
  ): Promise<StreamSession> {
    const loaded = await loadSession(options, claim, bounds, (wait) => host.waitTurn(wait));
    return new StreamSession(options, limits, claim, loaded, bounds.partitions.length, host);
  }

  /** Where the partitions stand, as committed. */
  offsets(): (SliceOffset & { readonly watermarkUs: number | null })[] {
    return [...this.#runs.values()].map((run) => ({
      partition: run.partition,
      nextOffset: run.committedOffset,
      ...run.ends,
      watermarkUs: run.pipeline.watermarkUs,
    }));
  }

  /** What it holds of memory now. */
  memoryUse(): StreamMemoryUse {
    const { decoded, encoded } = this.#cache.bytes;
    let intake = this.#intake?.bytes ?? 0;
    for (const { bytes } of this.#taken) intake += bytes;
    return { intake, states: decoded + encoded, ids: this.#ids.bytes };
  }

  /** Runs until it is to stop. Throws what ends the claim: the caller may claim again. */
  async run(ends: ReadonlyMap<number, number> | undefined): Promise<SessionEnd> {
    const { reader, signal } = this.#options;
    const stop = new AbortController();
    const readSignal = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const positions = new Map([...this.#runs.values()].map((run) => [run.partition, run.nextOffset]));
    const { topic } = this.#claim;
    // One of more shards than there are partitions has none to read, and waits for the topic to gain some.
    const batches =
      positions.size === 0 && ends === undefined
        ? nothing(readSignal)
        : reader.read({ topic, positions, ends, signal: readSignal, onWait: this.#host.readWaits });
    const intake = new RecordIntake(batches, {
      records: this.#limits.maxBatchRecords * 2,
      bytes: this.#batchBytes,
    });
    this.#intake = intake;
    const nudge = (): void => intake.nudge();
    signal?.addEventListener('abort', nudge, { once: true });
    try {
      return await this.#loop(intake, ends !== undefined);
    } finally {
      signal?.removeEventListener('abort', nudge);
      stop.abort();
      await intake.stop();
      await this.#committing;
      for (const taken of this.#taken) this.#release(taken);
      this.#ids.release();
      this.#memory.release();
      await this.#boundsCheck;
    }
  }

  async #loop(intake: RecordIntake, bounded: boolean): Promise<SessionEnd> {
    const limits = this.#limits;
    for (;;) {
      if (this.#host.stopping()) return this.#end('stopped');
      await intake.waitForAny(Math.min(limits.boundsEveryMs, this.#sweep.leftMs, this.#host.leftMs()));
      if (!intake.empty) {
        const amount = { records: this.#batchRecords, bytes: this.#batchBytes };
        await intake.waitForRecords(amount, Math.min(limits.batchMs, this.#host.leftMs()));
        if (this.#host.stopping()) return this.#end('stopped');
        const taken = intake.take(amount);
        this.#taken.add(taken);
        await this.#options.failAt?.('after-fetch');
        // Here and nowhere else: a batch being built counts on the states it has found.
        this.#cache.trim(this.#committedBatch);
        const batch = await this.#builder.build(taken.batches);
        this.#countIds();
        this.#adapt(batch, taken.isFull && intake.holds(amount));
        const outcome = (await this.#settle()) ?? (await this.#sweep.turn());
        if (outcome !== null) return outcome;
        this.#commit(batch, taken, intake);
      } else {
        // Nothing to overlap with: see the last commit through.
        const outcome = (await this.#settle()) ?? (await this.#sweep.turn());
        if (outcome !== null) return outcome;
        // Others may wait for what is cached.
        this.#cache.trim(this.#committedBatch);
        // An abort ends the reader as well.
        if (intake.drained && !this.#host.stopping()) {
          if (!bounded) readerEnded(this.#claim.topic);
          return (await this.#sweep.finish(() => this.#host.stopping())) ?? 'read-all';
        }
      }
      const changed = await this.#lookAtBounds(intake);
      if (changed !== null) return this.#end(changed);
      this.#report();
    }
  }

  async #end(end: SessionEnd): Promise<SessionEnd> {
    return (await this.#settle()) ?? end;
  }

  /**
   * Under backlog larger transactions cost less per record; without it small ones are fresher. The states of one must be held decoded, all of them: where
   * they take more than there is, the next one has fewer records.
   */
  #adapt(batch: MicroBatch, isBehind: boolean): void {
    const { batchRecords, maxBatchRecords } = this.#limits;
    const grown = isBehind
      ? Math.min(this.#batchRecords * 2, maxBatchRecords)
      : Math.max(batchRecords, Math.ceil(this.#batchRecords / 2));
    const stateBytes = batch.states.reduce((sum, { entry }) => sum + entry.bytes, 0);
    const fitting = Math.floor((batch.records * this.#memory.heapBytes) / Math.max(stateBytes, 1));
    this.#batchRecords = Math.max(1, Math.min(grown, fitting));
  }

  #countIds(): void {
    const { ownBytes, shared } = this.#ids;
    const forget = (bytes: number): void => this.#cache.forget(bytes);
    this.#memory.countShared(shared, ownBytes, forget);
    this.#memory.countIds(ownBytes, forget);
  }

  #commit(batch: MicroBatch, taken: TakenRecords, intake: RecordIntake): void {
    const target = {
      options: this.#options,
      topic: this.#claim.topic,
      stateTable: this.#claim.stateTable,
      alone: this.#claim.whole,
      lastSeq: this.#lastSeq,
      expire: this.#expired(),
    };
    this.#committing = commitBatch(batch, target).then(
      (seq): CommitOutcome => {
        if (seq === null) {
          intake.nudge();
          return { kind: 'superseded' };
        }
        this.#lastSeq = seq;
        this.#release(taken);
        for (const advance of batch.advances) this.#runs.get(advance.partition)!.committedOffset = advance.nextOffset;
        this.#committedBatch = batch.number;
        this.#host.committed(batch);
        return { kind: 'committed' };
      },
      (error: unknown): CommitOutcome => {
        intake.nudge();
        return { kind: 'failed', error };
      },
    );
  }

  /** Their dead letters are stored, too: nothing refers to those records any more. */
  #release(taken: TakenRecords): void {
    for (const memory of taken.memory) memory.release();
    this.#taken.delete(taken);
  }

  /** Waits for the transaction under way, if any. Null: go on. */
  async #settle(): Promise<'superseded' | null> {
    const outcome = await this.#committing;
    this.#committing = null;
    if (outcome?.kind === 'failed') throw outcome.error;
    return outcome?.kind === 'superseded' ? 'superseded' : null;
  }

  /** Own ids that no later record can repeat: deleted with the next commit. The history's stay: a partition may be added at any time. */
  #expired(): { partition: number; beforeUs: number }[] {
    const now = this.#options.clock.monotonicMs();
    if (now - this.#expiredAtMs < this.#limits.expireEveryMs) return [];
    this.#expiredAtMs = now;
    const { dedupeHorizonUs } = this.#options.view.source;
    const due: { partition: number; beforeUs: number }[] = [];
    for (const run of this.#runs.values()) {
      const { watermarkUs } = run.pipeline;
      if (watermarkUs !== null) due.push({ partition: run.partition, beforeUs: watermarkUs - dedupeHorizonUs });
      run.expireIds();
    }
    return due;
  }

  /** Every now and then: the ends of the partitions, new partitions. The look-up runs beside the loop. */
  async #lookAtBounds(intake: RecordIntake): Promise<'reclaim' | 'superseded' | null> {
    const now = this.#options.clock.monotonicMs();
    if (this.#boundsCheck === null && now - this.#boundsAtMs >= this.#limits.boundsEveryMs) {
      this.#boundsAtMs = now;
      this.#boundsCheck = this.#options.reader.bounds(this.#claim.topic).then(
        (bounds) => {
          this.#bounds = bounds;
          intake.nudge();
        },
        (error: unknown) => {
          this.#boundsFailure = error;
          intake.nudge();
        },
      );
    }
    if (this.#boundsFailure !== null) throw this.#boundsFailure;
    if (this.#bounds === null) return null;
    const bounds = this.#bounds;
    this.#bounds = null;
    this.#boundsCheck = null;
    if (bounds.partitions.length !== this.#partitionCount) return 'reclaim';
    for (const ends of bounds.partitions) this.#runs.get(ends.partition)?.look(ends);
    if (intake.empty && this.#committing === null) return this.#storeEnds();
    // Of a partition that is held back no batch tells, however busy the others are.
    const isHeld = [...this.#runs.values()].some(({ ends, realEnd }) => ends.endOffset < realEnd);
    return isHeld ? ((await this.#settle()) ?? this.#storeEnds()) : null;
  }

  /** While nothing is committed the stored ends would grow stale; it also notices that a newer token stands, and that commits were lost. */
  async #storeEnds(): Promise<'superseded' | null> {
    const { view, version, fence, pool } = this.#options;
    const runs = [...this.#runs.values()];
    const { rows } = await withClient(pool, (client) =>
      runSql<{ partition: number; next_offset: number }>(
        client,
        sqlText`
      UPDATE ${CATALOG}.stream_offset o SET end_offset = b.end_offset, updated_at = now()
      FROM unnest(${runs.map((run) => run.partition)}::int[], ${runs.map((run) => run.realEnd)}::bigint[]) AS b(partition, end_offset)
      WHERE o.view = ${view.name} AND o.version = ${version} AND o.topic = ${this.#claim.topic} AND o.partition = b.partition
        AND o.generation = ${fence.generation} AND o.attempt_ms = ${fence.attemptMs}
      RETURNING o.partition, o.next_offset`,
      ),
    );
    const lost = lostOffsets(rows, new Map(runs.map((run) => [run.partition, run.committedOffset])));
    if (lost !== null) throw wentBack(view.name, version, lost);
    return rows.length === runs.length ? null : 'superseded';
  }

  /** Tells Kafka's lag tools where we are. Best effort: a failure only leaves them behind, and is tried again next time. */
  #report(): void {
    const now = this.#options.clock.monotonicMs();
    if (this.#reporting || now - this.#reportedAtMs < this.#limits.reportEveryMs) return;
    this.#reportedAtMs = now;
    this.#reporting = true;
    const { view, version, reader, pool } = this.#options;
    const offsets = new Map([...this.#runs.values()].map((run) => [run.partition, run.committedOffset]));
    const done = (): void => void (this.#reporting = false);
    const group = installationOf(pool).consumerGroup(view.name, version);
    reader.reportOffsets(group, this.#claim.topic, offsets).then(done, done);
  }
}

/** Gives no batch, and ends on abort. */
function nothing(signal: AbortSignal): AsyncIterable<LogBatch> {
  const next = async (): Promise<IteratorReturnResult<undefined>> => {
    if (!signal.aborted) await once(signal, 'abort');
    return { done: true, value: undefined };
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

function readerEnded(topic: string): never {
  throw new MillraceError('log-ended', `${topic}: the reader ended a read that has no end; was it closed?`, {
    remedy: 'Close the reader after the runs that use it; this one tries again.',
    retryable: true,
    httpStatus: 503,
  });
}
