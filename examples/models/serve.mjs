/**
 * Reads features and says how likely a flight is late, by whichever version is the champion then.
 *
 *     DATABASE_URL=… KAFKA_BROKERS=… node serve.mjs LAS PHL 2176
 */
import { createClient } from 'millrace/client';
import { delayModel } from './features/flights.ts';
import { lateModel } from './late-model.mjs';

const client = createClient({
  databaseUrl: process.env.DATABASE_URL,
  models: { kafka: { brokers: process.env.KAFKA_BROKERS.split(',') } },
});
try {
  const late = await client.model('late_flights', { decode: lateModel });
  const [origin, destination, distance] = process.argv.slice(2);
  const read = await client.getService(
    delayModel,
    { origin, destination },
    { request: { distance: Number(distance) } },
  );
  // Once per request: what is held may be another version a moment later.
  const { value, version } = late.current;
  console.log(JSON.stringify({ version, probability: await value.probability(read) }));
} finally {
  await client.close();
}
