import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createServingLog } from '../../engine/served/create-serving-log.ts';
import { startKafka } from '../../stack/kafka.ts';
import { temporaryDataDir } from '../../stack/test-stack.ts';
import { openKafka } from '../kafka/kafka-fixture.ts';
import { compiled, publish, sale, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { loggedReads } from './logged-reads.ts';

// A broker of its own: this test stops it under the reads.
const services = { dataDir: temporaryDataDir(), onProgress: () => undefined };
let database: OwnDatabase;

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const [view] = (await compiled(shopSales)) as [CompiledView];
  await publish(database.pool, view, [sale(1)]);
});
afterAll(async () => {
  await database.drop();
  await rm(services.dataDir, { recursive: true, force: true });
});

test('reads are served while the broker is away, what does not fit is counted, and afterwards logging goes on', async () => {
  const kafka = await startKafka(services);
  const first = await openKafka(kafka.brokers);
  await first.createTopic('served', 2);
  const servingLog = createServingLog({
    kafka: { brokers: kafka.brokers },
    topic: 'served',
    sample: 1,
    maxBuffered: 20,
    flushMs: 1,
  });
  const client = createClient({ pool: database.pool, servingLog });
  const read = async (requestId: string): Promise<void> => {
    expect(await client.get(shopSales, { shop: 'north' }, { requestId })).toMatchObject({ requestId, found: false });
  };

  await read('before');
  await vi.waitFor(() => expect(servingLog.figures.logged).toBe(1), 20_000);
  await first.close();
  await kafka.stop();
  for (let n = 0; n < 30; n++) await read(`away-${n}`);
  expect(servingLog.figures).toMatchObject({ logged: 1, buffered: 20, dropped: { 'buffer-full': 10 } });

  const port = Number(kafka.brokers[0]!.split(':')[1]);
  const again = await startKafka({ ...services, port });
  expect(again.brokers).toEqual(kafka.brokers);
  await vi.waitFor(() => expect(servingLog.figures.buffered).toBe(0), 60_000);
  await read('after');
  await servingLog.close();
  expect(servingLog.figures).toEqual({
    logged: 22,
    buffered: 0,
    dropped: { 'buffer-full': 10, 'too-large': 0, 'send-failed': 0, closed: 0 },
  });

  const second = await openKafka(again.brokers);
  const reads = await loggedReads(second.reader, 'served', { clock: systemClock });
  // One entity: its reads are in the order they were served.
  expect(reads.map(({ requestId }) => requestId)).toEqual([
    'before',
    ...Array.from({ length: 20 }, (_, n) => `away-${n}`),
    'after',
  ]);
  await second.close();
  await again.stop();
});
