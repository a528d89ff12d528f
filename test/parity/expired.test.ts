import { afterEach, expect, inject, test } from 'vitest';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { explainEntity } from './explain-entity.ts';
import { openWorld, type ParityWorld } from './parity-world.ts';

const HOUR_US = 3_600_000_000;
/** Hours since now: the stream's commits are made at the database's present. */
const START_US = Math.floor(Date.now() / 3_600_000) * HOUR_US - 40 * HOUR_US;

let open: (ParityWorld & { close(): Promise<void> }) | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

/** Purchases that expire after 12 hours, shorter than the windows; now is hour 20 and a half. */
async function world(lifetime = true): Promise<ParityWorld> {
  const view = spendingView({ topic: 'purchases', lifetime });
  open = await openWorld(inject('stack').databaseUrl, {
    view: { ...view, layout: { ...view.layout, expireUs: 12 * HOUR_US } },
    nowUs: START_US + 20.5 * HOUR_US,
  });
  return open;
}

function buy(run: ParityWorld, customer: string, hour: number): void {
  const atUs = START_US + hour * HOUR_US;
  const at = new Date(atUs / 1000).toISOString();
  const value = purchaseBytes({ id: `${customer}-${hour}`, at, customer, amount: 10 });
  run.append(0, [{ value, timestampUs: atUs }]);
}

test('reads of what had expired are right, before and after a later event', async () => {
  const run = await world();
  for (const hour of [1, 2, 8.5]) buy(run, 'edge', hour);
  buy(run, 'fresh', 9);
  buy(run, 'later', 1);
  await run.backfill();
  buy(run, 'streamed', 2);
  await run.stream();
  const keys = [['edge'], ['fresh'], ['later'], ['streamed'], ['nobody']];
  expect((await run.serve(keys)).map(({ found, values, seq }) => [found, values[0], seq])).toEqual([
    [false, 0, null],
    [true, 1, 0],
    [false, 0, null],
    [false, 0, null],
    [false, 0, null],
  ]);
  // To the microsecond, and of before.
  expect((await run.serve([['edge']], { atUs: run.clock.us - 1 })).map(({ found, seq }) => [found, seq])).toEqual([
    [true, 0],
  ]);
  buy(run, 'later', 20);
  await run.stream();
  expect((await run.serve(keys)).map(({ found, values }) => [found, values[0]])).toEqual([
    [false, 0],
    [true, 1],
    [true, 2],
    [false, 0],
    [false, 0],
  ]);
  const { verdict, reads, skipped } = await run.audit();
  expect({ verdict, reads, skipped }).toEqual({ verdict: 'equal', reads: 11, skipped: {} });
});

test('a read that found nothing where there was something that had not expired is broken parity', async () => {
  const run = await world();
  buy(run, 'ana', 1);
  buy(run, 'ana', 9);
  await run.backfill();
  await run.serve([['ana']], {
    change: (read) => ({ ...read, found: false, seq: null, values: [0, null, null] }),
  });
  const { verdict, differences } = await run.audit();
  expect(verdict).toBe('broken');
  expect(differences).toMatchObject([
    { cause: 'store-corruption', detail: 'the read found no state of an entity that the backfill has one of' },
  ]);
});

test('a read of the values of before, where all had expired, is broken parity', async () => {
  const run = await world();
  buy(run, 'ana', 1);
  await run.backfill();
  const [then] = await run.serve([['ana']], { atUs: START_US + 2 * HOUR_US });
  expect(then).toMatchObject({ found: true, values: [1, 10, 10] });
  await run.serve([['ana']], { change: (read) => ({ ...read, found: true, seq: 0, values: then!.values }) });
  expect(await run.audit()).toMatchObject({ verdict: 'broken', cellsDiffering: 3 });
});

