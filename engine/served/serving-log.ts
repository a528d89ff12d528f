import { keyText } from '../define/key-text.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { Clock } from '../values/clock.ts';
import { BufferedLog, type BufferSettings, type DropReason } from '../topic/buffered-log.ts';
import type { LogWriter, RecordToWrite } from '../topic/log-writer.ts';
import { type OfferedRead, ReadEncoder, type ReadToLog } from './read-encoder.ts';
import { isSampled, readKeyText } from './sampled.ts';
import type { OwnToLog, ServiceRead, ServiceToLog } from './service-to-log.ts';

export interface ServingLogFigures {
  /** Reads acknowledged by the log. */
  readonly logged: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Reads waiting, those being sent included. */
  readonly buffered: number;
}

export interface ServingLogOptions extends BufferSettings {
  readonly writer: LogWriter;
  readonly topic: string;
  readonly clock: Clock;
  /** Unique per process: the ids of its reads begin with it. */
  readonly logId: string;
  /** Share of entities whose reads are logged, 0 to 1. Default 0.01. */
  readonly sample?: number | undefined;
  /** The share for a service, above what its definition says; undefined: that. */
  readonly sampleOf?: ((service: string) => number | undefined) | undefined;
  /** Told of drops, in the background, some time after them. Must not throw. */
  readonly onDrop?: ((reason: DropReason, reads: number, cause: unknown) => void) | undefined;
  /** Whether closing the log closes the writer. Default false. */
  readonly ownsWriter?: boolean | undefined;
}

export const DEFAULT_SAMPLE = 0.01;

/** A waiting read beside its texts. */
const OBJECT_BYTES = 320;

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
  readonly #encoder = new ReadEncoder();
  readonly #buffer: BufferedLog<Waiting>;
  #offered = 0;
  #closing: Promise<void> | null = null;

  constructor(options: ServingLogOptions) {
    this.#options = options;
    this.#sample = options.sample ?? DEFAULT_SAMPLE;
    this.#buffer = new BufferedLog({ ...options, record: (waiting) => this.#record(waiting) });
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
    this.#buffer.sendSoon();
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
    this.#buffer.sendSoon();
  }

  #sampleOf(service: string | null, ofDefinition: number | undefined): number {
    const override = service === null ? undefined : this.#options.sampleOf?.(service);
    return override ?? ofDefinition ?? this.#sample;
  }

  /** Whether the read is in the sample: then it waits, or is counted as dropped. */
  #offer(sample: number, offered: Omit<OfferedRead, 'readId'>): boolean {
    const readKey = readKeyText(offered.read.view, keyText(offered.key));
    if (!isSampled(readKey, sample)) return false;
    const readId = `${this.#options.logId}-${(this.#offered++).toString(36)}`;
    this.#buffer.offer({ readId, ...offered, readKey, bytes: heldBytes(offered, readKey) });
    return true;
  }

  get figures(): ServingLogFigures {
    const { sent, dropped, buffered } = this.#buffer.figures;
    return { logged: sent, dropped, buffered };
  }

  /** Sends what is waiting, within a bound; what is left then is dropped and counted. Reads offered from now on are dropped. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { ownsWriter = false, writer } = this.#options;
    await this.#buffer.close();
    if (ownsWriter) await writer.close();
  }

  #record(waiting: Waiting): RecordToWrite {
    const value = Buffer.from(this.#encoder.encode(waiting));
    return { key: Buffer.from(waiting.readKey), value, timestampMs: Math.floor(waiting.servedAtUs / 1000) };
  }
}
