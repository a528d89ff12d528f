import { afterEach, expect, inject, test } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { ExplainOptions, Explanation } from '../../engine/parity/explanation.ts';
import { type Purchase, purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { explainEntity } from './explain-entity.ts';
import { openWorld, type ParityWorld } from './parity-world.ts';

const HOUR_US = 3_600_000_000;

let open: (ParityWorld & { close(): Promise<void> }) | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

/** Hours since now began: the stream's commits are made at the database's present. */
async function world(options: { largest?: boolean; dayBefore?: boolean } = {}): Promise<{
  run: ParityWorld;
  startUs: number;
  readonly buy: (hour: number, purchase: Partial<Purchase>) => void;
}> {
  const startUs = Math.floor(Date.now() / 3_600_000) * HOUR_US - 40 * HOUR_US;
  open = await openWorld(inject('stack').databaseUrl, {
    view:
      options.dayBefore === true
        ? withDayBefore(spendingView({ topic: 'purchases' }))
        : spendingView({ topic: 'purchases', ...options }),
    nowUs: startUs + 40.5 * HOUR_US,
  });
  const run = open;
  const buy = (hour: number, purchase: Partial<Purchase>): void =>
    run.append(0, [
      {
        value: purchaseBytes({
          id: `at-${hour}`,
          at: new Date((startUs + hour * HOUR_US) / 1000).toISOString(),
          customer: 'ana',
          amount: hour * 10,
          ...purchase,
        }),
        timestampUs: startUs + hour * HOUR_US,
      },
    ]);
  return { run, startUs, buy };
}

/** With the number of purchases on the day before the last, too. */
function withDayBefore(view: CompiledView): CompiledView {
  const [count] = view.layout.features;
  const before = { ...count!, name: 'purchases_1d_before', agoUs: 24 * HOUR_US, default: -1 };
  return { ...view, layout: { ...view.layout, features: [...view.layout.features, before] } };
}

const explain = (run: ParityWorld, more: Partial<ExplainOptions> = {}): Promise<Explanation> =>
  explainEntity(run, 'ana', more);

test('the present value of every feature, its tiles, its records and the lag', async () => {
  const { run, startUs, buy } = await world();
  const iso = (hour: number): string => new Date((startUs + hour * HOUR_US) / 1000).toISOString().replace('Z', '000Z');
  for (const hour of [1, 2, 20, 20.5]) buy(hour, {});
  buy(3, { customer: 'bo', id: 'of-bo' });
  buy(21, { amount: null });
  await run.backfill();
  for (const hour of [30, 30.5, 31]) buy(hour, {});
  await run.stream({ batchRecords: 2 });
  buy(32, {});
  const explanation = await explain(run, { maxRecords: 2 });
  expect(explanation).toMatchObject({
    view: 'spending',
    version: 1,
    entity: { customer: 'ana' },
    from: 'store',
    asOf: iso(40.5),
    found: true,
    ahead: false,
    seq: 2,
    lag: {
      commit: 2,
      newestEventTime: iso(31),
      offsets: [{ partition: 0, nextOffset: 9 }, { partition: 1 }],
      recordsBehind: 1,
    },
  });
  const [count, sum, last] = explanation.features as [
    Explanation['features'][0],
    Explanation['features'][0],
    Explanation['features'][0],
  ];
  // From 16:30 on, one hop at most before: 20, 20:30, 21, 30, 30:30, 31.
  expect(count).toMatchObject({ name: 'purchases_1d', value: 6, replayed: 6, windowSeconds: 86_400, hopSeconds: 3600 });
  expect(count.tiles.map(({ from, value }) => [from, value])).toEqual([
    [iso(31), 1],
    [iso(30), 2],
    [iso(21), 1],
    [iso(20), 2],
  ]);
  expect(count.records.map(({ offset, seq, value }) => [offset, seq, value])).toEqual([
    [8, 2, true],
    [7, 1, true],
  ]);
  expect(count.moreRecords).toBe(4);
  expect(sum).toMatchObject({ value: 10 + 20 + 200 + 205 + 300 + 305 + 310, moreRecords: 5 });
  expect(sum.replayed).toBe(sum.value);
  expect(last).toMatchObject({ value: 310, deciding: { offset: 8, eventTime: iso(31), eventId: 'at-31' } });
  expect(last.tiles).toEqual([{ index: 0, from: null, until: null, value: 310 }]);
});

test('of a window of the past the tiles and the records it saw then, whole', async () => {
  const { run, startUs, buy } = await world({ dayBefore: true });
  const iso = (hour: number): string => new Date((startUs + hour * HOUR_US) / 1000).toISOString().replace('Z', '000Z');
  // Read at 40:30: a day before, the window covers the tiles of -8 to 16.
  for (const hour of [-8.5, -8, 2, 2.5, 16]) buy(hour, {});
  await run.backfill();
  for (const hour of [16.9, 17, 39]) buy(hour, {});
  await run.stream();
  const [count, , , before] = (await explain(run)).features;
  expect(count).toMatchObject({ value: 4 });
  expect(count).not.toHaveProperty('agoSeconds');
  expect(count).not.toHaveProperty('default');
  expect(before).toMatchObject({
    name: 'purchases_1d_before',
    value: 5,
    replayed: 5,
    windowSeconds: 86_400,
    agoSeconds: 86_400,
    default: -1,
    moreRecords: 0,
  });
  expect(before!.tiles.map(({ from, value }) => [from, value])).toEqual([
    [iso(16), 2],
    [iso(2), 2],
    [iso(-8), 1],
  ]);
  expect(before!.records.map(({ eventId }) => eventId)).toEqual(['at-16.9', 'at-16', 'at-2.5', 'at-2', 'at--8']);
});

test('of maxBy the records with what they are ordered by, and the one whose value it is: of equal ones the latest', async () => {
  const { run, buy } = await world({ largest: true });
  buy(1, { amount: 70 });
  await run.backfill();
  buy(2, { amount: 70 });
  buy(3, { amount: null });
  buy(4, { amount: 5 });
  await run.stream();
  const largest = (await explain(run)).features.find(({ name }) => name === 'largest_id')!;
  expect(largest).toMatchObject({
    value: 'at-2',
    replayed: 'at-2',
    deciding: { eventId: 'at-2', value: 'at-2', order: 70 },
  });
  expect(largest.records.map(({ value, order }) => [value, order])).toEqual([
    ['at-4', 5],
    ['at-2', 70],
    ['at-1', 70],
  ]);
});

test('what was served at an earlier time, and what came too late for it', async () => {
  const { run, startUs, buy } = await world();
  buy(1, { amount: 10 });
  await run.backfill();
  const before = await run.pool.query<{ us: string }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint::text AS us',
  );
  buy(2, { amount: 20 });
  buy(3, { amount: 30, customer: 'bo' });
  await run.stream();
  const atUs = Number(before.rows[0]!.us);
  const then = await explain(run, { atUs });
  expect(then).toMatchObject({ from: 'replay', found: true, seq: 0 });
  expect(then.features.map(({ value }) => value)).toEqual([0, 10, 10]);
  expect(then.lag).toMatchObject({
    commit: 0,
    committedAt: null,
    recordsBehind: 2,
    appliedLater: { count: 1, records: [{ offset: 1, eventId: 'at-2', seq: 1 }] },
  });
  await expect(explain(run, { atUs: startUs })).rejects.toMatchObject({ code: 'not-served-then' });
});

