import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CompiledSource, LogEvent } from '../../engine/define/compiled-view.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import type { HistoryFigures } from '../../engine/history/history-ledger.ts';
import type { ScanOrder } from '../../engine/history/history-run.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { HistoryIds } from '../../engine/admission/partition-dedupe.ts';
import { repeatedHashes } from '../../engine/history/repeated-hashes.ts';
import { hashId, PACKED_ID_BYTES } from '../../engine/admission/id-hash.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { knownIds, type OracleOutcomes } from '../oracle/source-log.ts';
import {
  type FileFormat,
  type Order,
  orderOutcomes,
  order,
  orderRow,
  orderSource,
  someOrders,
  writeHistory,
} from './orders.ts';

const MINUTE_US = 60_000_000;
const FORMATS: readonly FileFormat[] = ['parquet', 'csv', 'jsonl', 'jsonl.gz'];

let folder: string;
let duckdb: DuckDb;
let folders = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-history-'));
  duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

const listings = listingsOfProcess(systemClock);
const nextFolder = (): string => join(folder, `history-${++folders}`);

interface Scanned {
  readonly events: LogEvent[];
  readonly invalid: { position: number; file: string; reasons: readonly string[]; payload: string }[];
  readonly figures: HistoryFigures;
}

async function scanned(source: CompiledSource, order: ScanOrder = 'any', sliceRows?: number): Promise<Scanned> {
  const invalid: Scanned['invalid'] = [];
  const scan = scanHistory({
    source,
    order,
    duckdb,
    listings,
    sliceRows,
    onInvalid: (position, file, reasons, payload) => invalid.push({ position, file, reasons, payload }),
  });
  const events: LogEvent[] = [];
  for await (const batch of scan) for (const event of batch) events.push({ ...event, row: { ...event.row } });
  return { events, invalid, figures: scan.figures };
}

function historyOf(path: string, options: Partial<CompiledSource> = {}, untilUs: number | null = null): CompiledSource {
  return orderSource({ history: { path, untilUs, disjoint: true }, ...options });
}

const byOffset = (a: { offset: number }, b: { offset: number }): number => a.offset - b.offset;

