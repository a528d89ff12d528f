import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { blockOf } from '../../engine/define/service-blocks.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { splitPaths } from '../../engine/training/split.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { testClock } from '../stream/stream-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { readParquet } from '../training/training-fixture.ts';
import {
  exportSpine,
  HOUR,
  openWorld,
  publish,
  retime,
  type ServedWorld,
  servingLogTo,
  stream,
} from './served-fixture.ts';

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

test('entities of a view as they were served: known from their first event on, whenever it came', async () => {
  const topic = 'late';
  const view = { ...spendingView({ topic }), name: 'late' };
  world.broker.createTopic(topic, 1);
  const send = (id: string, customer: string, at: string): void => {
    world.broker.append(topic, 0, [{ value: purchaseBytes({ id, at, customer, amount: 5 }), timestampUs: 1e15 }]);
  };
  send('a', 'ana', '2001-01-01T12:00:00Z');
  const version = await publish(world, view);
  send('b', 'bo', '2001-01-01T13:00:00Z');
  await stream(world, view, version, 5);
  const dayUs = 24 * HOUR;
  const startUs = Date.UTC(2001, 0, 1) * 1000;
  // Bo's purchase came two days after it was made.
  await retime(world, view, version, { publishedUs: startUs, endedUs: null, commitsUs: [startUs + 3 * dayUs] });
  const out = join(world.folder, 'late.parquet');
  const options = {
    service: { name: 'model', blocks: [blockOf(view)] },
    grid: { entitiesOf: blockOf(view), every: '1d', from: '2001-01-02', to: '2001-01-06' },
    out,
    mode: 'as-served' as const,
    compare: true,
    pool: world.pool,
    archiveDir: null,
    reader: world.reader,
    spillDir: join(world.folder, 'spill'),
    clock: systemClock,
    overwrite: true,
  };
  const manifest = await exportTrainingSet(options);
  const bytes = await readFile(out);
  expect((await readParquet(out)).rows.map((row) => [row['customer'], row['late__last_amount']])).toEqual([
    ['ana', 5n],
    ['bo', null],
    ['ana', 5n],
    ['bo', null],
    ['ana', 5n],
    ['bo', 5n],
    ['ana', 5n],
    ['bo', 5n],
  ]);
  expect(manifest.comparison).toMatchObject({ labels: 8, labelsDiffering: 2 });
  send('c', 'cleo', '2001-01-01T14:00:00Z');
  await stream(world, view, version, 5);
  expect(await exportTrainingSet({ ...options, repeatOf: manifest })).toEqual(manifest);
  expect(bytes.equals(await readFile(out))).toBe(true);
  await expect(exportTrainingSet({ ...options, requestColumn: 'request_id' })).rejects.toMatchObject({
    code: 'requests-need-spine',
  });
});