test('what earlier semantics built is not explained by these, now or as it was served then', async () => {
  const { run, buy } = await world();
  buy(1, { amount: 10 });
  await run.backfill();
  const then = Date.now() * 1000;
  await run.upgradeEngine();
  for (const more of [{}, { atUs: then }])
    await expect(explain(run, more)).rejects.toMatchObject({
      code: 'semantics-retired',
      httpStatus: 409,
      message: expect.stringMatching(/only reads what was built before; it was never proven$/) as string,
    });
  await run.pool.query(
    `INSERT INTO millrace_catalog.parity_audit (view, version, fingerprint, kind, verdict, seq, entities, reads, cells_compared, cells_differing, skipped, causes, started_at, finished_at)
     SELECT view, 1, 'before', 'promotion', verdict, 0, 1, 0, 3, 0, '{}', '{}', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'
     FROM millrace_catalog.view_version, unnest('{equal,nothing-compared}'::text[]) AS verdict WHERE version = 1`,
  );
  await expect(explain(run)).rejects.toMatchObject({
    message: expect.stringMatching(
      /; its last proof, of 2026-01-01T00:00:01\.000000Z, was equal: 0 of 3 cells differed$/,
    ) as string,
    details: { version: 1, proof: { verdict: 'equal', auditId: 1 } },
  });
  await run.backfill();
  expect(await explain(run)).toMatchObject({ version: 2, from: 'store' });
  await expect(explain(run, { atUs: then })).rejects.toMatchObject({ code: 'semantics-retired' });
});

