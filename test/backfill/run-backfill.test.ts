import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { BackfillProgress } from '../../engine/backfill/backfill-progress.ts';
import { discardVersion } from '../../engine/backfill/discard-version.ts';
import { type BackfillResult, runBackfill } from '../../engine/backfill/run-backfill.ts';
import { sweepAbandonedVersions } from '../../engine/backfill/sweep-abandoned-versions.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import type { CompiledSource, CompiledView } from '../../engine/define/compiled-view.ts';
import { recordDigest } from '../../engine/topic/anchor.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { deadLetters } from '../../engine/postgres/dead-letters.ts';
import { dedupeIds, type PackedIds } from '../../engine/postgres/dedupe-ids.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { versions, viewVersion } from '../../engine/postgres/view-versions.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase, stateBytes } from '../stream/stream-fixture.ts';
import { type Purchase, purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';

const HOUR_US = 3_600_000_000;
const START_US = -40 * HOUR_US;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
let folder: string;
let histories = 0;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  pool = database.pool;
  folder = await mkdtemp(join(tmpdir(), 'millrace-backfill-'));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await pool.query(`UPDATE millrace_catalog.view_version SET status = 'retired' WHERE status IN ('built', 'building')`);
});

const purchases = (count: number, entities = 40): Purchase[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `p-${n}`,
    at: formatDateTime(START_US + ((n * 7919) % count) * 60_000_000),
    customer: n % 50 === 7 ? null : `customer-${(n * n) % entities}`,
    amount: n % 13 === 5 ? null : n % 100 === 13 ? 12 : n % 100,
    kept: n % 17 !== 3,
  }));

