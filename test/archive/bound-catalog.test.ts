import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { codeOf } from '../../engine/define/known-code.ts';
import { boundCatalog, type CatalogBounds } from '../../engine/archive/bound-catalog.ts';
import { addViewHours, viewHours } from '../../engine/monitors/view-hours.ts';
import { tendCatalog } from '../../activities/tend-catalog.ts';
import { countDeadLetters } from '../../engine/postgres/dead-letters.ts';
import { keptSizes, type KeptSize } from '../../engine/postgres/kept-sizes.ts';
import { explainFeatures } from '../../engine/parity/explain-features.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';
import { exportSpine, isoOf } from '../as-served/served-fixture.ts';
import { readParquet } from '../training/training-fixture.ts';

const DAY_US = 86_400_000_000;
const SECOND_US = 1_000_000;
const NEVER: CatalogBounds = { commitBytes: 2 ** 40, deadLetterBytes: 2 ** 40, deadLetterDays: 36_500 };

let world: ParityWorld & { close(): Promise<void> };
const nowUs = Math.floor(Date.now() / 1000) * SECOND_US;
beforeEach(async () => {
  const view = spendingView({ topic: 'purchases', source: { invalidLimit: { rate: 1, window: 1000 } } });
  world = await openWorld(inject('stack').databaseUrl, { view, partitions: 2, nowUs });
});
afterEach(() => world.close());

const bound = (bounds: Partial<CatalogBounds>) =>
  boundCatalog({ pool: world.pool, clock: world.clock, bounds: { ...NEVER, ...bounds } });

async function sizeOf(kind: KeptSize['kind']): Promise<KeptSize> {
  const none = { rows: 0, bytes: 0, droppedRows: 0, droppedBytes: 0, firstDroppedAtUs: null };
  return (
    (await keptSizes(world.pool, 'spending')).find((size) => size.kind === kind) ?? {
      kind,
      view: '',
      version: 0,
      ...none,
    }
  );
}

/** Purchases of one customer after another, a micro-batch each, an hour apart, of the last days. */
async function purchases(from: number, until: number): Promise<void> {
  for (let index = from; index < until; index++) {
    const atUs = nowUs - 2 * DAY_US + index * 60 * SECOND_US;
    const value = purchaseBytes({ id: `p${index}`, at: isoOf(atUs), customer: `c${index % 5}`, amount: index });
    world.append(index % 2, [{ value, timestampUs: atUs }]);
  }
  await world.stream({ batchRecords: 1 });
}

test('a stream of many micro-batches stays below the bound, and what is asked of it is told as before, or refused by name', async () => {
  await world.backfill();
  const commitBytes = 20_000;
  for (let round = 0; round < 6; round++) {
    await purchases(round * 60, round * 60 + 60);
    // Of reads that were served meanwhile.
    await world.serve([['c0'], ['c1'], ['nobody']]);
    await bound({ commitBytes });
    expect((await sizeOf('commits')).bytes).toBeLessThanOrEqual(commitBytes);
  }
  const { droppedRows, firstDroppedAtUs } = await sizeOf('commits');
  expect(droppedRows).toBeGreaterThan(200);
  expect(firstDroppedAtUs).not.toBeNull();

  // Rows that have not changed since, and reads of commits that are told apart, are compared; the others are counted by why not.
  const audit = await world.audit();
  expect(audit).toMatchObject({ verdict: 'equal', cellsDiffering: 0 });
  expect(audit.entities).toBe(5);
  expect(audit.reads).toBeGreaterThan(0);
  expect(audit.skipped['commits-merged']).toBeGreaterThan(0);
  const reads = Object.values(audit.skipped).reduce((sum, count) => sum + count, audit.reads);
  expect(reads).toBe(18);
  expect(await world.audit({ kind: 'promotion' })).toMatchObject({ verdict: 'equal', entities: 5 });

  const explain = (atUs?: number) =>
    explainFeatures({
      view: world.view.name,
      code: codeOf([world.view]),
      pool: world.pool,
      reader: world.reader,
      archiveDir: null,
      key: ['c0'],
      spillDir: world.folder,
      clock: world.clock,
      ...(atUs === undefined ? {} : { atUs }),
    });
  const present = await explain();
  expect(present.found).toBe(true);
  expect(present.features.length).toBeGreaterThan(0);
  const { rows } = await world.pool.query<{ began: number; ended: number; first: number; last: number }>(
    `SELECT (extract(epoch FROM m.began_at) * 1000000)::float8 AS began, (extract(epoch FROM r.committed_at) * 1000000)::float8 AS ended,
       m.from_seq::int AS first, m.last_seq::int AS last
     FROM millrace_catalog.commit_merge m JOIN millrace_catalog.commit_record r ON r.view = m.view AND r.version = m.version AND r.seq = m.last_seq`,
  );
  const [merged] = rows;
  expect(merged).toMatchObject({ first: 1, last: expect.any(Number) });
  const within = Math.floor((merged!.began + merged!.ended) / 2);
  await expect(explain(within)).rejects.toMatchObject({
    code: 'commits-merged',
    message: expect.stringMatching(
      new RegExp(`^spending, version 1: commits 1 to ${merged!.last} \\(.* were merged into one`),
    ),
    remedy: expect.stringContaining('millrace archive'),
  });
  expect((await explain(merged!.ended)).lag.commit).toBe(merged!.last);

  // Labels of a time that is told get what was served then; one of a time that is not stops the export, and is counted.
  const label = (atUs: number) => ({ customer: 'c0', event_timestamp: isoOf(atUs) });
  const exported = (times: readonly number[]) =>
    exportSpine(world, [world.view], 'bounded', times.map(label), { clock: world.clock });
  const { out, manifest } = await exported([merged!.ended, Date.now() * 1000]);
  expect(manifest.views[0]!.served!.versions).toMatchObject([{ rows: 2 }]);
  const values = (await readParquet(out)).rows;
  expect(values).toHaveLength(2);
  await expect(exported([within, merged!.ended, within + 1])).rejects.toMatchObject({
    code: 'commits-merged',
    message: expect.stringContaining('2 label rows are of that time'),
  });
});