test('an entity without events, a wrong key, and a store that differs from the log', async () => {
  const { run, buy } = await world();
  buy(1, { amount: 10 });
  await run.backfill();
  const nobody = await explain(run, { key: ['nobody'] });
  expect(nobody).toMatchObject({ found: false, seq: null, lag: { newestEventTime: null } });
  expect(nobody.features.map(({ value, tiles, records }) => [value, tiles, records])).toEqual([
    [0, [], []],
    [null, [], []],
    [null, [], []],
  ]);
  await expect(explain(run, { key: [7] })).rejects.toMatchObject({ code: 'invalid-key' });
  await run.corruptState('ana', (state) => {
    const event = { keyText: 'ana', key: ['ana'], id: 'x', partition: 0, offset: 0, inputs: [true, 5, 5] };
    run.reducer.apply(state, { ...event, eventTimeUs: state.newestEventTimeUs });
  });
  const { features } = await explain(run);
  expect(features.map(({ value, replayed }) => [value, replayed])).toEqual([
    [0, 0],
    [15, 10],
    [5, 10],
  ]);
});

test('a sum that does not fit, a tile alone included, and a state that is corrupt', async () => {
  const { run, buy } = await world();
  for (const hour of [1, 1.25, 20]) buy(hour, { amount: Number.MAX_SAFE_INTEGER });
  buy(2, { amount: 5 });
  await run.backfill();
  const error = { error: 'value-out-of-range' };
  const [count, sum, last] = (await explain(run)).features;
  expect(count).toMatchObject({ name: 'purchases_1d', value: 1 });
  expect(sum).toMatchObject({ name: 'spent_7d', value: error, replayed: error });
  expect(sum!.tiles.map(({ value }) => value)).toEqual([Number.MAX_SAFE_INTEGER, 5, error]);
  expect(last).toMatchObject({ value: Number.MAX_SAFE_INTEGER });
  expect((await explain(run)).corrupt).toBe(null);
  await run.corrupt(
    'ana',
    (bytes) => {
      bytes[bytes.length - 20]! ^= 1;
      return bytes;
    },
    false,
  );
  const corrupt = await explain(run);
  expect(corrupt).toMatchObject({
    from: 'store',
    found: true,
    ahead: false,
    seq: 0,
    corrupt: expect.stringContaining('checksum') as string,
    lag: { newestEventTime: null },
  });
  expect(corrupt.features.map(({ value, replayed, tiles }) => [value, replayed, tiles])).toEqual([
    [{ error: 'state-corrupt' }, 1, []],
    [{ error: 'state-corrupt' }, error, []],
    [{ error: 'state-corrupt' }, Number.MAX_SAFE_INTEGER, []],
  ]);
});
