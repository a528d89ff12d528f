import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../errors/millrace-error.ts';
import type { MemoryReservation } from '../memory/memory-budget.ts';
import { processMemory } from '../memory/process-memory.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { dedupeIds, storedIds } from '../postgres/dedupe-ids.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withClient } from '../postgres/transaction.ts';
import { RecordIntake, type TakenRecords } from '../slice/record-intake.ts';
import type { SlicedRun, SessionEnd } from '../slice/sliced-run.ts';
import type { SliceOffset } from '../slice/slice-options.ts';
import { checkAnchor } from '../topic/check-anchor.ts';
import type { TopicBounds } from '../topic/log-reader.ts';
import { commitPairs, heldColumn } from './commit-pairs.ts';
import type { Joined } from './join-events.ts';
import { outboxHasRoom } from './outbox.ts';
import type { ClaimedPartition } from './pair-claim.ts';
import { PAIRS_VERSION, pairsOwner, type PairsLimits, type RunPairsOptions, type Side } from './pairs-options.ts';
import { buildBatch } from './side-batch.ts';
import { SidePartition } from './side-partition.ts';
import { latenessUs, sweepDeadLetters, sweepHeld } from './sweep-held.ts';

/** What a session tells its run. */
export interface SideHost {
  stopping(): boolean;
  committed(records: number, joined: Joined): void;
  readonly slice: Pick<SlicedRun, 'waitTurn' | 'leftMs'>;
}

const MB = 2 ** 20;
/** The most that an id takes. */
const BYTES_PER_ID = 34;
/** Between two looks whether there is room again. */
const ROOM_EVERY_MS = 100;

/** The loop of one side while one claim stands. Everything in memory here dies with it. */
export class SideSession {
  readonly #options: RunPairsOptions;
  readonly #limits: PairsLimits;
  readonly #side: Side;
  readonly #host: SideHost;
  readonly #topic: string;
  readonly #partitions: ReadonlyMap<number, SidePartition>;
  readonly #memory: MemoryReservation;
  readonly #committed = new Map<number, number>();
  #batchRecords: number;
  #sweptAtMs: number;
  #boundsAtMs: number;
  #isSwept = false;

  private constructor(
    options: RunPairsOptions,
    limits: PairsLimits,
    side: Side,
    host: SideHost,
    loaded: {
      readonly topic: string;
      readonly partitions: ReadonlyMap<number, SidePartition>;
      readonly memory: MemoryReservation;
    },
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#side = side;
    this.#host = host;
    this.#topic = loaded.topic;
    this.#partitions = loaded.partitions;
    this.#memory = loaded.memory;
    this.#batchRecords = limits.batchRecords;
    for (const { partition, nextOffset } of loaded.partitions.values()) this.#committed.set(partition, nextOffset);
    const now = options.clock.monotonicMs();
    this.#sweptAtMs = now;
    this.#boundsAtMs = now;
  }

  /** Checks that the topic is the one we know, and loads what is needed to go on. Throws `topic-recreated`, `memory-limit-too-small`, `dedupe-ids-corrupt`. */
  static async open(
    options: RunPairsOptions,
    limits: PairsLimits,
    side: Side,
    host: SideHost,
    claimed: readonly ClaimedPartition[],
    bounds: TopicBounds,
  ): Promise<SideSession> {
    const { rule, pool, reader } = options;
    const { topic } = bounds;
    for (const { partition, anchor } of claimed) {
      const held = bounds.partitions.find((each) => each.partition === partition);
      if (anchor !== null) await checkAnchor({ reader, topic, partition, held }, anchor);
    }
    const source = rule[side];
    const accepted = await withClient(pool, (client) => acceptedInvalid(client, source.name));
    const keyOf = side === 'decisions' ? rule.decisionKey : rule.outcomeKey;
    const made = { source, latenessUs: latenessUs(rule, side), keyOf, accepted };
    const partitions = new Map(claimed.map((each) => [each.partition, new SidePartition(made, each)]));
    const owner = pairsOwner(rule.name);
    const numbers = [...partitions.keys()];
    const ids = await withClient(pool, (client) => storedIds(client, owner, PAIRS_VERSION, topic, numbers));
    const what = `pairs of ${rule.name}`;
    const budget = options.memory ?? processMemory();
    const memory = await host.slice.waitTurn((signal, waits) =>
      budget.reserve({ heap: 8 * MB, buffers: 4 * MB + ids * BYTES_PER_ID }, what, {
        signal,
        onWait: (text) =>
          waits(
            waitsFor(
              'memory-in-use',
              `${what}, ${side}: ${text}`,
              'Give the worker more memory, or run fewer things on it.',
            ),
          ),
      }),
    );
    try {
      await withClient(pool, async (client) => {
        for await (const pack of dedupeIds(client, owner, PAIRS_VERSION, topic, numbers))
          partitions.get(pack.partition)!.load(pack.ids);
      });
      return new SideSession(options, limits, side, host, { topic, partitions, memory });
    } catch (error) {
      memory.release();
      throw error;
    }
  }

