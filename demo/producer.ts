/**
 * The demo's live stream: a process of its own that replays June into Kafka in event-time order, as far as its parent says.
 * Messages in: `{untilUs}`: send every flight before that event time. Messages out: `{sent, nextUs}` after the broker took them.
 */
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { openDuckDb, quoteText } from '../engine/duckdb/duckdb.ts';

const [junePath, topic, brokers, spillDir] = process.argv.slice(2);
if (!junePath || !topic || !brokers || !spillDir || !process.send) {
  throw new Error('usage (forked by the demo): producer.ts JUNE_PARQUET TOPIC BROKERS SPILL_DIR');
}

interface Flight {
  readonly eventTimeUs: number;
  readonly key: string;
  readonly value: string;
}

async function loadFlights(path: string, tempDir: string): Promise<Flight[]> {
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir });
  try {
    const rows = await duckdb.query<{ t: bigint; key: string; value: string }>(`
      SELECT epoch_us(date) AS t, origin || '-' || destination AS key,
        CAST(to_json({flight_id: flight_id, date: strftime(date, '%Y-%m-%dT%H:%M:%SZ'), origin: origin, destination: destination, delay: delay, distance: distance}) AS VARCHAR) AS value
      FROM ${quoteText(path)} ORDER BY date, flight_id`);
    return rows.map(({ t, key, value }) => ({ eventTimeUs: Number(t), key, value }));
  } finally {
    await duckdb.close();
  }
}

const kafka = new Kafka({
  clientId: 'millrace-demo-producer',
  brokers: brokers.split(','),
  logLevel: logLevel.NOTHING,
});
const producer = kafka.producer({
  createPartitioner: Partitioners.DefaultPartitioner,
  idempotent: true,
  maxInFlightRequests: 1,
});
await producer.connect();
const flights = await loadFlights(junePath, spillDir);
let next = 0;

async function replayUntil(untilUs: number): Promise<void> {
  const from = next;
  while (next < flights.length && flights[next]!.eventTimeUs < untilUs) {
    const messages: { key: string; value: string }[] = [];
    while (messages.length < 2_000 && next < flights.length && flights[next]!.eventTimeUs < untilUs) {
      const { key, value } = flights[next++]!;
      messages.push({ key, value });
    }
    await producer.send({ topic: topic as string, messages });
  }
  process.send?.({ sent: next - from, done: next === flights.length });
}

async function stop(): Promise<void> {
  await producer.disconnect();
  process.exit(0);
}

let queue = Promise.resolve();
process.on('message', (message: { untilUs: number }) => {
  queue = queue
    .then(() => replayUntil(message.untilUs))
    .catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
});
process.on('disconnect', () => void stop());
process.on('SIGTERM', () => void stop());
process.send({ ready: true, flights: flights.length });