test("commits of a source that is archived are the archive's to roll; an archive that stands still for a day keeps none", async () => {
  await world.backfill();
  await purchases(0, 40);
  await world.pool.query(
    `INSERT INTO millrace_catalog.archive_offset (source, topic, partition, cluster_id, first_offset, next_offset, end_offset, generation, attempt_ms)
     VALUES ('purchases', 'purchases', 0, 'c', 0, 0, 0, 1, 1)`,
  );
  expect(await bound({ commitBytes: 0 })).toEqual([]);
  expect(await sizeOf('commits')).toMatchObject({ rows: 40, droppedRows: 0 });
  await world.pool.query(`UPDATE millrace_catalog.archive_offset SET updated_at = now() - interval '25 hours'`);
  expect(await bound({ commitBytes: 0 })).toMatchObject([{ view: 'spending', mergedCommits: expect.any(Number) }]);
  expect((await sizeOf('commits')).rows).toBeLessThanOrEqual(3);
});

test('what is served keeps its commits before what was served', async () => {
  await world.backfill();
  await purchases(0, 40);
  const { bytes } = await sizeOf('commits');
  await world.backfill();
  await purchases(40, 80);
  await bound({ commitBytes: bytes });
  const sizes = (await keptSizes(world.pool, 'spending')).filter(({ kind }) => kind === 'commits');
  expect(sizes.map(({ version, rows }) => [version, rows > 30])).toEqual([
    [1, false],
    [2, true],
  ]);
});

