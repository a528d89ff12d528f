import { afterEach, expect, inject, test } from 'vitest';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { replayTopic } from '../stream/replay.ts';
import { stateBytes } from '../stream/stream-fixture.ts';
import { openWorld, type ParityWorld, SERVED_TOPIC } from '../parity/parity-world.ts';
import { backUp, goBackTo } from './rewind.ts';

const DAY_US = 86_400_000_000;
const CUSTOMERS = ['ana', 'bo', 'cy'].map((customer) => [customer]);

let open: (ParityWorld & { close(): Promise<void> })[] = [];
afterEach(async () => {
  for (const world of open) await world.close();
  open = [];
});

async function started(): Promise<ParityWorld> {
  const view = spendingView({ topic: 'purchases' });
  const world = await openWorld(inject('stack').databaseUrl, { view, nowUs: 10 * DAY_US });
  open.push(world);
  purchases(world, 0, 20);
  await world.backfill();
  return world;
}

function purchases(world: ParityWorld, from: number, until: number): void {
  for (let n = from; n < until; n++) {
    const value = purchaseBytes({
      id: `p${n}`,
      at: new Date(5 * 86_400_000 + n * 60_000).toISOString(),
      customer: CUSTOMERS[n % CUSTOMERS.length]![0]!,
      amount: n,
    });
    world.append(n % 2, [{ value, timestampUs: 9 * DAY_US }]);
  }
}

/** Streams on, is read, is put back to before that, and streams the same again in other commits. */
async function wentBack(world: ParityWorld, serveLost: () => Promise<unknown>): Promise<void> {
  const backup = await backUp(world.pool);
  purchases(world, 20, 50);
  await world.stream({ batchRecords: 4 });
  await serveLost();
  await goBackTo(world.pool, backup);
  await world.stream({ batchRecords: 2 });
  await world.serve(CUSTOMERS);
}

test('reads of commits that a restore took away are counted, and are no difference; those of the numbers given again are held to the log', async () => {
  const world = await started();
  await world.serve(CUSTOMERS);
  let lost: (number | null)[] = [];
  await wentBack(world, async () => {
    const reads = await world.serve(CUSTOMERS);
    lost = reads.map(({ seq }) => seq);
    expect(reads.every(({ commitId }) => commitId !== null)).toBe(true);
  });
  const result = await world.audit();
  expect(result).toMatchObject({ verdict: 'equal', cellsDiffering: 0, reads: 6, skipped: { 'lost-commit': 3 } });
  // Numbers were given again: some of the lost reads name one that another commit has now.
  expect(Math.min(...lost.map(Number))).toBeLessThanOrEqual(result.seq);
  expect(await stateBytes(world.pool, world.view, 1)).toEqual((await replayTopic(world.view, world.reader)).states);
});

test('without an id such a read is taken for one of the commit that has its number now', async () => {
  const world = await started();
  await wentBack(world, () => world.serve(CUSTOMERS, { change: (read) => ({ ...read, commitId: null }) }));
  const { verdict, skipped } = await world.audit();
  // What the ids are for: the same history is a broken parity.
  expect(verdict).toBe('broken');
  expect(skipped['lost-commit'] ?? 0).toBeLessThan(3);
});

test('a version that was lost, and another that got its number, are told apart: found or not', async () => {
  const world = await started();
  const backup = await backUp(world.pool);
  await world.backfill();
  const keys = [...CUSTOMERS, ['dee']];
  expect((await world.serve(keys)).map(({ version, found }) => [version, found])).toEqual([
    [2, true],
    [2, true],
    [2, true],
    [2, false],
  ]);
  // Of the version before: it is there again, and still.
  await goBackTo(world.pool, backup);
  expect((await world.serve(keys))[0]).toMatchObject({ version: 1 });
  // Now the log has a purchase of the one who was not found.
  world.append(0, [{ value: purchaseBytes({ id: 'd', at: '1970-01-06T00:00:00Z', customer: 'dee', amount: 1 }) }]);
  await world.backfill();
  const [again] = await world.serve(keys);
  expect(again).toMatchObject({ version: 2, seq: 0 });
  expect(await world.audit()).toMatchObject({
    verdict: 'equal',
    cellsDiffering: 0,
    reads: 8,
    skipped: { 'lost-commit': 4 },
  });
  // A lost version whose number nobody has.
  await goBackTo(world.pool, backup);
  expect((await world.audit()).skipped).toMatchObject({ 'lost-commit': 8 });
});

test('reads of before there were ids are matched by number, as they were', async () => {
  const world = await started();
  purchases(world, 20, 40);
  await world.stream({ batchRecords: 4 });
  await world.serve(CUSTOMERS);
  await world.pool.query('UPDATE millrace_catalog.commit_record SET commit_id = NULL');
  await world.pool.query(`UPDATE ${await world.stateTable()} SET state_commit = NULL`);
  await world.serve(CUSTOMERS);
  const records = world.broker.bounds(SERVED_TOPIC).partitions[0]!.endOffset;
  expect(records).toBe(6);
  expect(await world.audit()).toMatchObject({ verdict: 'equal', reads: 6, skipped: {} });
});