  offsets(): SliceOffset[] {
    return [...this.#partitions.values()].map(({ partition, ends }) => ({
      partition,
      nextOffset: this.#committed.get(partition)!,
      ...ends,
    }));
  }

  /** Runs until it is to stop. Throws what ends the claim: the caller may claim again. */
  async run(ends: ReadonlyMap<number, number> | undefined): Promise<SessionEnd> {
    const { reader, signal } = this.#options;
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const positions = new Map([...this.#partitions.values()].map((each) => [each.partition, each.nextOffset]));
    const intake = new RecordIntake(reader.read({ topic: this.#topic, positions, ends, signal: either }), {
      records: this.#limits.batchRecords * 2,
      bytes: this.#limits.batchBytes,
    });
    const nudge = (): void => intake.nudge();
    signal?.addEventListener('abort', nudge, { once: true });
    try {
      return await this.#loop(intake, ends !== undefined);
    } finally {
      signal?.removeEventListener('abort', nudge);
      stop.abort();
      await intake.stop();
      for (const partition of this.#partitions.values()) partition.release();
      this.#memory.release();
    }
  }

  async #loop(intake: RecordIntake, isBounded: boolean): Promise<SessionEnd> {
    const { batchMs, batchBytes, sweepEveryMs, boundsEveryMs } = this.#limits;
    for (;;) {
      if (this.#host.stopping()) return 'stopped';
      const left = this.#host.slice.leftMs();
      await intake.waitForAny(Math.min(sweepEveryMs, boundsEveryMs, left));
      if (!intake.empty) {
        const amount = { records: this.#batchRecords, bytes: batchBytes };
        await intake.waitForRecords(amount, Math.min(batchMs, left));
        await this.#waitForRoom();
        if (this.#host.stopping()) return 'stopped';
        if ((await this.#take(intake.take(amount))) === 'superseded') return 'superseded';
      } else if (intake.drained && !this.#host.stopping()) {
        if (!isBounded) throw readerEnded(this.#topic);
        while (await this.#sweep()) if (this.#host.stopping()) return 'stopped';
        return 'read-all';
      }
      await this.#sweepNowAndThen();
      const changed = await this.#lookAtBounds();
      if (changed !== null) return changed;
    }
  }

  async #take(taken: TakenRecords): Promise<'superseded' | null> {
    const { failAt } = this.#options;
    try {
      await failAt?.('after-fetch');
      const batch = await buildBatch(taken.batches, this.#partitions);
      const target = { options: this.#options, side: this.#side, logTopic: this.#topic, expire: this.#expired() };
      const joined = await commitPairs(batch, target);
      if (joined === null) return 'superseded';
      for (const { partition, nextOffset } of batch.advances) this.#committed.set(partition, nextOffset);
      this.#countIds();
      const { batchRecords, batchPairs } = this.#limits;
      const fitting = Math.floor((batch.records * batchPairs) / Math.max(joined.pairs, 1));
      this.#batchRecords = Math.max(1, Math.min(batchRecords, this.#batchRecords * 2, fitting));
      this.#host.committed(batch.records, joined);
      return null;
    } finally {
      for (const memory of taken.memory) memory.release();
    }
  }

  /** What it holds of ids beyond what was reserved is taken all the same: nothing can be read without. */
  #countIds(): void {
    let bytes = 4 * MB;
    for (const { idBytes } of this.#partitions.values()) bytes += idBytes;
    const more = bytes - this.#memory.buffers;
    if (more > 0 && !this.#memory.grow('buffers', more + MB)) this.#memory.overdraw('buffers', more);
    else if (more < -4 * MB) this.#memory.shrink('buffers', -more);
  }

  /** Once per sweep: ids that no record can repeat any more go with the commit. */
  #expired(): { partition: number; beforeUs: number }[] {
    if (!this.#isSwept) return [];
    this.#isSwept = false;
    const horizonUs = latenessUs(this.#options.rule, this.#side);
    return [...this.#partitions.values()].flatMap((each) => {
      each.expireIds();
      const { partition, watermarkUs } = each;
      return watermarkUs === null ? [] : [{ partition, beforeUs: watermarkUs - horizonUs }];
    });
  }

  /** Waits while too much is on its way to the topic, or too much is held for the other side to catch up with. */
  async #waitForRoom(): Promise<void> {
    if ((await this.#full()) === null) return;
    await this.#host.slice
      .waitTurn(async (signal, waits) => {
        for (let full = await this.#full(); full !== null; full = await this.#full()) {
          waits(full);
          await this.#sweep();
          await sleep(ROOM_EVERY_MS, undefined, { signal });
        }
      })
      .catch((error: unknown) => {
        if (!this.#host.stopping()) throw error;
      });
  }

  async #full(): Promise<MillraceError | null> {
    const { pool, topic, rule } = this.#options;
    const { outbox, heldBytes } = this.#limits;
    if (!(await outboxHasRoom(pool, topic, outbox)))
      return waitsFor(
        'outbox-full',
        `pairs of ${rule.name}: more than ${outbox.rows} records or ${outbox.bytes} bytes wait to be sent to topic ${topic}`,
        'Nothing, unless it lasts: then look whether Kafka takes what is sent to it, and whether the topic is there.',
      );
    const { rows } = await runSql<{ bytes: number }>(
      pool,
      sqlText`SELECT ${heldColumn(this.#side, 'bytes')} AS bytes FROM ${CATALOG}.pair_join WHERE label_set = ${rule.name}`,
    );
    if ((rows[0]?.bytes ?? 0) < heldBytes) return null;
    return waitsFor(
      'pairs-held-full',
      `pairs of ${rule.name}: ${rows[0]!.bytes} bytes of ${this.#side} are held for what they may pair with; expected fewer than ${heldBytes}`,
      'Nothing, while the other side is read. If it lasts: a partition of the other side without a record holds everything; key the topic so that each has some, or give it fewer partitions.',
    );
  }

  async #sweepNowAndThen(): Promise<void> {
    const now = this.#options.clock.monotonicMs();
    if (now - this.#sweptAtMs < this.#limits.sweepEveryMs) return;
    const { pool, rule } = this.#options;
    const isMore = await this.#sweep();
    await sweepDeadLetters(pool, rule.name, this.#limits.deadLetters);
    this.#isSwept = true;
    // What is left over has its turn after the next batch.
    if (!isMore) this.#sweptAtMs = now;
  }

  /** True where there may be more to remove. */
  async #sweep(): Promise<boolean> {
    const { pool, rule, failAt } = this.#options;
    const { sweepRows } = this.#limits;
    const gone = await sweepHeld({ pool, rule, side: this.#side, rows: sweepRows });
    if (gone > 0) await failAt?.('after-sweep');
    return gone === sweepRows;
  }

  /** Every now and then: the ends of the partitions, new partitions, and whether a newer token stands. */
  async #lookAtBounds(): Promise<'reclaim' | 'superseded' | null> {
    const { clock, reader, pool, rule, fence } = this.#options;
    const now = clock.monotonicMs();
    if (now - this.#boundsAtMs < this.#limits.boundsEveryMs) return null;
    this.#boundsAtMs = now;
    const { partitions } = await reader.bounds(this.#topic);
    if (partitions.length !== this.#partitions.size) return 'reclaim';
    for (const ends of partitions) this.#partitions.get(ends.partition)?.look(ends);
    const ends = this.offsets();
    const { rowCount } = await runSql(
      pool,
      sqlText`
      UPDATE ${CATALOG}.pair_offset o SET end_offset = e.end_offset, updated_at = now()
      FROM unnest(${ends.map(({ partition }) => partition)}::int[], ${ends.map(({ endOffset, highWatermark }) => Math.max(endOffset, highWatermark ?? 0))}::bigint[])
        AS e(partition, end_offset)
      WHERE o.label_set = ${rule.name} AND o.side = ${this.#side} AND o.partition = e.partition
        AND o.generation = ${fence.generation} AND o.attempt_ms = ${fence.attemptMs}`,
    );
    return rowCount === ends.length ? null : 'superseded';
  }
}

function waitsFor(
  code: 'memory-in-use' | 'outbox-full' | 'pairs-held-full',
  message: string,
  remedy: string,
): MillraceError {
  return new MillraceError(code, message, { remedy, waits: true, retryable: true, httpStatus: 503 });
}

function readerEnded(topic: string): MillraceError {
  return new MillraceError('log-ended', `${topic}: the reader ended a read that has no end; was it closed?`, {
    remedy: 'Close the reader after the runs that use it; this one tries again.',
    retryable: true,
    httpStatus: 503,
  });
}