async function jsonlHistory(...files: readonly (readonly Purchase[])[]): Promise<string> {
  const at = join(folder, `history-${++histories}`);
  await mkdir(at, { recursive: true });
  for (const [index, rows] of files.entries()) {
    await writeFile(join(at, `part-${index}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
  return join(at, '*.jsonl');
}

function viewOver(path: string | null, source: Partial<CompiledSource> = {}): CompiledView {
  return spendingView({
    topic: null,
    source: { history: path === null ? null : { path, untilUs: null, disjoint: true }, ...source },
  });
}

function backfill(
  view: CompiledView,
  options: Partial<Parameters<typeof runBackfill>[0]> = {},
): Promise<BackfillResult> {
  return runBackfill({
    view,
    pool,
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    builder: 'test',
    ...options,
  });
}

async function built(view: CompiledView, options: Partial<Parameters<typeof runBackfill>[0]> = {}): Promise<string[]> {
  const { version } = await backfill(view, options);
  return stateBytes(pool, view, version);
}

function brokerWith(rows: readonly Purchase[], partitions: number): MemoryBroker {
  const broker = new MemoryBroker();
  broker.createTopic('purchases', partitions);
  for (const [index, row] of rows.entries()) {
    const timestampUs = Date.parse(row.at) * 1000 + HOUR_US;
    broker.append('purchases', index % partitions, [{ value: purchaseBytes(row), timestampUs }]);
  }
  return broker;
}

describe('runBackfill', () => {
  it('builds the same bytes from Parquet, CSV and JSONL, whatever the files and duplicates across them', async () => {
    const rows = purchases(3000);
    const whole = await built(viewOver(await jsonlHistory(rows)));
    expect(whole).toHaveLength(
      new Set(rows.filter(({ customer, kept }) => customer !== null && kept).map(({ customer }) => customer)).size,
    );
    const later = rows
      .slice(0, 200)
      .map((row) => ({ ...row, at: formatDateTime(Date.parse(row.at) * 1000 + HOUR_US), amount: 1 }));
    expect(
      await built(viewOver(await jsonlHistory(rows.slice(0, 1000), later, rows.slice(1000).toReversed()))),
    ).toEqual(whole);

    const duckdb = await openDuckDb({ memoryMb: 256, tempDir: join(folder, 'spill') });
    const at = join(folder, 'columns');
    await mkdir(at, { recursive: true });
    const path = (await jsonlHistory(rows)).replace('*', 'part-0');
    const typed = `SELECT id, "at"::TIMESTAMPTZ AS "at", customer, amount::INTEGER AS amount, kept FROM
      read_json('${path}', columns = {id: 'VARCHAR', "at": 'VARCHAR', customer: 'VARCHAR', amount: 'BIGINT', kept: 'BOOLEAN'})`;
    await duckdb.run(`COPY (${typed}) TO '${join(at, 'a.parquet')}'`);
    await duckdb.run(`COPY (${typed.replace('"at"::TIMESTAMPTZ AS "at"', '"at"')}) TO '${join(at, 'a.csv')}' (HEADER)`);
    await duckdb.close();
    expect(await built(viewOver(join(at, '*.parquet')))).toEqual(whole);
    expect(await built(viewOver(join(at, '*.csv')))).toEqual(whole);
  });

  it('spills to the same bytes as in memory', async () => {
    const rows = purchases(6000, 1500);
    const path = await jsonlHistory(rows);
    const whole = await built(viewOver(path));
    const progress: BackfillProgress[] = [];
    const mostMemory = { heap: 0 };
    expect(await built(viewOver(path), { mostMemory, onProgress: (at) => progress.push(at) })).toEqual(whole);
    expect(progress.map(({ phase }) => phase)).toEqual(expect.arrayContaining(['cut', 'history', 'load', 'verify']));
    expect(progress.at(-1)).toMatchObject({ phase: 'verify', percent: 100, rows: 6000 });
  });

  it('waits for its least of the memory, saying for what, and gives all of it back, also where it fails', async () => {
    const path = await jsonlHistory(purchases(300));
    const memory = new MemoryBudget(memoryShares(2048));
    const held = await memory.reserve(memory.limits, 'export of everything');
    const waits: string[] = [];
    const running = built(viewOver(path), { memory, onWait: (text) => waits.push(text ?? 'it goes on') });
    await vi.waitFor(() => expect(waits).toHaveLength(1));
    expect(waits[0]).toMatch(/^waiting for 120 MB of memory: it is held by export of everything \(\d+ MB\)$/);
    held.release();
    expect(await running).toEqual(await built(viewOver(path), { memory }));
    expect(waits.slice(1)).toEqual(['it goes on']);
    await expect(built(viewOver(join(folder, 'nowhere-*.jsonl')), { memory })).rejects.toMatchObject({
      code: 'history-not-found',
    });
    const given = new AbortController();
    const all = await memory.reserve(memory.limits, 'export of everything');
    const aborted = built(viewOver(path), { memory, signal: given.signal });
    given.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    all.release();
    expect(memory.usedBytes).toBe(0);
  });

  it('takes the topic up to the cut, and leaves all the stream starts from', async () => {
    const rows = purchases(900);
    const path = await jsonlHistory(rows.slice(0, 500));
    const broker = brokerWith([...rows.slice(400), ...rows.slice(880)], 3);
    const source = { topic: 'purchases', history: { path, untilUs: null, disjoint: true } };
    const view = spendingView({ topic: 'purchases', source });
    const reader = createMemoryLogReader(broker, () => 17);
    const result = await backfill(view, { reader });
    const { partitions } = broker.bounds('purchases');
    expect(result.cut?.partitions).toEqual(partitions);
    expect(result.rows).toBe(500 + 520);
    const version = await viewVersion(pool, view.name, result.version);
    expect(version).toMatchObject({
      status: 'built',
      entities: result.entities,
      seq: 0,
      topic: 'purchases',
      cut: result.cut,
    });
    expect(version?.counts).toEqual(result.counts);
    expect(version?.history?.files).toMatchObject([{ rows: 500 }]);
    expect(version?.historyWatermarkUs).toBe(Math.max(...rows.slice(0, 500).map(({ at }) => Date.parse(at) * 1000)));
    for (const offset of await streamOffsets(pool, view.name, result.version)) {
      const end = partitions[offset.partition]!.endOffset;
      expect(offset).toMatchObject({
        nextOffset: end,
        endOffset: end,
        clusterId: 'memory-cluster',
        anchorOffset: end - 1,
      });
      const last = broker.recordAt('purchases', offset.partition, end - 1)!;
      expect(Buffer.from(offset.anchorDigest!)).toEqual(Buffer.from(recordDigest(last)));
    }
    expect(await streamOffsets(pool, view.name, result.version)).toHaveLength(3);
    const ids: PackedIds[] = [];
    for await (const pack of dedupeIds(pool, view.name, result.version, 'purchases', [-1, 0, 1, 2])) ids.push(pack);
    expect(new Set(ids.map(({ partition }) => partition))).toEqual(new Set([-1, 0, 1, 2]));
    const { counts } = result;
    const stopped = counts.tombstones + counts.invalid + counts.outsideUntil + counts.duplicates;
    expect(stopped + counts.filtered + counts.nullKey + counts.late + counts.applied).toBe(counts.records);
  });

  it('notes with the version which fields its features were observed to read', async () => {
    const observed = { where: ['kept'], key: ['customer'], features: { spent: ['amount'] }, derived: {} };
    const view = { ...viewOver(null), observe: () => observed };
    const { version } = await backfill(view);
    expect((await viewVersion(pool, view.name, version))?.observedFields).toEqual(observed);
  });

  it('works without a history, without a topic’s records, and with neither', async () => {
    const rows = purchases(200);
    const topicOnly = spendingView({ topic: 'purchases' });
    const fromTopic = await built(topicOnly, { reader: createMemoryLogReader(brokerWith(rows, 2)) });
    expect(fromTopic).toEqual(await built(viewOver(await jsonlHistory(rows))));
    const empty = await backfill(topicOnly, { reader: createMemoryLogReader(brokerWith([], 2)) });
    expect(empty).toMatchObject({ rows: 0, entities: 0 });
    await expect(backfill(topicOnly)).rejects.toMatchObject({ code: 'kafka-not-configured' });
  });

  it('counts history before until and the topic from it on', async () => {
    const rows = purchases(600);
    const untilUs = START_US + 300 * 60_000_000;
    const path = await jsonlHistory(rows);
    const view = spendingView({ topic: 'purchases', source: { history: { path, untilUs, disjoint: true } } });
    const result = await backfill(view, { reader: createMemoryLogReader(brokerWith(rows, 1)) });
    expect(result.counts.outsideUntil).toBe(600);
    expect(await stateBytes(pool, view, result.version)).toHaveLength(result.entities);
  });

  it('buries invalid records and failing row functions with every reason', async () => {
    const rows = purchases(300);
    const path = await jsonlHistory([
      ...rows,
      { ...rows[0]!, id: 'thirteen', amount: 13, customer: 'x', kept: true },
      { ...rows[0]!, id: 'broken', at: 'yesterday' },
    ]);
    const view = viewOver(path);
    const { version, counts } = await backfill(view);
    expect(counts.invalid).toBe(2);
    const letters = await deadLetters(pool, view.name, 10);
    const own = letters.filter((letter) => letter.version === version).toSorted((a, b) => a.offset - b.offset);
    expect(own).toMatchObject([
      { topic: 'history', partition: -1, offset: 300, reasons: [expect.stringContaining('refused 13')] },
      {
        topic: 'history',
        partition: -1,
        offset: 301,
        reasons: [expect.stringContaining('at')],
        file: expect.stringContaining('part-0'),
      },
    ]);
    expect(JSON.parse(Buffer.from(own[1]!.payload!).toString())).toMatchObject({ id: 'broken', at: 'yesterday' });
  });

  it('stops when more than a tenth of any 1,000 rows are invalid, naming some, and keeps nothing', async () => {
    const rows = purchases(3000);
    const bad = (row: Purchase): Purchase => ({ ...row, at: 'never' });
    const spread = rows.map((row, n) => (n % 10 === 0 ? bad(row) : row));
    expect((await backfill(viewOver(await jsonlHistory(spread)))).counts.invalid).toBe(300);
    const clustered = rows.map((row, n) => (n >= 1500 && n < 1601 ? bad(row) : row));
    await expect(backfill(viewOver(await jsonlHistory(clustered)))).rejects.toMatchObject({
      code: 'too-many-invalid-records',
      message: expect.stringMatching(/part-0\.jsonl, position \d+: at/),
    });
    await expectNothingLeft();
  });

  it('leaves nothing when it is aborted at any point', async () => {
    const path = await jsonlHistory(purchases(20_000, 5000));
    for (const phase of ['cut', 'history', 'load', 'verify'] as const) {
      const abort = new AbortController();
      const onProgress = (at: BackfillProgress): void => {
        if (at.phase === phase) abort.abort(new Error(`aborted in ${phase}`));
      };
      const run = backfill(viewOver(path), { signal: abort.signal, onProgress });
      if (phase === 'verify') await run.catch(() => {});
      else await expect(run).rejects.toThrow(`aborted in ${phase}`);
      if (phase !== 'verify') await expectNothingLeft();
    }
    await expect(backfill(viewOver(path), { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
      'before',
    );
  });

  it('sweeps what a killed builder left, and that builder can no longer write', async () => {
    const path = await jsonlHistory(purchases(500));
    const view = spendingView({ topic: 'purchases', source: { history: { path, untilUs: null, disjoint: true } } });
    const broker = brokerWith(purchases(50), 1);
    const inner = createMemoryLogReader(broker);
    const reached = Promise.withResolvers<void>();
    const resume = Promise.withResolvers<void>();
    const stalled: LogReader = {
      ...inner,
      read: async function* (options) {
        reached.resolve();
        await resume.promise;
        yield* inner.read(options);
      },
    };
    const zombie = backfill(view, { reader: stalled, builder: 'zombie' });
    await reached.promise;
    const next = await backfill(view, { reader: inner, builder: 'next' });
    resume.resolve();
    await expect(zombie).rejects.toMatchObject({ code: 'backfill-superseded' });
    const left = (await versions(pool, view.name)).filter(({ status }) => status === 'built');
    expect(left.map(({ version, builder }) => [version, builder])).toEqual([[next.version, 'next']]);
    expect(await stateBytes(pool, view, next.version)).toHaveLength(next.entities);
    expect(await sweepAbandonedVersions({ pool, view: view.name, keepVersion: next.version })).toEqual([]);
    expect(await sweepAbandonedVersions({ pool, view: view.name })).toEqual([next.version]);
    await discardVersion({ pool, view: view.name, version: next.version });
    await expectNothingLeft();
  });

  it('refuses to discard a version that is served', async () => {
    const view = viewOver(await jsonlHistory(purchases(10)));
    const { version } = await backfill(view);
    await pool.query(`UPDATE millrace_catalog.view_version SET status = 'live' WHERE version = $1`, [version]);
    await expect(discardVersion({ pool, view: view.name, version })).rejects.toMatchObject({ code: 'internal-bug' });
    await pool.query(`UPDATE millrace_catalog.view_version SET status = 'retired' WHERE version = $1`, [version]);
  });

  /** Of versions that were neither retired by a test nor built: no tables, no rows beside their own. */
  async function expectNothingLeft(): Promise<void> {
    const { rows } = await pool.query<{ what: string }>(`
      SELECT 'version ' || version || ' ' || status AS what FROM millrace_catalog.view_version WHERE status IN ('building', 'built')
      UNION ALL
      SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'millrace_state' AND relkind = 'r'
        AND relname IN (SELECT state_table FROM millrace_catalog.view_version WHERE status = 'discarded')
      UNION ALL
      SELECT 'dead letter' FROM millrace_catalog.dead_letter JOIN millrace_catalog.view_version USING (view, version) WHERE status = 'discarded'
      UNION ALL
      SELECT 'offset' FROM millrace_catalog.stream_offset JOIN millrace_catalog.view_version USING (view, version) WHERE status = 'discarded'
      UNION ALL
      SELECT 'ids' FROM millrace_catalog.dedupe_ids JOIN millrace_catalog.view_version USING (view, version) WHERE status = 'discarded'`);
    const built = rows.filter(({ what }) => !what.endsWith(' built'));
    expect(built).toEqual([]);
    expect(await readdir(join(folder, 'spill'))).toEqual([]);
  }
});
