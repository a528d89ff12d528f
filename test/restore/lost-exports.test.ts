import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import { exportSpine, openWorld, publish, type ServedWorld, stream } from '../as-served/served-fixture.ts';
import { testClock } from '../stream/stream-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';

const SERVED = 'served';
let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

function purchase(id: string, amount: number): void {
  const value = purchaseBytes({ id, at: '2001-01-01T12:00:00Z', customer: 'ana', amount });
  world.broker.append('purchases', 0, [{ value, timestampUs: 1e15 }]);
}

/** Serves one customer and logs it. */
async function serve(view: string, requestId: string, customer: string): Promise<void> {
  const log = new ServingLog({
    writer: {
      send: async (topic, records) =>
        world.broker.append(
          topic,
          0,
          records.map(({ key, value, timestampMs }) => ({ key, value, timestampUs: timestampMs * 1000 })),
        ),
      close: async () => {},
    },
    topic: SERVED,
    clock: testClock,
    logId: requestId,
    sample: 1,
  });
  const store = createOnlineStore({ pool: world.pool, clock: testClock });
  const reads = await store.get(view, [[customer]], { atUs: Date.UTC(2001, 0, 2) * 1000 });
  log.offer(requestId, null, reads, [[customer]]);
  await log.close();
}

test('rows of commits that were lost since get what was served, and are counted', async () => {
  const servedTopic = SERVED;
  const view = spendingView({ topic: 'purchases' });
  world.broker.createTopic('purchases', 1);
  world.broker.createTopic(SERVED, 1);
  purchase('first', 5);
  const version = await publish(world, view);
  purchase('late', 7);
  await stream(world, view, version, 10);
  await serve(view.name, 'a', 'ana');
  await serve(view.name, 'b', 'nobody');
  const spine = [{ request_id: 'a' }, { request_id: 'b' }];
  const before = await exportSpine(world, [view], 'kept', spine, { servedTopic });
  expect(before.manifest.views[0]!.logged).toMatchObject({ rowsLostCommit: 0, rowsCommitUnknown: 0 });
  const lose = async (table: string): Promise<void> => {
    await world.pool.query(`UPDATE millrace_catalog.${table} SET commit_id = 7 WHERE view = $1`, [view.name]);
  };
  await lose('commit_record');
  const one = await exportSpine(world, [view], 'lost-one', spine, { servedTopic });
  expect(one.manifest.views[0]!.logged).toMatchObject({ rowsLostCommit: 1, rowsCommitUnknown: 0 });
  await lose('view_version');
  const both = await exportSpine(world, [view], 'lost-both', spine, { servedTopic });
  expect(both.manifest.views[0]!.logged).toMatchObject({ rowsLostCommit: 2 });
  await world.pool.query('DELETE FROM millrace_catalog.commit_record WHERE view = $1', [view.name]);
  const untold = await exportSpine(world, [view], 'untold', spine, { servedTopic });
  expect(untold.manifest.views[0]!.logged).toMatchObject({ rowsLostCommit: 0, rowsCommitUnknown: 2 });
  for (const { manifest } of [one, both, untold]) expect(manifest.sha256).toBe(before.manifest.sha256);
});