test('an explanation says since when an entity reads as never seen', async () => {
  const run = await world();
  for (const hour of [1, 8]) buy(run, 'ana', hour);
  await run.backfill();
  const expired = await explainEntity(run, 'ana');
  expect(expired).toMatchObject({
    found: false,
    expired: new Date((START_US + 20 * HOUR_US) / 1000).toISOString().replace('Z', '000Z'),
    seq: 0,
    ahead: false,
  });
  expect(expired.features.map(({ value, replayed, tiles, records }) => [value, replayed, tiles, records])).toEqual([
    [0, 0, [], []],
    [null, null, [], []],
    [null, null, [], []],
  ]);
  run.clock.us = START_US + 20 * HOUR_US - 1;
  const before = await explainEntity(run, 'ana');
  expect(before).toMatchObject({ found: true, expired: null, seq: 0 });
  expect(before.features[0]).toMatchObject({ value: 2, records: [{}, {}] });
});

test('rows that were removed are no difference, and rows that a read at the watermark does not see are not compared', async () => {
  const run = await world(false);
  const days = 24;
  for (const customer of ['ana', 'bo', 'cy']) buy(run, customer, 20 - 10 * days);
  buy(run, 'expired', 1);
  buy(run, 'ana', 20);
  await run.backfill();
  await run.serve([['bo']], { atUs: START_US + (21 - 10 * days) * HOUR_US });
  buy(run, 'ana', 20.2);
  await run.stream();
  const { rows } = await run.pool.query<{ customer: string }>(`SELECT customer FROM ${await run.stateTable()}`);
  expect(rows.map(({ customer }) => customer).sort()).toEqual(['ana', 'expired']);
  const keys = [['ana'], ['bo'], ['expired'], ['nobody']];
  expect((await run.serve(keys)).map(({ found }) => found)).toEqual([true, false, false, false]);
  expect(await explainEntity(run, 'bo')).toMatchObject({
    found: false,
    seq: null,
    expired: new Date((START_US + (32 - 10 * days) * HOUR_US) / 1000).toISOString().replace('Z', '000Z'),
    features: [
      { value: 0, replayed: 0 },
      { value: null, replayed: null },
    ],
  });
  // Of a time at which it had not expired: the row of then is gone.
  expect((await run.serve([['cy']], { atUs: START_US + (21 - 10 * days) * HOUR_US }))[0]).toMatchObject({
    found: false,
  });
  // Late by more than the longest window: it is back, as one who was never seen would be.
  buy(run, 'bo', 2);
  buy(run, 'cy', 20);
  await run.stream();
  await run.serve(keys);
  for (const kind of ['audit', 'promotion'] as const)
    expect(await run.audit({ kind })).toMatchObject({
      verdict: 'equal',
      entities: 2,
      skipped: kind === 'audit' ? { 'row-expired': 2 } : {},
    });
  await run.pool.query(`DELETE FROM ${await run.stateTable()} WHERE customer = 'expired'`);
  expect((await run.audit()).verdict).toBe('equal');
  await run.pool.query(`DELETE FROM ${await run.stateTable()} WHERE customer = 'cy'`);
  expect((await run.audit()).verdict).toBe('broken');
});

test('an expired row that readers find all the same, or find corrupt, is a difference', async () => {
  const run = await world(false);
  buy(run, 'ana', 1);
  buy(run, 'bo', 1);
  buy(run, 'cy', 20);
  await run.backfill();
  expect((await run.audit()).verdict).toBe('equal');
  await run.corruptState('ana', (state) => {
    const event = { keyText: 'ana', key: ['ana'], id: 'x', partition: 0, offset: 0, inputs: [true, 5] };
    run.reducer.apply(state, { ...event, eventTimeUs: START_US + 20 * HOUR_US });
  });
  expect(await run.audit()).toMatchObject({ verdict: 'broken', differences: [{ entity: { customer: 'ana' } }] });
  await run.corrupt('bo', (bytes) => bytes.fill(0xff, 9), false);
  const { differences } = await run.audit();
  expect(differences.map(({ entity }) => entity['customer'])).toEqual(['ana', 'bo']);
});
