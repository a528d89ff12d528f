/**
 * Says of flights whether to warn of them.
 *
 *     DATABASE_URL=… KAFKA_BROKERS=… node serve.mjs
 *     curl localhost:8080/decide -d '{"flights":[{"flight_id":"F1","origin":"ORD","destination":"LAX","scheduled":"2026-11-29T18:00:00Z","distance":1745}]}'
 *
 * With REPLAY=on the time is what requests say in their header `x-now`, as a replay needs it. PORT: default 8080; 0 for any, which it prints.
 */
import { createServer } from 'node:http';
import { createClient } from 'millrace/client';
import { ReplayedClock } from './clock.mjs';
import { decideOn } from './flight-decisions.mjs';
import { lateModel } from './late-model.mjs';

const { DATABASE_URL, KAFKA_BROKERS, PORT = '8080', REPLAY } = process.env;
const kafka = { brokers: KAFKA_BROKERS.split(',') };
const clock = REPLAY === 'on' ? new ReplayedClock() : undefined;
const client = createClient({
  databaseUrl: DATABASE_URL,
  models: { kafka },
  decisions: { kafka },
  ...(clock === undefined ? {} : { clock }),
});
const late = await client.model('late', { decode: lateModel, rollout: true });

async function answer(request) {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (request.method === 'GET' && pathname === '/healthz') return { version: late.current.version };
  if (request.method !== 'POST' || pathname !== '/decide') return null;
  const now = request.headers['x-now'];
  if (clock !== undefined && now !== undefined) clock.moveTo(now);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { flights } = JSON.parse(Buffer.concat(chunks).toString());
  return { decisions: await decideOn(client, late, flights) };
}

const server = createServer(async (request, response) => {
  try {
    const body = await answer(request);
    response.writeHead(body === null ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? { error: 'POST /decide, GET /healthz' }));
  } catch (error) {
    response.writeHead(error instanceof SyntaxError ? 400 : 500, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: error.message }));
  }
});

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  server.close();
  server.closeIdleConnections();
  // What was decided is sent before the program ends.
  await client.close();
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
// Forked, it ends with whoever forked it.
process.on('disconnect', stop);

server.listen(Number(PORT), '127.0.0.1', () => {
  const { port } = server.address();
  console.log(`http://127.0.0.1:${port}, version ${late.current.version}`);
  process.send?.({ port });
});
