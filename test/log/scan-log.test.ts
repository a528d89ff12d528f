import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompiledSource, LogEvent } from '../../engine/define/compiled-view.ts';
import { recordDigest } from '../../engine/topic/anchor.ts';
import { type Cut, takeCut } from '../../engine/topic/cut.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { HistoryIds, PartitionDedupe } from '../../engine/admission/partition-dedupe.ts';
import { type LogScanFigures, scanLog } from '../../engine/log/scan-log.ts';
import type { InvalidRecord } from '../../engine/admission/invalid-record.ts';
import { TopicPipeline } from '../../engine/topic/topic-pipeline.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { kindOf } from '../oracle/source-log.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import {
  type Order,
  type OrderRecord,
  order,
  orderBytes,
  orderOutcomes,
  orderSource,
  someOrders,
  writeHistory,
} from './orders.ts';

const clock = { nowUs: () => 1_000_000, monotonicMs: () => 0 };

let folder: string;
let duckdb: DuckDb;
let folders = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-scan-log-'));
  duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

interface Scanned {
  readonly events: LogEvent[];
  readonly invalid: InvalidRecord[];
  readonly figures: LogScanFigures;
}

async function scanned(
  source: CompiledSource,
  broker: MemoryBroker,
  cut: Cut | null,
  scanOrder: 'any' | 'event-time',
  signal?: AbortSignal,
): Promise<Scanned> {
  const invalid: InvalidRecord[] = [];
  const scan = scanLog({
    source,
    cut,
    reader: createMemoryLogReader(broker, () => 3),
    duckdb,
    listings: listingsOfProcess(systemClock),
    order: scanOrder,
    signal,
    onInvalid: (record) => invalid.push(record),
  });
  const events: LogEvent[] = [];
  for await (const batch of scan.batches()) for (const event of batch) events.push({ ...event, row: { ...event.row } });
  return { events, invalid, figures: scan.figures };
}

/** Orders dealt to partitions, some as tombstones, with control records between. */
function topicOf(rows: readonly Order[], partitions: number): { broker: MemoryBroker; records: OrderRecord[] } {
  const broker = new MemoryBroker();
  broker.createTopic('orders', partitions);
  const records: OrderRecord[] = [];
  for (const [index, row] of rows.entries()) {
    const partition = index % partitions;
    if (index % 9 === 4) broker.appendControl('orders', partition);
    const offset = broker.bounds('orders').partitions[partition]!.endOffset;
    const isTombstone = index % 8 === 5;
    const timestampUs = index % 10 === 7 ? row.atUs - 2 * 3_600_000_000 : row.atUs;
    broker.append('orders', partition, [{ value: isTombstone ? null : orderBytes(row), timestampUs }]);
    records.push({ partition, offset, timestampUs, row: isTombstone ? null : row });
  }
  return { broker, records };
}

const place = ({ partition, offset }: { partition: number; offset: number }): string => `${partition}/${offset}`;

