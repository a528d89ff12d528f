/** One row of the topics' part of the memory table, in a process of its own: topic-child.ts WORK TOPIC MB, with DATABASE_URL and KAFKA_BROKERS. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { runArchive } from '../../engine/archive/run-archive.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { setProcessMemory } from '../../engine/memory/process-memory.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { openStreamDatabase, publishEmptyVersion } from '../../test/stream/stream-fixture.ts';
import { watchMemory } from '../../test/memory/peak-memory.ts';
import { streamView } from './stream-topics.ts';

const fence = { generation: 1, attemptMs: 1, owner: 'bench' };

async function stream(view: CompiledView, pool: pg.Pool, reader: LogReader): Promise<string> {
  const version = await publishEmptyVersion(pool, view, await reader.bounds(view.source.topic!));
  const { records } = await runStream({
    view,
    version,
    pool,
    reader,
    until: 'present-end',
    clock: systemClock,
    fence,
  });
  return `${records} records`;
}

async function archive({ source }: CompiledView, pool: pg.Pool, reader: LogReader): Promise<string> {
  const archiveDir = await mkdtemp(join(tmpdir(), 'millrace-bench-archive-'));
  try {
    const options = { source, pool, reader, archiveDir, until: 'present-end', clock: systemClock, fence } as const;
    const { records, files } = await runArchive(options);
    return `${records} records, ${files} files`;
  } finally {
    await rm(archiveDir, { recursive: true, force: true });
  }
}

const [work = '', topic = '', memoryMb = ''] = process.argv.slice(2);
const does = { stream, archive }[work];
if (does === undefined) throw new Error(`no work "${work}"`);
setProcessMemory(Number(memoryMb));
const view = await streamView(topic);
const database = await openStreamDatabase(process.env['DATABASE_URL'] ?? '');
const pool = createPool(database.databaseUrl, { max: 4 });
const reader = createKafkaLogReader({ brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','), clientId: 'bench' });
const watch = watchMemory();
const started = performance.now();
const did = await does(view, pool, reader);
const seconds = Math.round((performance.now() - started) / 100) / 10;
const peak = watch.peak();
await reader.close();
await pool.end();
await database.close();
process.stdout.write(`${JSON.stringify({ ...peak, seconds, did })}\n`);
