import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { runArchive } from '../../engine/archive/run-archive.ts';
import type { ArchiveResult, RunArchiveOptions } from '../../engine/archive/archive-options.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { LogReader, RawRecord } from '../../engine/topic/log-reader.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { createMemoryLogReader, MemoryBroker, type NewRecord } from '../stream/memory-log.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';

/** A database, a folder and a broker in memory. */
export interface ArchiveWorld {
  readonly pool: pg.Pool;
  readonly archiveDir: string;
  readonly broker: MemoryBroker;
  readonly topic: string;
  readonly source: CompiledSource;
  /** The topic's own reader. */
  readonly reader: LogReader;
  /** The reader that goes on into the archive. */
  readonly archived: LogReader;
  /** Archives up to the present end. */
  archive(options?: Partial<RunArchiveOptions>): Promise<ArchiveResult>;
  close(): Promise<void>;
}

let generation = 0;

export async function openArchiveWorld(
  databaseUrl: string,
  options: { partitions?: number; source?: Partial<CompiledSource>; batchSize?: () => number } = {},
): Promise<ArchiveWorld> {
  const database = await openStreamDatabase(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'));
  const archiveDir = join(folder, 'archive');
  const broker = new MemoryBroker();
  const topic = 'purchases';
  broker.createTopic(topic, options.partitions ?? 2);
  const { source } = spendingView({ topic, ...(options.source === undefined ? {} : { source: options.source }) });
  const reader = createMemoryLogReader(broker, options.batchSize ?? (() => 64));
  const archived = withArchive(createMemoryLogReader(broker, options.batchSize ?? (() => 64)), {
    pool: database.pool,
    archiveDir,
    duckdbTempDir: join(folder, 'duckdb'),
  });
  return {
    pool: database.pool,
    archiveDir,
    broker,
    topic,
    source,
    reader,
    archived,
    archive: (more = {}) =>
      runArchive({
        source,
        reader,
        pool: database.pool,
        archiveDir,
        until: 'present-end',
        clock: systemClock,
        fence: nextFence(),
        ...more,
      }),
    close: async () => {
      await archived.close();
      await reader.close();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A token newer than all before. */
export function nextFence(): RunArchiveOptions['fence'] {
  generation += 1;
  return { generation, attemptMs: 1, owner: `archiver-${generation}` };
}

/** A purchase as a record, with a key now and then; every 7th value is not valid, every 11th a tombstone. */
export function purchase(index: number): NewRecord {
  const key = index % 3 === 0 ? Buffer.from(`customer-${index % 5}`) : null;
  const timestampUs = 1_700_000_000_000_000 + index * 1_000;
  if (index % 11 === 10) return { key, value: null, timestampUs };
  if (index % 7 === 6) return { key, value: Buffer.from(`{"id": ${index}, broken \u0000`), timestampUs };
  const at = new Date(1_700_000_000_000 + index * 1_000).toISOString();
  const value = purchaseBytes({ id: `p${index}`, at, customer: `customer-${index % 5}`, amount: index % 40 });
  return { key, value, timestampUs };
}

/** Purchases `from` to `until` into a partition. */
export function appendPurchases(
  broker: MemoryBroker,
  topic: string,
  partition: number,
  from: number,
  until: number,
): void {
  broker.append(
    topic,
    partition,
    Array.from({ length: until - from }, (_, index) => purchase(from + index)),
  );
}

/** All records from the positions to the ends, per partition; checks that offsets ascend and batches meet. */
export async function readBetween(
  reader: LogReader,
  topic: string,
  starts: readonly number[],
  ends: readonly number[],
): Promise<RawRecord[][]> {
  const seen: RawRecord[][] = starts.map(() => []);
  const next = [...starts];
  const read = reader.read({ topic, positions: new Map(starts.entries()), ends: new Map(ends.entries()) });
  for await (const { partition, records, nextOffset } of read) {
    for (const record of records) {
      if (record.offset < next[partition]! || record.offset >= nextOffset || record.partition !== partition)
        throw new Error(
          `partition ${partition}: offset ${record.offset} of a batch from ${next[partition]} to ${nextOffset}`,
        );
      next[partition] = record.offset + 1;
      seen[partition]!.push(record);
    }
    next[partition] = nextOffset;
  }
  return seen;
}

/** A record as text, to compare every byte of it. */
export function asText(record: RawRecord): string {
  const hex = (bytes: Uint8Array | null): string => (bytes === null ? 'null' : Buffer.from(bytes).toString('hex'));
  return `${record.partition} ${record.offset} ${record.timestampUs} ${hex(record.key)} ${hex(record.value)}`;
}
