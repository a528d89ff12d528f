import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { noteLabelTime, toldLabelTimeUs } from '../../engine/postgres/label-times.ts';
import { openWorld, type ServedWorld } from '../as-served/served-fixture.ts';
import type { MemoryBroker } from '../stream/memory-log.ts';
import { brief, brokerWith, decisionJson, lateLabels, outcomeJson, scanned, type Sent, T0_US } from './label-world.ts';

let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

const LOG = { source: 'clicks', topic: 'millrace.outcomes', clusterId: 'memory-cluster' };

/** Says how far partitions of the outcomes are archived. */
async function archive(...nextOffsets: readonly number[]): Promise<void> {
  await world.pool.query('DELETE FROM millrace_catalog.archive_offset');
  for (const [partition, next] of nextOffsets.entries())
    await world.pool.query(
      `INSERT INTO millrace_catalog.archive_offset (source, topic, partition, cluster_id, first_offset, next_offset, end_offset)
       VALUES ($1, $2, $3, $4, 0, $5, $5)`,
      [LOG.source, LOG.topic, partition, LOG.clusterId, next],
    );
}

const heard = (id: string, arrivedUs: number, partition: number): Sent => {
  return { partition, arrivedUs, json: outcomeJson({ id, decision: 'a', atUs: 0, value: 1 }) };
};

function someBroker(): MemoryBroker {
  const decided = { partition: 0, arrivedUs: 0, json: decisionJson({ id: 'a', atUs: 0 }) };
  return brokerWith(
    [decided],
    [heard('1', 2_000, 0), heard('2', 5_000, 0), heard('3', 9_000, 0), heard('4', 20_000, 1)],
  );
}

test('labels are told up to what is archived of every partition, up to the cut of one that is archived whole, and never less than before', async () => {
  const labels = await lateLabels();
  const { pool } = world;
  const broker = someBroker();
  const asOf = async (nowUs: number): Promise<number> => {
    const { scan } = await scanned(labels, broker, { pool, nowUs });
    return scan.asOfUs - T0_US;
  };
  // Of the second nothing is archived yet.
  await archive(2);
  expect(await asOf(30_000)).toBe(Number.NEGATIVE_INFINITY);
  expect(await toldLabelTimeUs(pool, LOG)).toBeNull();
  await archive(2, 1);
  expect(await asOf(30_000)).toBe(4_999);
  expect(await toldLabelTimeUs(pool, LOG)).toBe(T0_US + 4_999);
  // The second is idle: it is archived to its end.
  await archive(3, 1);
  expect(await asOf(30_400)).toBe(29_999);
  broker.append(LOG.topic, 1, [{ value: null, timestampUs: T0_US + 31_000 }]);
  await archive(1, 1);
  expect(await asOf(40_000)).toBe(29_999);
  // A partition that the topic gained, with a record that is not archived.
  broker.addPartition(LOG.topic);
  broker.append(LOG.topic, 2, [{ value: null, timestampUs: T0_US + 32_000 }]);
  expect(await asOf(50_000)).toBe(29_999);
  // An empty one says nothing against the time of the cut.
  const empty = await scanned(labels, brokerWith([], []), { pool, nowUs: 60_000 });
  expect(empty.scan.asOfUs - T0_US).toBe(59_999);
}, 60_000);

test('while nothing is archived of a partition everything is immature; where nothing at all is, the topic is all there is', async () => {
  await world.pool.query('DELETE FROM millrace_catalog.label_time');
  const labels = await lateLabels();
  await archive(2);
  const held = await scanned(labels, someBroker(), { pool: world.pool, nowUs: 30_000 });
  expect(held.scan.counts).toMatchObject({ decisions: 1, mature: 0, immature: 1 });
  await archive();
  expect(brief((await scanned(labels, someBroker(), { pool: world.pool, nowUs: 30_000 })).rows)).toEqual(['a=1']);
}, 60_000);

test('what was told stays, where that was later, and is of one log alone', async () => {
  const { pool } = world;
  const log = { ...LOG, topic: 'other' };
  await noteLabelTime(pool, log, 7);
  await noteLabelTime(pool, log, 5);
  expect(await toldLabelTimeUs(pool, log)).toBe(7);
  await noteLabelTime(pool, log, 9);
  expect(await toldLabelTimeUs(pool, log)).toBe(9);
  expect(await toldLabelTimeUs(pool, { ...log, clusterId: 'made again' })).toBeNull();
}, 60_000);
