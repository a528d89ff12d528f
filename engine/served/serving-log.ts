import { setImmediate as nextTurn } from 'node:timers/promises';
import { keyText } from '../define/key-text.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import type { LogWriter, RecordToWrite } from '../topic/log-writer.ts';
import { MOST_RECORD_BYTES } from './record-size.ts';
import { type OfferedRead, ReadEncoder, type ReadToLog } from './read-encoder.ts';
import { isSampled, readKeyText } from './sampled.ts';
import type { OwnToLog, ServiceRead, ServiceToLog } from './service-to-log.ts';

/** Why a sampled read is not in the log: no room, larger than a record may be, refused or not taken by Kafka, or offered after the close. */
export type DropReason = 'buffer-full' | 'too-large' | 'send-failed' | 'closed';

export interface ServingLogFigures {
  /** Reads acknowledged by the log. */
  readonly logged: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Reads waiting, those being sent included. */
  readonly buffered: number;
}

export interface ServingLogOptions {
  readonly writer: LogWriter;
  readonly topic: string;
  readonly clock: Clock;
  /** Unique per process: the ids of its reads begin with it. */
  readonly logId: string;
  /** Share of entities whose reads are logged, 0 to 1. Default 0.01. */
  readonly sample?: number | undefined;
  /** The share for a service, above what its definition says; undefined: that. */
  readonly sampleOf?: ((service: string) => number | undefined) | undefined;
  /** Reads held at most. Default 10,000. */
  readonly maxBuffered?: number | undefined;
  /** What the reads held may take of the heap, bytes, about; one is held however large it is. Default 64 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** How long a read waits for others to be sent with. Default 250 ms. */
  readonly flushMs?: number | undefined;
  /** How long sending the same reads is tried again where Kafka is away. Default 60 s. */
  readonly retryForMs?: number | undefined;
  /** How long a close may take to send what is left. Default 5 s. */
  readonly closeForMs?: number | undefined;
  /** Told of drops, in the background, some time after them. Must not throw. */
  readonly onDrop?: ((reason: DropReason, reads: number, cause: unknown) => void) | undefined;
  /** Whether closing the log closes the writer. Default false. */
  readonly ownsWriter?: boolean | undefined;
}

export const DEFAULT_SAMPLE = 0.01;

const MOST_HELD_BYTES = 64 * 1024 * 1024;
/** A waiting read beside its texts. */
const OBJECT_BYTES = 320;

/** Reads per send; their bytes are those that one may have. */
const SEND_READS = 1_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** After a send that no repetition would help. */
const REFUSED_PAUSE_MS = 1_000;

interface Waiting extends OfferedRead {
  readonly readKey: string;
  /** What it takes of the heap, about. */
  readonly bytes: number;
}

/** Texts, lists and maps, and what a caller gave, have no bound. */
function heldBytes({ read, asked }: Pick<OfferedRead, 'read' | 'asked'>, readKey: string): number {
  let letters = readKey.length;
  const { values } = read;
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (typeof value === 'string') letters += value.length;
  }
  if (asked !== undefined) {
    for (const { name } of asked.of.request) {
      const value = asked.request[name];
      if (typeof value === 'string') letters += value.length;
    }
  }
  return OBJECT_BYTES + 2 * letters;
}

/** What a service derived, as a read is told of. */
function ownRead(name: string, own: OwnToLog, derived: ServiceRead['derived'], asOfUs: number): ReadToLog {
  const { keys, features, tag: fingerprint } = own;
  const { values, errors } = derived ?? { values: [], errors: null };
  const read = { view: name, version: 0, fingerprint, keys, features, values, errors };
  return { ...read, found: true, asOfUs, ahead: false, seq: null, commitId: null };
}

/**
 * The log of what was served (design §1: inputs served are events). `offer` only puts reads aside: no read waits or fails for the log.
 * What does not fit the buffer is dropped and counted.
 *
 * @example
 * const log = new ServingLog({ writer, topic: 'millrace.served', clock: systemClock, logId: randomUUID(), sample: 1 });
 * log.offer(requestId, 'delay_model', reads, keys);
 * await log.close();
 */