test('dead letters stay within bytes and age, the oldest go first, and how many there were stays exact', async () => {
  await world.backfill();
  const payload = (index: number): Buffer => Buffer.from(`{"broken": "${'x'.repeat(1_000)}", ${index}`);
  for (let index = 0; index < 100; index++)
    world.append(index % 2, [{ value: payload(index), timestampUs: nowUs - DAY_US }]);
  await world.stream({ batchRecords: 10 });
  const before = await sizeOf('dead-letters');
  expect(before.rows).toBe(100);
  // The bytes of the payloads, and the reasons and what goes with a row.
  expect(before.bytes).toBeGreaterThan(100 * payload(10).length);
  expect(before.bytes).toBeLessThan(100 * (payload(10).length + 800));

  const letters = async (): Promise<string[]> => {
    const { rows } = await world.pool.query<{ place: string }>(
      `SELECT partition || '@' || "offset" AS place FROM millrace_catalog.dead_letter ORDER BY created_at, version, topic, partition, "offset"`,
    );
    return rows.map(({ place }) => place);
  };
  const oldest = await letters();
  expect(await bound({ deadLetterBytes: before.bytes / 2 })).toEqual([
    { view: 'spending', mergedCommits: 0, droppedLetters: 50 },
  ]);
  const half = await sizeOf('dead-letters');
  expect(half).toMatchObject({ rows: 50, droppedRows: 50, firstDroppedAtUs: expect.any(Number) });
  expect(half.bytes + half.droppedBytes).toBe(before.bytes);
  expect(half.bytes).toBeLessThanOrEqual(before.bytes / 2);
  expect((await letters()).toSorted()).toEqual(oldest.slice(50).toSorted());
  expect(await countDeadLetters(world.pool, 'spending', 1)).toBe(100);
  expect(await bound({ deadLetterBytes: before.bytes / 2 })).toEqual([]);

  await world.pool.query(
    `UPDATE millrace_catalog.dead_letter SET created_at = now() - interval '8 days' WHERE partition || '@' || "offset" = ANY ($1)`,
    [oldest.slice(60, 85)],
  );
  expect(await bound({ deadLetterDays: 7 })).toMatchObject([{ droppedLetters: 25 }]);
  expect(await sizeOf('dead-letters')).toMatchObject({
    rows: 25,
    droppedRows: 75,
    firstDroppedAtUs: half.firstDroppedAtUs,
  });
  expect(await countDeadLetters(world.pool, 'spending', 1)).toBe(100);
});

test('the dead letters of a version that is being built stay: the build counts on them', async () => {
  await world.backfill();
  world.append(0, [{ value: Buffer.from('{'), timestampUs: nowUs - DAY_US }]);
  await world.stream();
  await world.pool.query(`UPDATE millrace_catalog.view_version SET status = 'building' WHERE version = 1`);
  expect(await bound({ deadLetterBytes: 0, deadLetterDays: 0 })).toEqual([]);
  await world.pool.query(`UPDATE millrace_catalog.view_version SET status = 'live' WHERE version = 1`);
  expect(await bound({ deadLetterBytes: 0 })).toMatchObject([{ droppedLetters: 1 }]);
});

test('a worker tends again and again, tells what went, and goes on after what stood in its way once', async () => {
  await world.backfill();
  const told: unknown[] = [];
  const errors: unknown[] = [];
  const tender = tendCatalog({
    pool: world.pool,
    clock: world.clock,
    bounds: { ...NEVER, commitBytes: 3_000 },
    everyMs: 10,
    onBounded: (bounded) => void told.push(...bounded),
    onError: (error) => void errors.push(error),
  });
  await world.pool.query('ALTER TABLE millrace_catalog.commit_merge RENAME TO away');
  await purchases(0, 40);
  tender.start();
  await vi.waitUntil(() => errors.length > 1, { timeout: 60_000 });
  expect((await sizeOf('commits')).rows).toBe(40);
  await world.pool.query('ALTER TABLE millrace_catalog.away RENAME TO commit_merge');
  await vi.waitUntil(() => told.length > 0, { timeout: 60_000 });
  await tender.stop();
  expect(told).toMatchObject([{ view: 'spending', droppedLetters: 0 }]);
  expect((await sizeOf('commits')).bytes).toBeLessThanOrEqual(3_000);
});

test('what views kept of each hour goes ten weeks after, by the newest hour of each', async () => {
  const hourMs = 3_600_000;
  const newestMs = Math.floor(nowUs / 1000 / hourMs) * hourMs;
  const hour = (beginMs: number) => ({ beginMs, offered: 3, filtered: 1, nullKey: 0, failed: 0, late: 0 });
  const weeks10 = 70 * 24 * hourMs;
  const hours = [newestMs - weeks10 - hourMs, newestMs - weeks10, newestMs].map(hour);
  await addViewHours(world.pool, 'of_now', 1, hours);
  await addViewHours(world.pool, 'of_now', 2, hours.slice(0, 1));
  // A replay of last year's events is as old as it was.
  await addViewHours(world.pool, 'of_then', 1, [hour(newestMs - 2 * weeks10)]);
  await bound({});
  const kept = async (view: string) =>
    (await viewHours(world.pool, { view, fromMs: 0, untilMs: newestMs + hourMs })).map(({ beginMs }) => beginMs);
  expect(await kept('of_now')).toEqual([newestMs - weeks10, newestMs]);
  expect(await kept('of_then')).toEqual([newestMs - 2 * weeks10]);
});
