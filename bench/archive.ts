/*
 * What an archive costs: `node bench/archive.ts [records]`. Records of about 150 bytes of JSON in 4 partitions, read from memory, so that what is
 * measured is archiving (decode, Parquet, sync, hash, commit) and reading back, and not Kafka. Prints one JSON object.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { archiveStatus } from '../engine/archive/archive-status.ts';
import { withArchive } from '../engine/archive/archived-log-reader.ts';
import { compactArchive } from '../engine/archive/compact-archive.ts';
import { runArchive } from '../engine/archive/run-archive.ts';
import { compileContract } from '../engine/contract/compile-contract.ts';
import type { CompiledSource } from '../engine/define/compiled-view.ts';
import { systemClock } from '../engine/values/clock.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import type { LogReader, RawRecord } from '../engine/topic/log-reader.ts';
import { migrateToLatest } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { createTestDatabase, startTestStack } from '../stack/test-stack.ts';

const PARTITIONS = 4;
const RUN_RECORDS = 10_000;
const total = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 1_000_000);
const perPartition = Math.floor(total / PARTITIONS);

const schema = z.object({
  flight_id: z.string(),
  date: z.iso.datetime({ local: true }),
  origin: z.string(),
  destination: z.string(),
  delay: z.int().nullable(),
  distance: z.int(),
});

const airports = ['LAS', 'PHL', 'JFK', 'SFO', 'ORD', 'ATL', 'DFW', 'SEA', 'BOS', 'MIA'];

function flight(partition: number, offset: number): RawRecord {
  const n = offset * PARTITIONS + partition;
  const value = JSON.stringify({
    flight_id: `F-${n}-${(n * 2654435761) % 4294967296}`,
    date: new Date(991_353_600_000 + n * 1000).toISOString(),
    origin: airports[(n * 7) % 10],
    destination: airports[(n * 13 + 3) % 10],
    delay: n % 50 === 0 ? null : ((n * 31) % 200) - 20,
    distance: 100 + ((n * 17) % 2500),
  });
  return {
    partition,
    offset,
    timestampUs: 1_700_000_000_000_000 + n * 1000,
    key: Buffer.from(airports[(n * 7) % 10]!),
    value: Buffer.from(value),
  };
}

/** A topic in memory; once `isGone`, it holds nothing any more. */
function memoryTopic(topic: string): { reader: LogReader; forget(): void; bytes: number } {
  const records = Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: perPartition }, (_, offset) => flight(partition, offset)),
  );
  const bytes = records.flat().reduce((sum, { key, value }) => sum + key!.length + value!.length, 0);
  let isGone = false;
  const reader: LogReader = {
    bounds: async () => ({
      topic,
      clusterId: 'memory',
      partitions: records.map((_, partition) => ({
        partition,
        lowOffset: isGone ? perPartition : 0,
        endOffset: perPartition,
      })),
    }),
    read: async function* ({ positions, ends }) {
      for (let from = 0; from < perPartition; from += RUN_RECORDS)
        for (const [partition, position] of positions) {
          const until = Math.min(from + RUN_RECORDS, ends?.get(partition) ?? perPartition);
          if (until <= Math.max(from, position)) continue;
          const run = records[partition]!.slice(Math.max(from, position), until);
          yield { partition, records: run, nextOffset: until, endOffset: perPartition };
        }
    },
    recordAt: async (_topic, partition, offset) => (isGone ? null : (records[partition]![offset] ?? null)),
    reportOffsets: async () => undefined,
    close: async () => undefined,
  };
  return {
    reader,
    bytes,
    forget: () => {
      isGone = true;
      for (const each of records) each.length = 0;
    },
  };
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number; cpuSeconds: number }> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { result, seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

const own = process.env['DATABASE_URL'] === undefined ? await startTestStack() : null;
const databaseServer = own?.databaseUrl ?? process.env['DATABASE_URL']!;
const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-archive-'));
const database = await createTestDatabase(databaseServer);
const pool = createPool(database.databaseUrl);
try {
  await migrateToLatest(database.databaseUrl);
  const topic = 'flights';
  const source: CompiledSource = {
    name: 'flights',
    contract: compileContract(schema),
    eventTimeField: 'date',
    eventIdField: 'flight_id',
    topic,
    history: null,
    dedupeHorizonUs: 0,
    maxAheadUs: 0,
    brokerTime: 'record',
    invalidLimit: { rate: 1, window: 1 },
  };
  const memory = memoryTopic(topic);
  const archiveDir = join(folder, 'archive');
  const written = await timed(() =>
    runArchive({
      source,
      reader: memory.reader,
      pool,
      archiveDir,
      fence: { generation: 1, attemptMs: 1, owner: 'bench' },
      until: 'present-end',
      clock: systemClock,
    }),
  );
  const { files, rows, sizeBytes } = await archiveStatus({ pool, source, reader: null });
  const rawOnly = await rawOnlyBytes(archiveDir);
  memory.forget();
  const read = async (): Promise<number> => {
    const reader = withArchive(memory.reader, { pool, archiveDir, duckdbTempDir: join(folder, 'duckdb') });
    let records = 0;
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    const ends = new Map(partitions.map((partition) => [partition, perPartition]));
    for await (const batch of reader.read({ topic, positions: new Map(partitions.map((p) => [p, 0])), ends }))
      records += batch.records.length;
    await reader.close();
    return records;
  };
  const first = await timed(read);
  const again = await timed(read);
  const compacted = await timed(() =>
    compactArchive({ source: 'flights', pool, archiveDir, clock: systemClock, minFiles: 2 }),
  );
  const figures = {
    records: rows,
    rawBytesPerRecord: memory.bytes / rows,
    files,
    fileBytesPerRecord: sizeBytes / rows,
    rawOnlyFileBytesPerRecord: rawOnly / rows,
    archivedPerSecond: rows / written.seconds,
    archiveCpuSeconds: written.cpuSeconds,
    readPerSecondFirst: first.result / first.seconds,
    readPerSecond: again.result / again.seconds,
    readCpuSeconds: again.cpuSeconds,
    compactedPerSecond: rows / compacted.seconds,
    compactedFiles: compacted.result.merged,
  };
  console.log(JSON.stringify({ bench: 'archive', ...figures }));
} finally {
  await pool.end();
  await database.drop();
  await own?.stop();
  await rm(folder, { recursive: true, force: true });
}

/** What the same files would take with the record alone, without the contract's columns. */
async function rawOnlyBytes(archiveDir: string): Promise<number> {
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: join(folder, 'raw') });
  try {
    const out = join(folder, 'raw-only.parquet');
    await duckdb.run(
      `COPY (SELECT partition, "offset", broker_timestamp, key, value FROM read_parquet('${archiveDir}/flights/*.parquet') ORDER BY ALL)
       TO '${out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)`,
    );
    const [row] = await duckdb.query<{ bytes: bigint }>(`SELECT size AS bytes FROM read_blob('${out}')`);
    return Number(row?.bytes ?? 0);
  } finally {
    await duckdb.close();
  }
}