export class ServingLog {
  readonly #options: ServingLogOptions;
  readonly #sample: number;
  readonly #maxBuffered: number;
  readonly #maxBufferedBytes: number;
  readonly #encoder = new ReadEncoder();
  readonly #dropped: Record<DropReason, number> = { 'buffer-full': 0, 'too-large': 0, 'send-failed': 0, closed: 0 };
  #untold = 0;
  #waiting: Waiting[] = [];
  #buffered = 0;
  #bufferedBytes = 0;
  #logged = 0;
  #offered = 0;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  /** Set when the time of a close is over: whatever is under way is counted as dropped already. */
  #abandoned = false;
  #stopWaiting: (() => void) | null = null;
  #endPause: (() => void) | null = null;

  constructor(options: ServingLogOptions) {
    this.#options = options;
    this.#sample = options.sample ?? DEFAULT_SAMPLE;
    this.#maxBuffered = options.maxBuffered ?? 10_000;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? MOST_HELD_BYTES;
  }

  /**
   * Puts the reads of one request to one view aside, where their entities are in the sample. Never throws, never waits.
   *
   * @param keys The join key values of each read, in layout order.
   * @param serviceSample What the service's definition says its sample is.
   * @param role Of the view in that service. Default: it is read as itself.
   */
  offer(
    requestId: string,
    service: string | null,
    reads: readonly ReadToLog[],
    keys: readonly (readonly ScalarValue[])[],
    serviceSample?: number,
    role?: string | null,
  ): void {
    const sample = this.#sampleOf(service, serviceSample);
    if (!(sample > 0)) return;
    const servedAtUs = this.#options.clock.nowUs();
    for (let index = 0; index < reads.length; index++)
      this.#offer(sample, { requestId, service, role, servedAtUs, read: reads[index]!, key: keys[index]! });
    if (this.#running === null && this.#waiting.length > 0) this.#runSoon();
  }

  /**
   * Puts what a request was answered of a service aside: the reads of its views whose entities are in the sample and, where any is, the record of what
   * the service was asked with and derived. Never throws, never waits.
   */
  offerService(requestId: string, service: ServiceToLog, entries: readonly ServiceRead[]): void {
    const { name, roles, own } = service;
    const sample = this.#sampleOf(name, service.sample);
    if (!(sample > 0)) return;
    const servedAtUs = this.#options.clock.nowUs();
    const offered = { requestId, service: name, servedAtUs };
    for (const { reads, keys, request, derived, atUs } of entries) {
      let isAny = false;
      for (let index = 0; index < reads.length; index++) {
        const one = { ...offered, role: roles[index]!, read: reads[index]!, key: keys[index]! };
        if (this.#offer(sample, one)) isAny = true;
      }
      if (own === null || !isAny) continue;
      const key = own.places.map(([block, at]) => keys[block]![at]!);
      const read = ownRead(name, own, derived, atUs);
      this.#offer(1, { ...offered, role: null, read, key, asked: { request, of: own } });
    }
    if (this.#running === null && this.#waiting.length > 0) this.#runSoon();
  }

  #sampleOf(service: string | null, ofDefinition: number | undefined): number {
    const override = service === null ? undefined : this.#options.sampleOf?.(service);
    return override ?? ofDefinition ?? this.#sample;
  }

  /** Whether the read is in the sample: then it waits, or is counted as dropped. */
  #offer(sample: number, offered: Omit<OfferedRead, 'readId'>): boolean {
    const readKey = readKeyText(offered.read.view, keyText(offered.key));
    if (!isSampled(readKey, sample)) return false;
    if (this.#closing !== null) {
      this.#dropped.closed++;
      return true;
    }
    const bytes = heldBytes(offered, readKey);
    if (!this.#hasRoom(bytes)) {
      this.#dropped['buffer-full']++;
      this.#untold++;
      return true;
    }
    const readId = `${this.#options.logId}-${(this.#offered++).toString(36)}`;
    this.#waiting.push({ readId, ...offered, readKey, bytes });
    this.#buffered++;
    this.#bufferedBytes += bytes;
    return true;
  }

  #hasRoom(bytes: number): boolean {
    if (this.#buffered >= this.#maxBuffered) return false;
    return this.#buffered === 0 || this.#bufferedBytes + bytes <= this.#maxBufferedBytes;
  }

  get figures(): ServingLogFigures {
    return { logged: this.#logged, dropped: { ...this.#dropped }, buffered: this.#buffered };
  }

  /** Sends what is waiting, within a bound; what is left then is dropped and counted. Reads offered from now on are dropped. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { closeForMs = 5_000, ownsWriter = false, writer } = this.#options;
    this.#run();
    this.#endPause?.();
    const cut = setTimeout(() => this.#abandon(), closeForMs);
    await this.#running;
    clearTimeout(cut);
    if (ownsWriter) await writer.close();
  }

  #abandon(): void {
    this.#abandoned = true;
    this.#waiting = [];
    this.#drop('send-failed', this.#buffered, this.#bufferedBytes, undefined);
    this.#stopWaiting?.();
    this.#endPause?.();
  }

  /** Starts sending when there is enough for a full send, or after a while: many small sends cost more than one. */
  #runSoon(): void {
    if (this.#waiting.length >= SEND_READS) this.#run();
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
      const reads = this.#waiting;
      this.#waiting = [];
      let from = 0;
      while (from < reads.length && !this.#abandoned) {
        const records: RecordToWrite[] = [];
        let bytes = 0;
        let heldOf = 0;
        for (; from < reads.length && records.length < SEND_READS; from++) {
          const read = reads[from]!;
          const record = this.#record(read);
          if (record === null) continue;
          const size = record.value.length + (record.key?.length ?? 0);
          if (bytes + size > MOST_RECORD_BYTES) break;
          bytes += size;
          heldOf += read.bytes;
          records.push(record);
        }
        if (records.length > 0) await this.#send(records, heldOf);
      }
      this.#tellFull();
    } while (this.#waiting.length >= SEND_READS || (this.#closing !== null && this.#waiting.length > 0));
    this.#running = null;
    if (this.#waiting.length > 0) this.#runSoon();
  }

  /** The record of a read; null where it has none, which is counted. */
  #record(waiting: Waiting): RecordToWrite | null {
    try {
      const key = Buffer.from(waiting.readKey);
      const value = Buffer.from(this.#encoder.encode(waiting));
      if (key.length + value.length > MOST_RECORD_BYTES) {
        this.#drop('too-large', 1, waiting.bytes, undefined);
        return null;
      }
      return { key, value, timestampMs: Math.floor(waiting.servedAtUs / 1000) };
    } catch (error) {
      // A fault of our own; serving goes on without its log.
      this.#drop('send-failed', 1, waiting.bytes, error);
      return null;
    }
  }

  /** Sends until it is acknowledged, trying again while Kafka is away; the same bytes each time, so that readers know a resent read. */
  async #send(records: readonly RecordToWrite[], heldOf: number): Promise<void> {
    const { clock, topic, writer, retryForMs = 60_000 } = this.#options;
    const startedMs = clock.monotonicMs();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      let failure: unknown;
      try {
        await this.#whileWanted(writer.send(topic, records));
        if (this.#abandoned) return;
        this.#logged += records.length;
        this.#buffered -= records.length;
        this.#bufferedBytes -= heldOf;
        return;
      } catch (error) {
        failure = error;
      }
      if (this.#abandoned) return;
      this.#tellFull();
      const mayHelp = isMillraceError(failure) && failure.retryable;
      const again = mayHelp && clock.monotonicMs() - startedMs < retryForMs;
      if (!again) this.#drop('send-failed', records.length, heldOf, failure);
      // Also where it is of no use to try the same again: the next reads would only meet the same, at the cluster's expense.
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

  #drop(reason: DropReason, reads: number, heldOf: number, cause: unknown): void {
    if (reads === 0) return;
    this.#dropped[reason] += reads;
    this.#buffered -= reads;
    this.#bufferedBytes -= heldOf;
    this.#options.onDrop?.(reason, reads, cause);
  }

  /** Drops for want of room are counted where they happen and told here, in the background. */
  #tellFull(): void {
    const untold = this.#untold;
    this.#untold = 0;
    if (untold > 0) this.#options.onDrop?.('buffer-full', untold, undefined);
  }
}
