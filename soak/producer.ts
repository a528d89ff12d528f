/**
 * The soak's producer: a process of its own that feeds both topics at a steady pace until told to stop, and sends again what a broker
 * that was away did not take. Its argument is a `ProducerConfig` as JSON.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { PaymentGenerator, type TopicRecord } from './payment-generator.ts';
import type { ProducerConfig, ProducerReport } from './producer-process.ts';
import { seededRandom } from './random.ts';

const TICK_MS = 50;
const RETRY_MS = 250;

const config = JSON.parse(process.argv[2] ?? '') as ProducerConfig;
const kafka = new Kafka({
  clientId: 'millrace-soak-producer',
  brokers: [...config.brokers],
  logLevel: logLevel.NOTHING,
  retry: { retries: 1, initialRetryTime: 100 },
  connectionTimeout: 2_000,
});
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, maxInFlightRequests: 1 });
const flights = readFileSync(config.flightsPath, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as TopicRecord);
const generator = new PaymentGenerator(seededRandom(config.seed).fork('producer'), 'p');
let flightsSent = 0;
let paymentsSent = 0;
let retries = 0;
const stopping = new AbortController();

async function send(topic: string, records: readonly TopicRecord[]): Promise<void> {
  if (records.length === 0) return;
  const messages = records.map(({ key, value }) => ({ key, value }));
  for (;;) {
    try {
      await producer.send({ topic, messages });
      return;
    } catch {
      // Whether the broker took them is unknown: sending them again makes duplicates, which are part of the soak.
      retries += 1;
      await delay(RETRY_MS);
      // A connection that broke is not made anew by sending.
      await producer.connect().catch(() => undefined);
    }
  }
}

function report(): void {
  const message: ProducerReport = {
    flights: flightsSent,
    payments: paymentsSent,
    retries,
    done: stopping.signal.aborted,
  };
  if (process.connected) process.send?.(message);
}

async function feed(): Promise<void> {
  const startedMs = performance.now();
  while (!stopping.signal.aborted) {
    const seconds = (performance.now() - startedMs) / 1000;
    const dueFlights = Math.min(flights.length, Math.floor((flights.length * seconds) / config.liveSeconds));
    const duePayments = Math.floor(seconds * config.paymentsPerSecond);
    await send(config.flightsTopic, flights.slice(flightsSent, Math.min(dueFlights, flightsSent + 1_000)));
    flightsSent = Math.min(dueFlights, flightsSent + 1_000);
    const nowMs = Date.now();
    const count = Math.min(1_000, duePayments - paymentsSent);
    await send(
      config.paymentsTopic,
      Array.from({ length: count }, () => generator.next(nowMs)),
    );
    paymentsSent += count;
    await delay(TICK_MS);
  }
}

process.on('message', () => {
  stopping.abort();
});
process.on('disconnect', () => process.exit(0));
await producer.connect();
report();
const reporting = setInterval(report, 500);
await feed();
clearInterval(reporting);
report();
await producer.disconnect();
process.disconnect();
