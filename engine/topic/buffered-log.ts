import { setImmediate as nextTurn } from 'node:timers/promises';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import type { LogWriter, RecordToWrite } from './log-writer.ts';

/** What the key and the value of a record may have together: a batch of it has to stay below what brokers take (1 MiB). */
export const MOST_RECORD_BYTES = 900_000;

/** Why something that was offered is not in the log: no room, larger than a record may be, refused or not taken by Kafka, or offered after the close. */
export type DropReason = 'buffer-full' | 'too-large' | 'send-failed' | 'closed';

/** What waits in a buffer. */
export interface Held {
  /** What it takes of the heap, about. */
  readonly bytes: number;
}

export interface BufferedLogFigures {
  /** Acknowledged by the log. */
  readonly sent: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Waiting, those being sent included. */
  readonly buffered: number;
}

/** How much is held, and for how long. */
export interface BufferSettings {
  /** Held at most. Default 10,000. */
  readonly maxBuffered?: number | undefined;
  /** What is held may take so much of the heap, bytes, about; one is held however large it is. Default 64 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** How long one waits for others to be sent with. Default 250 ms. */
  readonly flushMs?: number | undefined;
  /** How long sending the same is tried again where Kafka is away. Default 60 s. */
  readonly retryForMs?: number | undefined;
  /** How long a close may take to send what is left. Default 5 s. */
  readonly closeForMs?: number | undefined;
}

export interface BufferedLogOptions<Item extends Held> extends BufferSettings {
  readonly writer: LogWriter;
  readonly topic: string;
  readonly clock: Clock;
  /** The record of an item, made in the background, in the order they were offered. */
  readonly record: (item: Item) => RecordToWrite;
  /** Told of drops, in the background, some time after them. Must not throw. */
  readonly onDrop?: ((reason: DropReason, items: number, cause: unknown) => void) | undefined;
  /** Told of each that was acknowledged, or dropped after it was offered, where it happens. Must not throw. */
  readonly onEnd?: ((item: Item, dropped: DropReason | null) => void) | undefined;
}

const MOST_HELD_BYTES = 64 * 1024 * 1024;
/** Records per send; their bytes are those that one may have. */
const SEND_RECORDS = 1_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** After a send that no repetition would help. */
const REFUSED_PAUSE_MS = 1_000;

/**
 * A log that nobody waits for: what is offered is put aside, made into records and sent in the background. It is bounded; what does not fit is dropped
 * and counted. Everything offered is sent or counted as dropped; where Kafka is away the same bytes are sent again, so that readers know a resent one.
 *
 * @example
 * const log = new BufferedLog({ writer, topic: 'millrace.served', clock: systemClock, record: (item) => encode(item) });
 * log.offer({ bytes: 400, text });
 * await log.close();
 */
export class BufferedLog<Item extends Held> {
  readonly #options: BufferedLogOptions<Item>;
  readonly #maxBuffered: number;
  readonly #maxBufferedBytes: number;
  readonly #dropped: Record<DropReason, number> = { 'buffer-full': 0, 'too-large': 0, 'send-failed': 0, closed: 0 };
  #untold = 0;
  #waiting: Item[] = [];
  /** What is being sent: first `#sending`, then what was taken, from `#next` on. */
  #sending: readonly Item[] = [];
  #taken: readonly Item[] = [];
  #next = 0;
  #buffered = 0;
  #bufferedBytes = 0;
  #sent = 0;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  /** Set when the time of a close is over: whatever is under way is counted as dropped already. */
  #abandoned = false;
  #stopWaiting: (() => void) | null = null;
  #endPause: (() => void) | null = null;

  constructor(options: BufferedLogOptions<Item>) {
    this.#options = options;
    this.#maxBuffered = options.maxBuffered ?? 10_000;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? MOST_HELD_BYTES;
  }

  /** Puts an item aside, or counts it as dropped. Never throws, never waits. `sendSoon` has to follow. */
  offer(item: Item): void {
    const reason = this.#closing !== null ? 'closed' : this.#hasRoom(item.bytes) ? null : 'buffer-full';
    if (reason !== null) {
      this.#dropped[reason]++;
      if (reason === 'buffer-full') this.#untold++;
      this.#options.onEnd?.(item, reason);
      return;
    }
    this.#waiting.push(item);
    this.#buffered++;
    this.#bufferedBytes += item.bytes;
  }

