import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { codeOf } from '../kafka/log-reader-conformance.ts';
import { replayTopic } from '../stream/replay.ts';
import { publishEmptyVersion, stateBytes } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';
import { appendPurchases, type ArchiveWorld, openArchiveWorld } from './archive-fixture.ts';

let world: ArchiveWorld;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl);
});
afterEach(() => world.close());

const view = spendingView({ topic: 'purchases', source: { invalidLimit: { rate: 1, window: 1000 } } });

async function backfilled(reader: LogReader): Promise<string[]> {
  const { version } = await runBackfill({
    view,
    pool: world.pool,
    reader,
    spillDir: join(world.archiveDir, '..', 'spill'),
    clock: systemClock,
    builder: 'test',
  });
  return stateBytes(world.pool, view, version);
}

test('a backfill after retention is, byte for byte, the one before it', async () => {
  const { broker, topic, reader, archived } = world;
  for (const partition of [0, 1])
    appendPurchases(broker, topic, partition, partition * 5_000, partition * 5_000 + 4_000);
  const before = await backfilled(reader);
  expect(before.length).toBeGreaterThan(3);
  await world.archive({ roll: { rows: 1_500 } });
  broker.deleteBefore(topic, 0, 3_999);
  broker.deleteBefore(topic, 1, 1_234);
  expect(await backfilled(reader)).not.toEqual(before);
  expect(await backfilled(archived)).toEqual(before);
  broker.deleteBefore(topic, 1, 4_000);
  expect(await backfilled(archived)).toEqual(before);
});

test('a stream that fell behind retention goes on from the archive', async () => {
  const { broker, topic, reader, archived, pool } = world;
  const version = await publishEmptyVersion(pool, view, broker.bounds(topic));
  const stream = (from: LogReader, attemptMs: number) =>
    runStream({
      view,
      version,
      pool,
      reader: from,
      clock: systemClock,
      until: 'present-end',
      fence: { generation: 1, attemptMs, owner: 'test' },
    });
  for (const partition of [0, 1])
    appendPurchases(broker, topic, partition, partition * 5_000, partition * 5_000 + 1_000);
  await stream(archived, 1);
  for (const partition of [0, 1])
    appendPurchases(broker, topic, partition, partition * 5_000 + 1_000, partition * 5_000 + 3_000);
  await world.archive({ roll: { rows: 700 } });
  const { states } = await replayTopic(view, reader);
  broker.deleteBefore(topic, 0, 2_990);
  broker.deleteBefore(topic, 1, 3_000);
  expect(await codeOf(stream(reader, 2))).toBe('offsets-gone');
  expect(await stream(archived, 3)).toMatchObject({ ended: 'present-end', records: 4_000, lag: 0 });
  expect(await stateBytes(pool, view, version)).toEqual(states);
});
