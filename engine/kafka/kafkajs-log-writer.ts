import type { CompressionTypes, Producer } from 'kafkajs';
import { MillraceError } from '../errors/millrace-error.ts';
import type { LogWriter, RecordToWrite } from '../topic/log-writer.ts';
import { kafkaFailure, unreachable } from './kafka-failure.ts';
import type { KafkaAddress } from './kafka-link.ts';

export interface KafkaLogWriterOptions extends KafkaAddress {
  /** How long one send may take, connecting included. Default 10 s. */
  readonly sendForMs?: number | undefined;
}

/** How long the broker is given to take leave. */
const DISCONNECT_MS = 2_000;
/** `CompressionTypes.LZ4`. */
const LZ4: CompressionTypes = 3;

/**
 * The log writer over kafkajs: acknowledged by all in-sync replicas, lz4, keys to partitions as Java producers do.
 *
 * Not idempotent in Kafka's sense, on purpose: kafkajs can give one sequence number to two payloads after a failure, and then the broker
 * drops the second silently. Here a failed send at worst doubles records, and readers know those by their id. kafkajs tries nothing
 * twice; after any failure its producer is thrown away.
 *
 * @example
 * const writer = createKafkaLogWriter({ brokers: ['127.0.0.1:9092'], clientId: 'millrace' });
 * await writer.send('millrace.served', [{ key, value, timestampMs: Date.now() }]);
 */
export function createKafkaLogWriter(options: KafkaLogWriterOptions): LogWriter {
  return new KafkaLogWriter(options);
}

class KafkaLogWriter implements LogWriter {
  readonly #address: KafkaAddress;
  readonly #sendForMs: number;
  #producer: Promise<Producer> | null = null;
  #attempts = 0;
  #closed = false;

  constructor(options: KafkaLogWriterOptions) {
    this.#address = options;
    this.#sendForMs = options.sendForMs ?? 10_000;
  }

  async send(topic: string, records: readonly RecordToWrite[]): Promise<void> {
    if (this.#closed) {
      throw new MillraceError('log-writer-closed', `topic ${topic}: this writer was closed`, {
        remedy: 'Close the writer after the last send.',
        httpStatus: 500,
      });
    }
    if (records.length === 0) return;
    const { brokers } = this.#address;
    const producer = (this.#producer ??= this.#open());
    const messages = records.map(({ key, value, timestampMs }) => ({
      key: key === null ? null : bufferOf(key),
      value: bufferOf(value),
      timestamp: String(timestampMs),
    }));
    const sent = producer.then((open) =>
      open.send({ topic, acks: -1, timeout: this.#sendForMs, compression: LZ4, messages }),
    );
    try {
      if ((await settledWithin(sent, this.#sendForMs)) === 'late') {
        throw unreachable(brokers, `topic ${topic}`, `no acknowledgement within ${this.#sendForMs} ms`);
      }
    } catch (error) {
      this.#discard(producer);
      throw kafkaFailure(error, brokers, `topic ${topic}`).error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const producer = this.#producer;
    this.#producer = null;
    if (producer !== null) await settledWithin(disconnected(producer), DISCONNECT_MS);
  }

  async #open(): Promise<Producer> {
    const { brokers, ssl, sasl, clientId } = this.#address;
    // Loaded by who writes: definitions import the client, and are none the slower for what they do not use.
    const [{ Kafka, logLevel, Partitioners }, { registerCodecs }] = await Promise.all([
      import('kafkajs'),
      import('./codecs.ts'),
    ]);
    registerCodecs();
    // Another broker first at each attempt: kafkajs, trying once, asks only the first.
    const turn = this.#attempts++ % Math.max(brokers.length, 1);
    const kafka = new Kafka({
      clientId,
      brokers: [...brokers.slice(turn), ...brokers.slice(0, turn)],
      ...(ssl === undefined ? {} : { ssl }),
      ...(sasl === undefined ? {} : { sasl }),
      connectionTimeout: 3_000,
      requestTimeout: this.#sendForMs,
      enforceRequestTimeout: true,
      retry: { retries: 0 },
      logLevel: logLevel.NOTHING, // what it would log is in the errors we throw
    });
    const producer = kafka.producer({
      idempotent: false,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: 60_000,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 0 },
    });
    try {
      await producer.connect();
    } catch (error) {
      await settledWithin(producer.disconnect(), DISCONNECT_MS).catch(() => undefined); // it never was connected
      throw error;
    }
    return producer;
  }

  #discard(broken: Promise<Producer>): void {
    if (this.#producer === broken) this.#producer = null;
    void disconnected(broken);
  }
}

/** Never fails: a producer that does not take its leave is not used again anyway. */
function disconnected(producer: Promise<Producer>): Promise<void> {
  return producer.then((open) => open.disconnect()).catch(() => undefined);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Waits for a promise, but not longer than a time. Its failure, when it comes too late, is nobody's any more. */
async function settledWithin(promise: Promise<unknown>, forMs: number): Promise<'settled' | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), forMs);
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise.then(() => 'settled' as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