describe('scanHistory', () => {
  it('gives the oracle’s events, counts and ids, for every format, split into files, with or without until and ids', async () => {
    const files = fc.array(someOrders(25), { minLength: 1, maxLength: 3 });
    const until = fc.option(fc.integer({ min: -1800, max: 1800 }), { nil: null });
    await fc.assert(
      fc.asyncProperty(
        files,
        until,
        fc.constantFrom(...FORMATS),
        fc.boolean(),
        fc.constantFrom('any' as const, 'newest-first' as const, 'event-time' as const),
        async (parts, untilMinutes, format, hasIds, scanOrder) => {
          const path = await writeHistory(duckdb, nextFolder(), format, parts);
          const untilUs = untilMinutes === null ? null : untilMinutes * MINUTE_US;
          const source = historyOf(path, hasIds ? {} : { eventIdField: null }, untilUs);
          const outcomes = orderOutcomes(source, parts.flat(), []);
          const { steps } = outcomes;
          const { events, invalid, figures } = await scanned(source, scanOrder);
          const expected = steps.filter(({ outcome }) => outcome === 'event');
          expect(events.toSorted(byOffset)).toEqual(
            expected.map(({ row, eventTimeUs, id, partition, offset }) => ({
              row: orderRow(row!),
              eventTimeUs,
              id: hasIds ? id : null,
              partition,
              offset,
              number: offset,
            })),
          );
          if (scanOrder === 'event-time') {
            const sorted = events.toSorted((a, b) => a.eventTimeUs - b.eventTimeUs || a.offset - b.offset);
            expect(events.map(({ offset }) => offset)).toEqual(sorted.map(({ offset }) => offset));
          }
          const of = (outcome: string): number[] =>
            steps.filter((step) => step.outcome === outcome).map(({ offset }) => offset);
          expect(invalid.map(({ position }) => position).toSorted((a, b) => a - b)).toEqual(of('invalid'));
          expect(figures.counts).toMatchObject({
            records: steps.length,
            invalid: of('invalid').length,
            outsideUntil: of('outside-until').length,
            duplicates: of('duplicate').length,
          });
          expect(figures.rows).toBe(steps.length);
          expect(figures.files.map(({ rows }) => rows)).toEqual(parts.map((rows) => rows.length));
          expectHorizon(figures, source, outcomes);
        },
      ),
      lawRuns(60),
    );
  });

  function expectHorizon(figures: HistoryFigures, source: CompiledSource, { history }: OracleOutcomes<Order>): void {
    const { watermarkUs } = history;
    expect(figures.newestEventTimeUs).toBe(Number.isFinite(watermarkUs) ? watermarkUs : null);
    const ids = new HistoryIds([figures.horizonIds]);
    const words = new Uint32Array(4);
    const known = knownIds(history, source.dedupeHorizonUs);
    expect(figures.horizonIds.length).toBe(known.size * PACKED_ID_BYTES);
    for (const [id, claimUs] of known) {
      hashId(String(id), words);
      expect([ids.has(words, claimUs), ids.has(words, claimUs + 1)]).toEqual([true, false]);
    }
  }

  it('gives the same rows for the same data in every format, each value of its kind', async () => {
    const parts = [0, 1, 2].map((part) =>
      Array.from({ length: 50 }, (_, n) => order(`o-${part}-${n}`, (n - 25) * MINUTE_US + n, part * 50 + n)),
    );
    const results = [];
    for (const format of FORMATS) {
      const { events, figures } = await scanned(historyOf(await writeHistory(duckdb, nextFolder(), format, parts)));
      expect(figures.counts.invalid).toBe(0);
      results.push(events);
    }
    expect(results[0]).toHaveLength(150);
    expect(results[0]![3]!.row).toEqual(orderRow(parts[0]![3]!));
    for (const events of results.slice(1)) expect(events).toEqual(results[0]);
  });

  it('says of an invalid row where it is, what is wrong, and what it was', async () => {
    const bad = order('bad', 5, 3, false);
    for (const format of FORMATS) {
      const path = await writeHistory(duckdb, nextFolder(), format, [[order('a', 1, 1)], [order('b', 2, 2), bad]]);
      const { invalid } = await scanned(historyOf(path));
      expect(invalid).toHaveLength(1);
      expect(invalid[0]!.position).toBe(2);
      expect(invalid[0]!.file).toContain(`part-1.${format}`);
      expect(invalid[0]!.reasons).toEqual([expect.stringContaining('amount')]);
      expect(JSON.parse(invalid[0]!.payload)).toMatchObject({
        id: 'bad',
        // A Parquet TIMESTAMP without the UTC flag has no zone to show.
        at: `1970-01-01T00:00:00.000005${format === 'parquet' ? '' : 'Z'}`,
      });
      expect(Number(JSON.parse(invalid[0]!.payload).amount)).toBe(-4);
    }
  });

  it('lets an invalid row claim no id, and finds a repeated id over many rows of one file', async () => {
    const rows = Array.from({ length: 6000 }, (_, n) => order(`o-${n % 5990}`, n * 1000, n, n !== 3));
    for (const format of ['parquet', 'csv', 'jsonl'] as const) {
      const source = historyOf(await writeHistory(duckdb, nextFolder(), format, [rows]));
      const { events, figures } = await scanned(source, 'event-time');
      expect(figures.counts).toMatchObject({ records: 6000, invalid: 1, duplicates: 9 });
      expect(events.find(({ id }) => id === 'o-3')?.offset).toBe(5993);
      expect(events.find(({ id }) => id === 'o-4')?.offset).toBe(4);
    }
  });

  it('reads ids that are numbers alike however a column writes them', async () => {
    const at = nextFolder();
    await mkdir(at, { recursive: true });
    await writeFile(
      join(at, 'a.csv'),
      'number,at\n7,1970-01-01T00:00:00Z\n7.0,1970-01-01T00:00:01Z\n07,1970-01-01T00:00:02Z\n',
    );
    const { z } = await import('zod');
    const { compileContract } = await import('../../engine/contract/compile-contract.ts');
    const contract = compileContract(z.object({ number: z.int(), at: z.iso.datetime() }));
    const { events, figures } = await scanned(historyOf(join(at, '*.csv'), { contract, eventIdField: 'number' }));
    expect(events.map(({ id, offset }) => [id, offset])).toEqual([['7', 0]]);
    expect(figures.counts).toMatchObject({ duplicates: 1, invalid: 1 });
  });

  it('takes empty files, files without rows, blank lines and a byte order mark', async () => {
    const rows = [order('a', 1, 1), order('b', 2, 2)];
    for (const format of ['parquet', 'csv', 'jsonl'] as const) {
      const { events, figures } = await scanned(
        historyOf(await writeHistory(duckdb, nextFolder(), format, [[], rows, []])),
        'event-time',
      );
      expect(events.map(({ offset }) => offset)).toEqual([0, 1]);
      expect(figures.files.map((file) => file.rows)).toEqual([0, 2, 0]);
      const none = await scanned(historyOf(await writeHistory(duckdb, nextFolder(), format, [[]])));
      expect(none.figures).toMatchObject({ rows: 0, newestEventTimeUs: null });
    }
    const at = nextFolder();
    await writeHistory(duckdb, at, 'jsonl', [[order('a', 1, 1)]]);
    const { orderBytes } = await import('./orders.ts');
    const lines = Buffer.concat([
      Buffer.from('\uFEFF'),
      orderBytes(order('b', 2, 2)),
      Buffer.from('\n\n  \r\n'),
      orderBytes(order('c', 3, 3)),
    ]);
    await writeFile(join(at, 'part-1.jsonl'), lines);
    const { events } = await scanned(historyOf(join(at, '*.jsonl')));
    expect(events.map(({ id, offset }) => [id, offset])).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ]);
  });

  it('keeps the rows of a large Parquet file in their order', async () => {
    const at = nextFolder();
    await mkdir(at, { recursive: true });
    await duckdb.run(
      `COPY (SELECT 'o' || i AS id, make_timestamp(i * 1000000) AS at, NULL::VARCHAR AS customer, i AS amount, NULL::DECIMAL(10, 2) AS price,
         i AS big, 0.5 AS ratio, true AS paid, DATE '2001-02-03' AS day FROM range(400000) r(i)) TO '${join(at, 'a.parquet')}'`,
    );
    const scan = scanHistory({
      source: historyOf(join(at, '*.parquet')),
      order: 'any',
      duckdb,
      listings,
      onInvalid: () => {},
    });
    let next = 0;
    let misplaced = 0;
    for await (const batch of scan) {
      for (const { offset, row } of batch) if (offset !== next++ || row['amount'] !== offset) misplaced++;
    }
    expect(misplaced).toBe(0);
    expect(next).toBe(400_000);
  });

  it('takes the newest stretches of a history in order of time first, the same events', async () => {
    const at = nextFolder();
    await mkdir(at, { recursive: true });
    // Small files and one of several row groups; ids that come again, times without order within a row group, none in some rows.
    const write = (name: string, from: number, to: number): Promise<void> =>
      duckdb.run(
        `COPY (SELECT 'o' || (i % 30000) AS id, CASE WHEN i % 501 = 0 THEN NULL ELSE make_timestamp((i - i % 7 * 3) * 1000000) END AS at,
           NULL::VARCHAR AS customer, i AS amount, NULL::DECIMAL(10, 2) AS price, i AS big, 0.5 AS ratio, true AS paid,
           DATE '2001-02-03' AS day FROM range(${from}, ${to}) r(i) ORDER BY i) TO '${join(at, name)}' (ROW_GROUP_SIZE 2048)`,
      );
    const sizes = [500, 900, 20_480, 300, 400, 12_000];
    let next = 0;
    for (const [index, size] of sizes.entries()) {
      // A gap between files; within one, row groups overlap only where 2048 is no multiple of the disorder.
      await write(`${index}.parquet`, next, next + size);
      next += size + 1000;
    }
    const source = historyOf(join(at, '*.parquet'));
    const expected = await scanned(source, 'any');
    // Its row groups overlap: it comes in one piece.
    const found = await scanned(source, 'newest-first', 3000);
    expect(expected.events).toEqual(expected.events.toSorted(byOffset));
    expect(found.events).toEqual(expected.events);
    expect(found.figures.counts).toEqual(expected.figures.counts);
    expect(found.invalid).toEqual(expected.invalid);

    const inOrder = nextFolder();
    await mkdir(inOrder, { recursive: true });
    for (const { path } of expected.figures.files) {
      await duckdb.run(
        `COPY (SELECT * REPLACE (CASE WHEN "at" IS NULL THEN NULL ELSE make_timestamp((amount - amount % 7) * 1000000) END AS "at")
           FROM read_parquet('${path}') ORDER BY amount) TO '${join(inOrder, path.slice(at.length + 1))}' (ROW_GROUP_SIZE 2048)`,
      );
    }
    const ordered = historyOf(join(inOrder, '*.parquet'));
    const sliced = await scanned(ordered, 'newest-first', 3000);
    expect(sliced.events.toSorted(byOffset)).toEqual((await scanned(ordered, 'any')).events);
    const begins = sliced.events.filter(({ offset }, index) => offset < (sliced.events[index - 1]?.offset ?? Infinity));
    expect(begins.length).toBeGreaterThan(8);
    let oldestUs = Infinity;
    let ofStretch: LogEvent[] = [];
    for (const [index, event] of sliced.events.entries()) {
      ofStretch.push(event);
      if (event.offset < (sliced.events[index + 1]?.offset ?? -1)) continue;
      expect(Math.max(...ofStretch.map(({ eventTimeUs }) => eventTimeUs))).toBeLessThanOrEqual(oldestUs);
      oldestUs = Math.min(...ofStretch.map(({ eventTimeUs }) => eventTimeUs));
      ofStretch = [];
    }
  });

  it('finds every hash that comes again, however many there are and do', async () => {
    const shapes: readonly (readonly [number, number])[] = [
      [1, 1],
      [100_000, 100_000],
      [100_000, 99_990],
      [100_000, 50_000],
      [600_000, 100_000],
    ];
    for (const [rows, distinct] of shapes) {
      const hashes = `SELECT hash(i % ${distinct}) AS k FROM range(${rows}) r(i)`;
      for (const expectedRows of [rows, 2 ** 25]) {
        const table = await repeatedHashes(hashes, expectedRows, duckdb, undefined);
        const repeated = Math.min(rows - distinct, distinct);
        if (repeated === 0) expect(table).toBeNull();
        else {
          const counted = `SELECT count(*) AS n, count(DISTINCT k) AS d FROM ${table} SEMI JOIN (${hashes}) USING (k)`;
          expect(await duckdb.query(counted)).toEqual([{ n: BigInt(repeated), d: BigInt(repeated) }]);
          await duckdb.run(`DROP TABLE ${table}`);
        }
      }
    }
    expect(await duckdb.query('SELECT table_name FROM duckdb_tables()')).toEqual([]);
  });

  it('finds them whatever memory there is for its filter: all, a quarter, none; and gives it back, also where it fails', async () => {
    const rows = 100_000;
    const distinct = 90_000;
    const hashes = `SELECT hash(i % ${distinct}) AS k FROM range(${rows}) r(i)`;
    const words = 2 ** 17;
    for (const [buffers, most] of [
      [words * 4, words * 4],
      [words, words],
      [words - 1, 0],
    ] as const) {
      const memory = new MemoryBudget({ ...memoryShares(2048), limits: { heap: 32 << 20, buffers } });
      const session = await openDuckDb({ memory, tempDir: folder });
      try {
        let used = 0;
        const reserve = memory.tryReserve.bind(memory);
        vi.spyOn(memory, 'tryReserve').mockImplementation((bytes, what) => {
          const held = reserve(bytes, what);
          used = Math.max(used, memory.used.buffers);
          return held;
        });
        const table = await repeatedHashes(hashes, rows, session, undefined);
        expect(await session.query(`SELECT count(*) AS n FROM ${table}`)).toEqual([{ n: BigInt(rows - distinct) }]);
        expect(used).toBe(most);
        expect(memory.usedBytes).toBe(0);
        await expect(repeatedHashes('SELECT nothing AS k', rows, session, undefined)).rejects.toThrow('nothing');
        await expect(repeatedHashes(hashes, rows, session, AbortSignal.abort(new Error('enough')))).rejects.toThrow(
          'enough',
        );
        expect(memory.usedBytes).toBe(0);
      } finally {
        await session.close();
      }
    }
  });

  it('leaves no tables behind, even when the caller stops early', async () => {
    const rows = Array.from({ length: 5000 }, (_, n) => order(`o-${n % 100}`, (n * 7919) % 5000, n));
    for (const format of ['parquet', 'csv', 'jsonl'] as const) {
      const path = await writeHistory(duckdb, nextFolder(), format, [rows]);
      for await (const _ of scanHistory({
        source: historyOf(path),
        order: 'event-time',
        duckdb,
        listings,
        onInvalid: () => {},
      }))
        break;
    }
    expect(await duckdb.query('SELECT table_name FROM duckdb_tables()')).toEqual([]);
  });
});
