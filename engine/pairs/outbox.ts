import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isMillraceError, type MillraceError } from '../errors/millrace-error.ts';
import {
  markSent,
  type OutboxEnds,
  outboxFill,
  sentRecords,
  type SentRecords,
  takeOutbox,
  waitingAmong,
  waitingRecords,
} from '../postgres/outbox.ts';
import { withClient, withTransaction } from '../postgres/transaction.ts';
import type { Fence } from '../slice/fence.ts';
import type { LogReader, TopicBounds } from '../topic/log-reader.ts';
import type { LogWriter } from '../topic/log-writer.ts';

/** Bounds of a sender's work; each has a default. */
export interface OutboxLimits {
  /** Of one send, both. */
  readonly sendRecords: number;
  readonly sendBytes: number;
  /** How often it looks for records that nobody told it of. */
  readonly pollMs: number;
  /** Waits after failures: doubling between these. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
}

const DEFAULT_OUTBOX_LIMITS: OutboxLimits = {
  sendRecords: 2_000,
  sendBytes: 4 * 1024 * 1024,
  pollMs: 500,
  retryMinMs: 100,
  retryMaxMs: 5_000,
};

const NOTHING: SentRecords = { seqs: [], bytes: 0 };

/** Points at which a test may make a sender fail: what is thrown there is treated as the process dying there. */
export type OutboxFailPoint = 'before-send' | 'after-send' | 'after-mark';

export interface OutboxSenderOptions {
  readonly topic: string;
  readonly pool: pg.Pool;
  readonly writer: LogWriter;
  /** Of the topic itself: what a send that broke off has written is read back. */
  readonly reader: LogReader;
  readonly fence: Fence;
  readonly limits?: Partial<OutboxLimits> | undefined;
  /** For tests. */
  readonly failAt?: ((point: OutboxFailPoint) => void | Promise<void>) | undefined;
}

/**
 * Sends what waits in the outbox of one topic, in order, acknowledged by all in-sync replicas, and then takes it out. Of those that send one topic the
 * greatest token wins. A record is on the topic at least once: where a send broke off, or the process died after it, the topic's new records are read
 * back, and what is there is not sent again. Only one that comes from a process that was given up and still writes is there twice, with the same
 * bytes: readers dedupe by its id.
 *
 * @example
 * const sender = new OutboxSender({ topic: 'millrace.pairs.late', pool, writer, reader, fence });
 * const ended = sender.run(signal); // 'stopped' on abort, 'superseded' where a newer token stands
 */
export class OutboxSender {
  readonly #options: OutboxSenderOptions;
  readonly #limits: OutboxLimits;
  #hasTaken = false;
  #nudge: (() => void) | null = null;
  #nudged = false;
  #waitsFor: MillraceError | null = null;
  #sent = 0;

  constructor(options: OutboxSenderOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_OUTBOX_LIMITS, ...options.limits };
  }

  /** Records that it has taken out. */
  get sent(): number {
    return this.#sent;
  }

  /** What it waits for; null: it goes on. */
  get waitsFor(): MillraceError | null {
    return this.#waitsFor;
  }

  /** There is something to send. */
  nudge(): void {
    this.#nudged = true;
    this.#nudge?.();
  }

  /**
   * Sends until it is aborted or superseded. Services that are away are waited for.
   *
   * @param options.untilEmpty ends (`'empty'`) as soon as nothing waits
   * @throws what is not retryable: `topic-not-found`, `kafka-not-authorized` …
   */
  async run(
    signal: AbortSignal,
    { untilEmpty = false }: { readonly untilEmpty?: boolean } = {},
  ): Promise<'stopped' | 'superseded' | 'empty'> {
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#sent;
      try {
        return await this.#claimAndSend(signal, untilEmpty);
      } catch (error) {
        if (signal.aborted) break;
        if (!isMillraceError(error) || !error.retryable) throw error;
        failures = this.#sent > before ? 1 : failures + 1;
        this.#waitsFor = error;
        const ms = Math.min(this.#limits.retryMinMs * 2 ** Math.min(failures - 1, 16), this.#limits.retryMaxMs);
        await sleep(ms, undefined, { signal }).catch(() => undefined); // rejects on abort alone
      }
    }
    return 'stopped';
  }

