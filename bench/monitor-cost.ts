/**
 * What monitors add to an archiver's work per record: the same records into a buffer of DuckDB's and out as Parquet, with and without gathering, by turns in one process.
 * CPU time of the whole process. Needs no services: `node bench/monitor-cost.ts [RECORDS [RECORDS-PER-HOUR]]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { ArchiveBuffer } from '../engine/archive/archive-buffer.ts';
import { archiveColumns } from '../engine/archive/archive-columns.ts';
import { ArchiveMemory } from '../engine/archive/archive-memory.ts';
import { writeDraft } from '../engine/archive/parquet-file.ts';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { processMemory } from '../engine/memory/process-memory.ts';
import { fieldLexicons, RecordGatherer } from '../engine/monitors/gather-records.ts';
import { source } from '../index.ts';

const RECORDS = Number(process.argv[2] ?? 200_000);
const PER_HOUR = Number(process.argv[3] ?? 200_000);
const TURNS = 4;
const PARTITIONS = 6;

const flights = source('flights', {
  schema: z.object({
    flight_id: z.string(),
    date: z.iso.datetime(),
    carrier: z.string(),
    origin: z.string(),
    destination: z.string(),
    delay: z.int().nullable(),
    distance: z.int(),
    fare: z.number(),
    seats: z.int(),
    cancelled: z.boolean(),
  }),
  eventTime: 'date',
  eventId: 'flight_id',
  topic: 'flights',
  maxAhead: false,
  segments: ['origin', 'carrier'],
});
const { sources } = await compileDefinitions(definitionsInMemory([flights], '/'));
const compiled = sources.get('flights')!;

/** Flights from 300 airports, few of them large. */
const records = Array.from({ length: RECORDS }, (_, index) => {
  const draw = (index * 2_654_435_761) % 4_294_967_296;
  const airport = Math.floor(300 * (draw / 4_294_967_296) ** 3);
  const atMs = Date.UTC(2026, 0, 1) + Math.floor((index * 3_600_000) / PER_HOUR);
  const value = {
    flight_id: `f${index}`,
    date: new Date(atMs).toISOString(),
    carrier: `C${draw % 14}`,
    origin: `A${airport}`,
    destination: `A${(draw >>> 8) % 300}`,
    delay: draw % 40 === 0 ? null : (draw % 97) - 20,
    distance: 100 + ((draw >>> 4) % 2400),
    fare: ((draw >>> 2) % 100_000) / 100,
    seats: 50 + (draw % 30) * 10,
    cancelled: draw % 50 === 0,
  };
  return {
    partition: index % PARTITIONS,
    offset: Math.floor(index / PARTITIONS),
    timestampUs: atMs * 1000,
    key: null,
    value: Buffer.from(JSON.stringify(value)),
  };
});
const byPartition = [...Map.groupBy(records, ({ partition }) => partition).values()];

const folder = mkdtempSync(join(tmpdir(), 'millrace-monitor-cost-'));
const duckdb = await openDuckDb({ memory: processMemory(), tempDir: folder });
const lexicons = fieldLexicons(compiled);
const used: Record<'without' | 'with', number[]> = { without: [], with: [] };
let stateBytes = 0;

async function archiveOnce(monitored: boolean, turn: number): Promise<number> {
  const memory = await ArchiveMemory.reserve(processMemory(), 'bench', 0, {});
  const before = process.cpuUsage();
  const starts = byPartition.map((_, partition) => ({
    partition,
    nextOffset: 0,
    endOffset: RECORDS,
    highWatermark: RECORDS,
  }));
  const gatherer = monitored ? new RecordGatherer(compiled, { lexicons }) : null;
  const columns = archiveColumns(compiled);
  const buffer = await ArchiveBuffer.open(duckdb, compiled.contract, columns, starts, 0, memory.stage(), gatherer);
  const stride = 500;
  for (let from = 0; from < records.length / PARTITIONS; from += stride) {
    for (const [partition, of] of byPartition.entries()) {
      const some = of.slice(from, from + stride);
      if (some.length === 0) continue;
      const nextOffset = from + some.length;
      buffer.add({ partition, records: some, nextOffset, endOffset: RECORDS, highWatermark: RECORDS });
    }
  }
  const parts = buffer.told();
  stateBytes = parts.reduce((sum, { state }) => sum + state.length, 0) || stateBytes;
  buffer.seal();
  const metadata = { source: 'flights', topic: 'flights', clusterId: 'c', ranges: [] };
  await writeDraft(duckdb, folder, `${monitored}-${turn}.parquet`, buffer.select(), metadata);
  const { user, system } = process.cpuUsage(before);
  buffer.staged.release();
  await duckdb.run(`DROP TABLE ${buffer.table}`);
  memory.release();
  return user + system;
}

for (let turn = 0; turn < TURNS; turn++)
  for (const way of turn % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
    const us = await archiveOnce(way === 'with', turn);
    // The first turn warms up.
    if (turn > 0) used[way].push(us / RECORDS);
  }
await duckdb.close();
rmSync(folder, { recursive: true, force: true });
const least = (of: readonly number[]): number => Math.min(...of);
const [without, withThem] = [least(used.without), least(used.with)];
console.log(
  JSON.stringify({
    records: RECORDS,
    perHour: PER_HOUR,
    withoutUs: without,
    withUs: withThem,
    ratio: withThem / without,
    stateBytesPerHour: stateBytes / Math.max(1, RECORDS / PER_HOUR),
  }),
);