  /** Has what was offered sent, when it is enough for a send, or after a while. */
  sendSoon(): void {
    if (this.#running === null && this.#waiting.length > 0) this.#runSoon();
  }

  #hasRoom(bytes: number): boolean {
    if (this.#buffered >= this.#maxBuffered) return false;
    return this.#buffered === 0 || this.#bufferedBytes + bytes <= this.#maxBufferedBytes;
  }

  get figures(): BufferedLogFigures {
    return { sent: this.#sent, dropped: { ...this.#dropped }, buffered: this.#buffered };
  }

  /** Sends what is waiting, within a bound; what is left then is dropped and counted. What is offered from now on is dropped. The writer stays open. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { closeForMs = 5_000 } = this.#options;
    this.#run();
    this.#endPause?.();
    const cut = setTimeout(() => this.#abandon(), closeForMs);
    await this.#running;
    clearTimeout(cut);
  }

  #abandon(): void {
    this.#abandoned = true;
    const left = [...this.#sending, ...this.#taken.slice(this.#next), ...this.#waiting];
    this.#sending = [];
    this.#taken = [];
    this.#waiting = [];
    this.#drop('send-failed', left, undefined);
    this.#stopWaiting?.();
    this.#endPause?.();
  }

  /** Starts sending when there is enough for a full send, or after a while: many small sends cost more than one. */
  #runSoon(): void {
    if (this.#waiting.length >= SEND_RECORDS) this.#run();
    // Unreferenced: a program that ends without closing its client is not kept up by what it did not ask for.
    else this.#timer ??= setTimeout(() => this.#run(), this.#options.flushMs ?? 250).unref();
  }

  /** Starts sending, unless it is under way. */
  #run(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#running ??= this.#sendAll();
  }

  /** Sends what is waiting, and goes on while there is enough for a full send; at the close, until nothing is waiting. */
  async #sendAll(): Promise<void> {
    // Control goes back to whoever offered: encoding is none of its time.
    await nextTurn();
    do {
      this.#taken = this.#waiting;
      this.#next = 0;
      this.#waiting = [];
      while (this.#next < this.#taken.length && !this.#abandoned) await this.#sendSome();
      this.#tellFull();
    } while (this.#waiting.length >= SEND_RECORDS || (this.#closing !== null && this.#waiting.length > 0));
    this.#taken = [];
    this.#running = null;
    if (this.#waiting.length > 0) this.#runSoon();
  }

  /** Sends as many of those taken as one send may have. */
  async #sendSome(): Promise<void> {
    const items: Item[] = [];
    const records: RecordToWrite[] = [];
    let bytes = 0;
    for (; this.#next < this.#taken.length && records.length < SEND_RECORDS; this.#next++) {
      const item = this.#taken[this.#next]!;
      const record = this.#record(item);
      if (record === null) continue;
      const size = record.value.length + (record.key?.length ?? 0);
      if (bytes + size > MOST_RECORD_BYTES) break;
      bytes += size;
      items.push(item);
      records.push(record);
    }
    if (records.length === 0) return;
    this.#sending = items;
    await this.#send(records, items);
    this.#sending = [];
  }

  /** The record of an item; null where it has none, which is counted. */
  #record(item: Item): RecordToWrite | null {
    try {
      const record = this.#options.record(item);
      if ((record.key?.length ?? 0) + record.value.length <= MOST_RECORD_BYTES) return record;
      this.#drop('too-large', [item], undefined);
    } catch (error) {
      // A fault of our own; whoever offers goes on without its log.
      this.#drop('send-failed', [item], error);
    }
    return null;
  }

  /** Sends until it is acknowledged, trying again while Kafka is away; the same bytes each time, so that readers know a resent record. */
  async #send(records: readonly RecordToWrite[], items: readonly Item[]): Promise<void> {
    const { clock, topic, writer, retryForMs = 60_000 } = this.#options;
    const startedMs = clock.monotonicMs();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      let failure: unknown;
      try {
        await this.#whileWanted(writer.send(topic, records));
        if (this.#abandoned) return;
        this.#sent += records.length;
        this.#release(items, null);
        return;
      } catch (error) {
        failure = error;
      }
      if (this.#abandoned) return;
      this.#tellFull();
      const mayHelp = isMillraceError(failure) && failure.retryable;
      const again = mayHelp && clock.monotonicMs() - startedMs < retryForMs;
      if (!again) this.#drop('send-failed', items, failure);
      // Also where it is of no use to try the same again: the next ones would only meet the same, at the cluster's expense.
      if (again || this.#closing === null) await this.#pause(again ? pauseMs : REFUSED_PAUSE_MS);
      if (!again || this.#abandoned) return;
    }
  }

  /** Waits for a send, but no longer than its outcome matters. */
  #whileWanted(sent: Promise<void>): Promise<void> {
    sent.catch(() => undefined); // may fail when nobody waits any more
    const unwanted = new Promise<void>((resolve) => {
      this.#stopWaiting = resolve;
    });
    return Promise.race([sent, unwanted]);
  }

  /** Waits before the next attempt; a close ends it. */
  async #pause(forMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, forMs).unref();
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endPause = null;
  }

  #drop(reason: DropReason, items: readonly Item[], cause: unknown): void {
    if (items.length === 0) return;
    this.#dropped[reason] += items.length;
    this.#release(items, reason);
    this.#options.onDrop?.(reason, items.length, cause);
  }

  /** They wait no longer. */
  #release(items: readonly Item[], dropped: DropReason | null): void {
    const { onEnd } = this.#options;
    this.#buffered -= items.length;
    for (const item of items) {
      this.#bufferedBytes -= item.bytes;
      onEnd?.(item, dropped);
    }
  }

  /** Drops for want of room are counted where they happen and told here, in the background. */
  #tellFull(): void {
    const untold = this.#untold;
    this.#untold = 0;
    if (untold > 0) this.#options.onDrop?.('buffer-full', untold, undefined);
  }
}
