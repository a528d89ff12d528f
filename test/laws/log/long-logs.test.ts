import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DuckDb, openDuckDb } from '../../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../../engine/history/history-listing.ts';
import { type LogScan, scanLog } from '../../../engine/log/scan-log.ts';
import { takeCut } from '../../../engine/topic/cut.ts';
import { randomVisits } from '../../oracle/random-visits.ts';
import { oracleLog, overlaps } from '../../oracle/source-log.ts';
import { oracleLogOf, type VisitLog, visitSource } from '../../oracle/visits.ts';
import { createMemoryLogReader } from '../../stream/memory-log.ts';
import { lawRuns, lawSeed } from '../law-seed.ts';
import { VISITS_TOPIC, visitsView } from './visit-definitions.ts';
import { appendVisits, emptyTopic, type VisitFormat, writeVisits } from './visit-files.ts';

let folder: string;
let duckdb: DuckDb;
let folders = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-long-logs-'));
  duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

type Order = 'any' | 'newest-first' | 'event-time';

async function scanOf(log: VisitLog, format: VisitFormat, order: Order, disjoint: boolean): Promise<LogScan> {
  const path = await writeVisits(duckdb, join(folder, `h${++folders}`), log, format);
  const { source } = await visitsView(log.settings, path);
  const history = source.history === null ? null : { ...source.history, disjoint };
  const broker = emptyTopic(log);
  appendVisits(broker, log.steps);
  const reader = createMemoryLogReader(broker, () => 700);
  const clock = { nowUs: () => log.gUs, monotonicMs: () => 0 };
  const cut = await takeCut(reader, VISITS_TOPIC, clock);
  const listings = listingsOfProcess(clock);
  return scanLog({ source: { ...source, history }, cut, reader, duckdb, listings, order });
}

/** A batch over the whole log: which records are events, at what times, and where it leaves the partitions. */
async function expectScan(log: VisitLog, format: VisitFormat, order: Order): Promise<void> {
  const scan = await scanOf(log, format, order, true);
  const events: string[] = [];
  let lastUs = Number.NEGATIVE_INFINITY;
  for await (const batch of scan.batches()) {
    for (const { partition, offset, eventTimeUs } of batch) {
      events.push(`${partition}/${offset}@${eventTimeUs}`);
      if (order === 'event-time') expect(eventTimeUs).toBeGreaterThanOrEqual(lastUs);
      lastUs = eventTimeUs;
    }
  }

  const { steps, history, progress } = oracleLog(visitSource(log.settings), oracleLogOf(log));
  const of = (name: string) => steps.filter(({ outcome }) => outcome === name);
  const expected = of('event').map(({ partition, offset, eventTimeUs }) => `${partition}/${offset}@${eventTimeUs}`);
  expect(events.toSorted()).toEqual(expected.toSorted());
  const { counts, partitions, history: figures } = scan.figures;
  expect(counts).toMatchObject({
    records: steps.length,
    tombstones: of('tombstone').length,
    invalid: of('invalid').length,
    outsideUntil: of('outside-until').length,
    duplicates: of('duplicate').length,
    undeduped: steps.filter(({ undeduped }) => undeduped).length,
  });
  const known = (us: number) => (Number.isFinite(us) ? us : null);
  expect(figures!.newestEventTimeUs).toBe(known(history.watermarkUs));
  expect(partitions.map(({ partition, watermarkUs }) => [partition, watermarkUs])).toEqual(
    partitions.map(({ partition }) => [partition, known((progress.get(partition) ?? history).watermarkUs)]),
  );
}

const ways = fc.record({
  order: fc.constantFrom<Order>('any', 'newest-first', 'event-time'),
  format: fc.constantFrom<VisitFormat>('jsonl', 'parquet'),
});
test.for([
  ['many short logs', { historyRows: 60, topicRecords: 80, partitions: 3 }, 60],
  ['logs of thousands of records', { historyRows: 3000, topicRecords: 4000, partitions: 4, ids: 700, full: true }, 6],
  ['few ids, often repeated', { historyRows: 4000, topicRecords: 2000, partitions: 2, ids: 5, full: true }, 4],
] as const)(`a batch decides every record as the oracle does: %s (seed ${lawSeed})`, async ([, size, runs]) => {
  await fc.assert(
    fc.asyncProperty(randomVisits(size), ways, async (log, way) => {
      await expectScan(log, way.format, way.order);
    }),
    {
      ...lawRuns(runs),
      endOnFailure: true,
    },
  );
});

test(`a history that ends after its topic begins is refused as the oracle says (seed ${lawSeed})`, async () => {
  const sizes = [
    { historyRows: 6, topicRecords: 6, partitions: 2 },
    { historyRows: 3, topicRecords: 20, partitions: 3 },
  ];
  const logs = fc.oneof(...sizes.map((size) => randomVisits({ ...size, settings: { untilUs: null } })));
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(logs, ways, async (log, way) => {
      const scan = await scanOf(log, way.format, way.order, false);
      const read = async (): Promise<void> => {
        for await (const _ of scan.batches());
      };
      if (overlaps(oracleLog(visitSource(log.settings), oracleLogOf(log)))) {
        refused++;
        await expect(read()).rejects.toMatchObject({ code: 'history-overlaps-topic' });
      } else {
        await read();
      }
    }),
    { ...lawRuns(150), endOnFailure: true },
  );
  expect(refused).toBeGreaterThan(10);
});
