/** One row of the stream's part of the memory table, in a process of its own: stream-child.ts TOPIC MB, with DATABASE_URL and KAFKA_BROKERS. */
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { setProcessMemory } from '../../engine/memory/process-memory.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { openStreamDatabase, publishEmptyVersion } from '../../test/stream/stream-fixture.ts';
import { statusMb, watchMemory } from '../../test/memory/peak-memory.ts';
import { streamView } from './stream-topics.ts';

const [topic = '', memoryMb = ''] = process.argv.slice(2);
setProcessMemory(Number(memoryMb));
const view = await streamView(topic);
const database = await openStreamDatabase(process.env['DATABASE_URL'] ?? '');
const pool = createPool(database.databaseUrl, { max: 4 });
const reader = createKafkaLogReader({ brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','), clientId: 'bench' });
const version = await publishEmptyVersion(pool, view, await reader.bounds(topic));
const idleMb = statusMb('VmRSS');
const watch = watchMemory();
const started = performance.now();
const { records, applied } = await runStream({
  view,
  version,
  pool,
  reader,
  until: 'present-end',
  clock: systemClock,
  fence: { generation: 1, attemptMs: 1, owner: 'bench' },
  onProgress: ({ records: so, memory }) =>
    process.stderr.write(`${so} ${statusMb('VmRSS')} ${JSON.stringify(memory)}\n`),
});
const seconds = Math.round((performance.now() - started) / 100) / 10;
const peak = watch.peak();
await reader.close();
await pool.end();
await database.close();
process.stdout.write(`${JSON.stringify({ idleMb, ...peak, seconds, records, applied })}\n`);