  async #claimAndSend(signal: AbortSignal, untilEmpty: boolean): Promise<'stopped' | 'superseded' | 'empty'> {
    const { topic, pool, fence, reader, writer, failAt } = this.#options;
    const { sendRecords: records, sendBytes: bytes, pollMs } = this.#limits;
    const taken = await withTransaction(pool, (client) => takeOutbox(client, topic, fence, this.#hasTaken));
    if (taken === 'superseded') return 'superseded';
    this.#hasTaken = true;
    if (!(await this.#settle(taken))) return 'superseded';
    this.#waitsFor = null;
    while (!signal.aborted) {
      const waiting = await withClient(pool, (client) => waitingRecords(client, topic, { records, bytes }));
      if (waiting.length === 0) {
        if (untilEmpty) return 'empty';
        await this.#wait(pollMs, signal);
        continue;
      }
      await failAt?.('before-send');
      await writer.send(topic, waiting);
      await failAt?.('after-send');
      if (!(await this.#mark(sentRecords(waiting), endsOf(await reader.bounds(topic))))) return 'superseded';
      await failAt?.('after-mark');
    }
    return 'stopped';
  }

  /** Takes out what an earlier send has written, whoever made it. */
  async #settle(before: OutboxEnds | null): Promise<boolean> {
    const { topic, pool, reader } = this.#options;
    const bounds = await reader.bounds(topic);
    const isKnown = before !== null && before.clusterId === bounds.clusterId;
    const written = isKnown ? await this.#writtenSince(before, bounds) : [];
    const sent =
      written.length === 0 ? NOTHING : await withClient(pool, (client) => waitingAmong(client, topic, written));
    return await this.#mark(sent, endsOf(bounds));
  }

  /** SHA-256 of each value that the topic has gained. */
  async #writtenSince({ ends }: OutboxEnds, { topic, partitions }: TopicBounds): Promise<Uint8Array[]> {
    const grown = partitions.filter(({ partition, endOffset }) => endOffset > (ends.get(partition) ?? 0));
    if (grown.length === 0) return [];
    const positions = grown.map(
      ({ partition, lowOffset }) => [partition, Math.max(ends.get(partition) ?? 0, lowOffset)] as const,
    );
    const read = this.#options.reader.read({
      topic,
      positions: new Map(positions),
      ends: new Map(grown.map(({ partition, endOffset }) => [partition, endOffset])),
    });
    const written: Uint8Array[] = [];
    for await (const batch of read)
      for (const { value } of batch.records)
        if (value !== null) written.push(createHash('sha256').update(value).digest());
    return written;
  }

  async #mark(sent: SentRecords, ends: OutboxEnds): Promise<boolean> {
    const { topic, pool, fence } = this.#options;
    const ours = await withTransaction(pool, (client) => markSent(client, topic, fence, sent, ends));
    if (ours) this.#sent += sent.seqs.length;
    return ours;
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#nudged) {
      const over = new AbortController();
      this.#nudge = () => over.abort();
      await sleep(ms, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => undefined); // nudged, or aborted
      this.#nudge = null;
    }
    this.#nudged = false;
  }
}

function endsOf({ clusterId, partitions }: TopicBounds): OutboxEnds {
  return { clusterId, ends: new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset])) };
}

/** How much may wait in the outbox of a topic before whoever derives onto it waits: both are bounds. */
export interface OutboxBounds {
  readonly rows: number;
  readonly bytes: number;
}

export const DEFAULT_OUTBOX_BOUNDS: OutboxBounds = { rows: 100_000, bytes: 256 * 1024 * 1024 };

/** Whether there is room for more in the outbox of a topic. */
export async function outboxHasRoom(pool: pg.Pool, topic: string, bounds: OutboxBounds): Promise<boolean> {
  const { rows, bytes } = await withClient(pool, (client) => outboxFill(client, topic));
  return rows < bounds.rows && bytes < bounds.bytes;
}
