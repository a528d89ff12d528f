import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { splitPaths } from '../../engine/training/split.ts';
import { testClock } from '../stream/stream-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { readParquet } from '../training/training-fixture.ts';
import { exportSpine, openWorld, publish, type ServedWorld, servingLogTo } from './served-fixture.ts';

let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

test('rows of requests are divided by when those were read, and sampled by the join keys they have', async () => {
  const [topic, servedTopic] = ['purchases', 'served'];
  const view = spendingView({ topic });
  world.broker.createTopic(topic, 1);
  world.broker.createTopic(servedTopic, 2);
  const value = purchaseBytes({ id: 'p', at: '2001-01-01T12:00:00Z', customer: 'ana', amount: 5 });
  world.broker.append(topic, 0, [{ value, timestampUs: 1e15 }]);
  await publish(world, view);
  const store = createOnlineStore({ pool: world.pool, clock: testClock });
  const logged = servingLogTo(world.broker, servedTopic);
  for (const [id, day] of [
    ['a', 4],
    ['b', 2],
    ['c', 3],
    ['d', 2],
  ] as const) {
    const answered = await store.get(view.name, [['ana']], { atUs: Date.UTC(2001, 0, day) * 1000 });
    logged.offer(id, null, answered, [['ana']]);
  }
  await logged.close();
  const rows = ['a', 'b', 'c', 'd'].map((request_id) => ({ request_id, customer: 'ana' }));
  const export_ = (of: readonly Record<string, unknown>[], more: object) =>
    exportSpine(world, [view], 'split', of, { servedTopic, ...more });
  const { manifest, out } = await export_(rows, { split: 0.6 });
  expect(manifest.split).toMatchObject({ at: '2001-01-03T00:00:00.000000Z', train: { rows: 2 }, test: { rows: 2 } });
  const { train, test: held } = splitPaths(out);
  const idsOf = async (file: string) => (await readParquet(file)).rows.map((row) => row['request_id']);
  expect([await idsOf(train), await idsOf(held)]).toEqual([
    ['b', 'd'],
    ['a', 'c'],
  ]);

  await expect(
    export_([...rows, { request_id: 'x', customer: 'ana' }], { split: 0.5, missing: 'null' }),
  ).rejects.toMatchObject({
    code: 'split-needs-times',
    message: expect.stringMatching(/^1 rows name requests that were never logged/) as string,
  });
  const withoutKeys = rows.map(({ request_id }) => ({ request_id }));
  await expect(export_(withoutKeys, { sample: 0.5 })).rejects.toMatchObject({ code: 'sample-needs-keys' });
  const sampled = (await export_(rows, { sample: 0.999_999_999 })).manifest;
  expect(sampled.sample).toEqual({ fraction: 0.999_999_999, by: ['customer'], ofRows: 4 });
});