describe('scanLog', () => {
  it('gives history and topic up to any cut as the oracle does, and leaves the stream where the oracle goes on', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.option(fc.array(someOrders(15), { minLength: 1, maxLength: 2 }), { nil: null }),
        someOrders(40),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 40 }),
        fc.option(fc.integer({ min: -900, max: 900 }), { nil: null }),
        fc.constantFrom('parquet' as const, 'jsonl' as const, 'csv' as const),
        fc.constantFrom('any' as const, 'event-time' as const),
        fc.boolean(),
        async (parts, rows, partitions, cutAt, untilMinutes, format, scanOrder, hasIds) => {
          const untilUs = untilMinutes === null ? null : untilMinutes * 60_000_000;
          const path =
            parts === null ? null : await writeHistory(duckdb, join(folder, `h-${++folders}`), format, parts);
          const source = orderSource({
            history: path === null ? null : { path, untilUs, disjoint: true },
            eventIdField: hasIds ? 'id' : null,
          });
          const before = topicOf(rows.slice(0, cutAt), partitions);
          const cut = await takeCut(createMemoryLogReader(before.broker), 'orders', clock);
          const { broker, records } = topicOf(rows, partitions);
          const ends = new Map(cut.partitions.map(({ partition, endOffset }) => [partition, endOffset]));
          const { steps } = orderOutcomes(source, parts?.flat() ?? [], records);
          const inBatch = steps.filter(({ partition, offset }) => partition < 0 || offset < ends.get(partition)!);
          const { events, invalid, figures } = await scanned(source, broker, cut, scanOrder);

          const expected = inBatch.filter(({ outcome }) => outcome === 'event');
          expect(events.map(place).toSorted()).toEqual(expected.map(place).toSorted());
          const timeOf = new Map(expected.map((step) => [place(step), step.eventTimeUs]));
          expect(events.every((event) => timeOf.get(place(event)) === event.eventTimeUs)).toBe(true);
          if (scanOrder === 'event-time') {
            const times = events.map(({ eventTimeUs }) => eventTimeUs);
            expect(times).toEqual(times.toSorted((a, b) => a - b));
          }
          const count = (outcome: string): number => inBatch.filter((step) => kindOf(step) === outcome).length;
          expect(figures.counts).toMatchObject({
            records: inBatch.length,
            tombstones: count('tombstone'),
            invalid: count('invalid'),
            outsideUntil: count('outside-until'),
            duplicates: count('duplicate'),
            undeduped: count('undeduped'),
          });
          expect(invalid).toHaveLength(count('invalid'));

          // The stream, as it starts from what the scan left.
          const history = new HistoryIds([figures.history?.horizonIds ?? new Uint8Array(0)]);
          for (const part of figures.partitions) {
            const own = records.filter(({ partition }) => partition === part.partition);
            const last = own.filter(({ offset }) => offset < part.endOffset).at(-1);
            expect(part.anchor?.offset ?? null).toBe(last?.offset ?? null);
            if (last !== undefined) {
              const held = broker.recordAt('orders', last.partition, last.offset)!;
              expect(part.anchor!.digest).toEqual(recordDigest(held));
            }
            const dedupe = new PartitionDedupe(source.dedupeHorizonUs, history);
            dedupe.load(part.dedupeIds);
            const pipeline = new TopicPipeline(source, part.partition, dedupe, { ...part, historyNewestUs: null });
            for (const { offset } of own.filter((record) => record.offset >= part.endOffset)) {
              const outcome = pipeline.step(broker.recordAt('orders', part.partition, offset)!);
              const step = steps.find((each) => each.partition === part.partition && each.offset === offset)!;
              expect(outcome.kind).toBe(kindOf(step));
            }
          }
        },
      ),
      lawRuns(80),
    );
  });

  it('refuses records that retention took before or during the read, naming them', async () => {
    const { broker } = topicOf(
      Array.from({ length: 40 }, (_, n) => order(`o-${n}`, n, n)),
      2,
    );
    const cut = await takeCut(createMemoryLogReader(broker), 'orders', clock);
    broker.deleteBefore('orders', 1, 10);
    await expect(scanned(orderSource(), broker, cut, 'any')).rejects.toMatchObject({
      code: 'offsets-gone',
      message: expect.stringMatching(/orders, partition 1: records 0 to 9 were deleted/),
    });
    const later = topicOf(
      Array.from({ length: 40 }, (_, n) => order(`o-${n}`, n, n)),
      1,
    ).broker;
    const wholeCut = await takeCut(createMemoryLogReader(later), 'orders', clock);
    const scan = scanLog({
      source: orderSource(),
      cut: wholeCut,
      reader: createMemoryLogReader(later, () => 3),
      duckdb,
      listings: listingsOfProcess(systemClock),
      order: 'any',
    });
    const batches = scan.batches()[Symbol.asyncIterator]();
    await batches.next();
    later.deleteBefore('orders', 0, 30);
    const rest = async (): Promise<void> => {
      while ((await batches.next()).done !== true);
    };
    await expect(rest()).rejects.toMatchObject({ code: 'offsets-gone', details: { partition: 0, low: 30 } });
  });

  it('starts at the low offset where retention had taken records before the cut', async () => {
    const { broker } = topicOf(
      Array.from({ length: 20 }, (_, n) => order(`o-${n}`, n, n)),
      1,
    );
    broker.deleteBefore('orders', 0, 8);
    const cut = await takeCut(createMemoryLogReader(broker), 'orders', clock);
    const { figures } = await scanned(orderSource(), broker, cut, 'any');
    expect(figures.partitions[0]).toMatchObject({ lowOffset: 8 });
    expect(figures.counts.records).toBe(broker.slice('orders', 0, 8, 100).records.length);
  });

  it('refuses a topic of another cluster, and one made again', async () => {
    const rows = Array.from({ length: 20 }, (_, n) => order(`o-${n}`, n, n));
    const { broker } = topicOf(rows, 2);
    const cut = await takeCut(createMemoryLogReader(broker), 'orders', clock);
    const shorter = topicOf(rows.slice(0, 4), 2).broker;
    await expect(scanned(orderSource(), shorter, cut, 'any')).rejects.toMatchObject({ code: 'topic-recreated' });
    broker.clusterId = 'another';
    await expect(scanned(orderSource(), broker, cut, 'any')).rejects.toMatchObject({ code: 'topic-recreated' });
  });

  it('ends with the signal’s reason, in either order', async () => {
    const { broker } = topicOf(
      Array.from({ length: 40 }, (_, n) => order(`o-${n}`, n, n)),
      1,
    );
    const cut = await takeCut(createMemoryLogReader(broker), 'orders', clock);
    for (const scanOrder of ['any', 'event-time'] as const) {
      const abort = AbortSignal.abort(new Error('stop here'));
      await expect(scanned(orderSource(), broker, cut, scanOrder, abort)).rejects.toThrow('stop here');
    }
  });
});
