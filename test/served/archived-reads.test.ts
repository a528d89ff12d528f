import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import type { ServedRead } from '../../engine/served/served-read.ts';
import { servedSource } from '../../engine/served/served-source.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { compiled, productSales, publish, sale, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { loggedReads } from './logged-reads.ts';

const TOPIC = 'archived-reads';
let database: OwnDatabase;
let kafka: KafkaFixture;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-served-'));
  kafka = await openKafka(inject('stack').kafkaBrokers);
  await kafka.createTopic(TOPIC, 2);
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const rows = Array.from({ length: 100 }, (_, n) => sale(n));
  for (const view of await compiled(productSales, shopSales)) {
    await publish(database.pool, view, rows);
  }
});
afterAll(async () => {
  await kafka.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Reads under ids that begin with `prefix`, logged when it resolves. */
async function serve(prefix: string, requests: number): Promise<void> {
  const client = createClient({
    pool: database.pool,
    servingLog: { kafka: { brokers: inject('stack').kafkaBrokers }, topic: TOPIC, sample: 1 },
  });
  const keys = ['north', 'süd', "o'shop \\", 'nowhere'].map((shop) => ({ shop, number: 0n }));
  for (let n = 0; n < requests; n++) {
    await client.getMany(productSales, keys, { requestId: `${prefix}-${n}` });
    await client.get(shopSales, { shop: 'süd' }, { requestId: `${prefix}-${n}` });
  }
  await client.close();
}

const byId = (reads: readonly ServedRead[]): ServedRead[] => reads.toSorted((a, b) => (a.readId < b.readId ? -1 : 1));

test('the serving log is archived as any source is: retention takes nothing from it', async () => {
  const archiveDir = join(folder, 'archive');
  const archive = (attemptMs: number) =>
    runArchive({
      source: servedSource(TOPIC),
      reader: kafka.reader,
      pool: database.pool,
      archiveDir,
      until: 'present-end',
      clock: systemClock,
      fence: { generation: 1, attemptMs, owner: 'test' },
    });
  await serve('archived', 20);
  expect(await archive(1)).toMatchObject({ records: 100 });
  const { partitions: archivedTo } = await kafka.reader.bounds(TOPIC);
  await serve('later', 10);
  const all = byId(await loggedReads(kafka.reader, TOPIC));
  expect(all).toHaveLength(150);

  // All that is archived goes: in the topic only what came later is left.
  for (const { partition, endOffset } of archivedTo) await kafka.deleteBefore(TOPIC, partition, endOffset);
  expect(await loggedReads(kafka.reader, TOPIC)).toHaveLength(50);
  const archived = withArchive(kafka.reader, {
    pool: database.pool,
    archiveDir,
    duckdbTempDir: join(folder, 'duckdb'),
  });
  expect(byId(await loggedReads(archived, TOPIC))).toEqual(all);
  const requestIds = new Set(['archived-3', 'later-3']);
  expect(
    (await loggedReads(archived, TOPIC, { requestIds, views: new Set(['shop_sales']) }))
      .map((read) => read.requestId)
      .sort(),
  ).toEqual([...requestIds]);

  expect(await archive(2)).toMatchObject({ records: 50 });
  expect(byId(await loggedReads(archived, TOPIC))).toEqual(all);
});
