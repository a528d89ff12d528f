import { afterEach, expect, inject, test } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { AuditResult } from '../../engine/parity/audit-types.ts';
import type { ParityDifference } from '../../engine/postgres/parity-audits.ts';
import { latestAudits } from '../../engine/postgres/parity-audits.ts';
import { StateInspector } from '../../engine/state/inspect-state.ts';
import { type Purchase, purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { openWorld, type ParityWorld, type Place } from './parity-world.ts';
import { storedDifferences } from './stored-differences.ts';

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;
const START_US = Date.UTC(2026, 0, 1) * 1000;

let open: (ParityWorld & { close(): Promise<void> }) | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

/** Purchase number `index`: an hour and a bit after the one before, of one of three customers. */
function purchase(index: number, more: Partial<Purchase> = {}): Purchase {
  return {
    id: `id-${index}`,
    at: new Date((START_US + index * 1.3 * HOUR_US) / 1000).toISOString(),
    customer: ['ana', 'bo', 'cy'][index % 3]!,
    amount: 100 + index * index,
    ...more,
  };
}

async function world(
  more: {
    view?: CompiledView;
    purchases?: number;
    backfilled?: number;
    change?: (index: number) => Partial<Purchase>;
  } = {},
): Promise<ParityWorld> {
  const { view = spendingView({ topic: 'purchases' }), purchases = 60, backfilled = 20 } = more;
  open = await openWorld(inject('stack').databaseUrl, { view, nowUs: START_US + 4 * DAY_US });
  const append = (from: number, to: number): void => {
    for (let index = from; index < to; index++)
      open!.append(index % 2, [
        { value: purchaseBytes(purchase(index, more.change?.(index))), timestampUs: START_US + 4 * DAY_US },
      ]);
  };
  append(0, backfilled);
  await open.backfill();
  append(backfilled, purchases);
  return open;
}

/** Where purchase number `index` stands. */
function placeOf(index: number): Place {
  return { partition: index % 2, offset: index >> 1 };
}

const placed = ({ records }: ParityDifference): Place[] =>
  records.map(({ partition, offset }) => ({ partition, offset }));

const ALL = [['ana'], ['bo'], ['cy']];

/** What readers get of a corrupt state, cell by cell. */
const CORRUPT = { error: 'state-corrupt' };

function only(result: AuditResult): ParityDifference {
  expect(result.verdict).toBe('broken');
  expect(result.cellsDiffering).toBeGreaterThan(0);
  expect(result.differences).toHaveLength(1);
  return result.differences[0]!;
}

test('a dropped record is found, also after more records were applied and in the reads of the time', async () => {
  const run = await world();
  // Purchase 37 is bo's; many of bo's follow.
  await run.stream({ drop: [placeOf(37)] });
  await run.serve(ALL);
  const result = await run.audit();
  const difference = only(result);
  expect(difference).toMatchObject({ cause: 'missing-record', entity: { customer: 'bo' } });
  expect(placed(difference)).toEqual([placeOf(37)]);
  expect(difference.detail).toContain('1 further logged read');
  expect(result.causes).toEqual({ 'missing-record': 1 });
  expect(result).toMatchObject({ entities: 3, reads: 3 });
  // What the audit found stands in the catalog.
  const [latest] = await latestAudits(run.pool, 'spending');
  expect(latest).toMatchObject({ auditId: result.auditId, verdict: 'broken', causes: result.causes });
  expect(await storedDifferences(run.pool, result.auditId)).toEqual(result.differences);
});

test('a dropped record is found by the reads alone: the one that fits all of them', async () => {
  const run = await world({ purchases: 20 });
  for (let index = 20; index < 50; index++) {
    run.append(index % 2, [{ value: purchaseBytes(purchase(index)), timestampUs: START_US + 4 * DAY_US }]);
    run.clock.us = Date.parse(purchase(index).at) * 1000 + 1;
    await run.stream({ drop: [placeOf(37)] });
    await run.serve([['bo']]);
  }
  const result = await run.audit({ limits: { entities: 0 } });
  const difference = only(result);
  expect(difference).toMatchObject({
    cause: 'missing-record',
    requestId: 'request-21',
    detail: expect.not.stringContaining('others'),
  });
  expect(placed(difference)).toEqual([placeOf(37)]);
  // Reads carry the commit that wrote their row: those from bo's next purchase on, the 40th, cannot be right without the 37th.
  expect(result).toMatchObject({ reads: 30, entities: 0 });
  expect(difference.detail).toContain('it explains 9 further logged reads');
});

test('dropped records of a run of offsets are named, no more and no fewer', async () => {
  const run = await world();
  const dropped = [31, 37, 43].map(placeOf);
  await run.stream({ drop: dropped });
  const difference = only(await run.audit());
  expect(difference.cause).toBe('missing-record');
  expect(placed(difference)).toEqual(dropped);
});

test('records dropped here and there', async () => {
  const run = await world();
  const dropped = [22, 31, 43, 55].map(placeOf);
  await run.stream({ drop: dropped });
  await run.serve(ALL);
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'missing-record', entity: { customer: 'bo' } });
  expect(placed(difference)).toEqual(dropped);
});

test('a record of the newest tile, and the only record of an entity', async () => {
  const run = await world({ change: (index) => (index === 41 ? { customer: 'dee' } : {}) });
  await run.stream({ drop: [placeOf(59), placeOf(41)] });
  const result = await run.audit();
  expect(
    result.differences.map((difference) => [difference.entity['customer'], difference.cause, placed(difference)]),
  ).toEqual([
    ['cy', 'missing-record', [placeOf(59)]],
    ['dee', 'missing-record', [placeOf(41)]],
  ]);
});

test('a doubled record, also after more records were applied', async () => {
  const run = await world({ purchases: 40 });
  await run.stream();
  await run.corruptState('bo', (state) => {
    const { id, at, amount } = purchase(28);
    const inputs = [true, amount, amount];
    const place = { key: ['bo'], keyText: 'bo', ...placeOf(28) };
    run.reducer.apply(state, { ...place, id, eventTimeUs: Date.parse(at) * 1000, inputs });
  });
  for (let index = 40; index < 60; index++)
    run.append(index % 2, [{ value: purchaseBytes(purchase(index)), timestampUs: START_US + 4 * DAY_US }]);
  await run.stream();
  await run.serve(ALL);
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'duplicated-record', entity: { customer: 'bo' } });
  expect(placed(difference)).toEqual([placeOf(28)]);
  expect(difference.detail).toContain('1 further logged read');
});

test('a changed byte', async () => {
  const run = await world();
  await run.stream();
  await run.corrupt(
    'ana',
    (bytes) => {
      bytes[bytes.length - 20]! ^= 1;
      return bytes;
    },
    false,
  );
  const [read] = await run.serve(ALL);
  expect(read).toMatchObject({ values: [null, null, null], errors: { '*': 'state-corrupt' } });
  const result = await run.audit();
  const difference = only(result);
  expect(difference).toMatchObject({ cause: 'store-corruption', entity: { customer: 'ana' }, records: [] });
  expect(difference.cells.map(({ received }) => received)).toEqual([CORRUPT, CORRUPT, CORRUPT]);
  // All cells of the state, and of the read that found it so.
  expect(result.cellsDiffering).toBe(6);
  expect(difference.detail).toContain('it explains 1 further logged read');
});

test('a read that found a changed byte, of a row that is sound again', async () => {
  const run = await world();
  await run.stream();
  let sound = Buffer.alloc(0);
  await run.corrupt(
    'ana',
    (bytes) => {
      sound = Buffer.from(bytes);
      bytes[bytes.length - 20]! ^= 1;
      return bytes;
    },
    false,
  );
  await run.serve(ALL);
  await run.serve([['ana']]);
  await run.corrupt('ana', () => sound);
  await run.serve(ALL);
  const difference = only(await run.audit());
  expect(difference).toMatchObject({
    cause: 'store-corruption',
    entity: { customer: 'ana' },
    requestId: 'request-1',
    detail: 'the read found a stored state that was corrupt; it explains 1 further logged read too',
  });
  expect(difference.cells.map(({ received }) => received)).toEqual([CORRUPT, CORRUPT, CORRUPT]);
});

test('sums that do not fit are equal where the log says so, and told from nulls and values', async () => {
  const run = await world({ change: (index) => (index % 3 === 0 ? { amount: Number.MAX_SAFE_INTEGER } : {}) });
  await run.stream();
  const [read] = await run.serve(ALL);
  expect(read).toMatchObject({ errors: { spent_7d: 'value-out-of-range' } });
  expect(await run.audit()).toMatchObject({ verdict: 'equal', entities: 3, reads: 3, cellsDiffering: 0 });
  // A null that is none for nothing: the same bits, another cell.
  await run.serve([['ana']], { change: (served) => ({ ...served, errors: null }) });
  const difference = only(await run.audit());
  expect(difference.cells).toEqual([
    { feature: 'spent_7d', expected: { error: 'value-out-of-range' }, received: null },
  ]);
});

test('bytes that are no state, with a checksum that goes with them', async () => {
  const run = await world();
  await run.stream();
  await run.corrupt('ana', (bytes) => bytes.subarray(0, bytes.length - 3));
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'store-corruption' });
  expect(difference.cells.map(({ received }) => received)).toEqual([CORRUPT, CORRUPT, CORRUPT]);
});

test('a shifted tile, with a checksum that goes with it, and that grew at its own place since', async () => {
  const run = await world();
  await run.stream();
  const inspector = new StateInspector(run.view.layout);
  let shifted = 0;
  await run.corruptState('cy', (state) => {
    const [hourly] = inspector.groups(state);
    shifted = hourly!.tiles[4]!.index;
    expect(inspector.moveTile(state, 0, shifted, shifted + 1)).toBe(true);
  });
  const first = only(await run.audit());
  expect(first).toMatchObject({ cause: 'shifted-tile', entity: { customer: 'cy' } });
  expect(first.records).toHaveLength(1);
  expect(Math.floor((Date.parse(first.records[0]!.eventTime) * 1000) / HOUR_US)).toBe(shifted);
  const late = new Date((shifted * HOUR_US) / 1000 + 5).toISOString();
  run.append(0, [
    { value: purchaseBytes({ id: 'late', at: late, customer: 'cy', amount: 1 }), timestampUs: START_US + 4 * DAY_US },
  ]);
  await run.stream();
  const again = only(await run.audit());
  expect(again).toMatchObject({ cause: 'shifted-tile', records: first.records });
});

test('another version’s code', async () => {
  const run = await world({ purchases: 40 });
  await run.stream();
  const view = run.view;
  const foreign: CompiledView = {
    ...view,
    fingerprint: 'e'.repeat(64),
    prepare: (event, out) => {
      const outcome = view.prepare(event, out);
      if (outcome === 'ok' && out.keyText === 'bo') out.inputs[1] = (out.inputs[1] as number) * 2;
      return outcome;
    },
  };
  run.append(0, [{ value: purchaseBytes(purchase(40)), timestampUs: START_US + 4 * DAY_US }]);
  await run.streamForeign(foreign);
  for (let index = 41; index < 50; index++)
    run.append(index % 2, [{ value: purchaseBytes(purchase(index)), timestampUs: START_US + 4 * DAY_US }]);
  await run.stream();
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'definition-version', entity: { customer: 'bo' } });
  expect(placed(difference)).toEqual([placeOf(40)]);
  expect(difference.cells.map(({ feature }) => feature)).toEqual(['spent_7d']);
});

test('a tile expired too early', async () => {
  // Purchases 1 and 4 are bo's first: two records in the oldest tile, or a record left out would explain it as well.
  const run = await world({ change: (index) => (index === 4 ? { at: purchase(1).at } : {}) });
  await run.stream();
  const inspector = new StateInspector(run.view.layout);
  let gone = 0;
  await run.corruptState('bo', (state) => {
    gone = inspector.groups(state)[0]!.tiles[0]!.index;
    inspector.removeTiles(state, 0, new Set([gone]));
  });
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'expired-tile', entity: { customer: 'bo' } });
  expect(placed(difference)).toEqual([placeOf(4), placeOf(1)]);
  expect(Math.floor((Date.parse(difference.records[0]!.eventTime) * 1000) / HOUR_US)).toBe(gone);
});

test('order: a tie broken the wrong way', async () => {
  // Purchases 30 and 33 are ana's; they tie here, and are her last.
  const at = new Date((START_US + 75 * HOUR_US) / 1000).toISOString();
  const run = await world({ change: (index) => (index === 30 || index === 33 ? { at } : {}) });
  await run.stream();
  await run.corruptState('ana', (state) => {
    const right = run.reducer.empty();
    const event = { keyText: 'ana', key: ['ana'], eventTimeUs: Date.parse(at) * 1000, partition: 0, offset: 15 };
    run.reducer.apply(right, { ...event, id: 'id-30', inputs: [true, 1000, 1000] });
    const groups = (of: unknown): { cells: number[]; refs: unknown[] }[] =>
      (of as { groups: { cells: number[]; refs: unknown[] }[] }).groups;
    const lifetime = groups(state)[1]!;
    const other = groups(right)[1]!;
    lifetime.cells.splice(0, lifetime.cells.length, ...other.cells);
    lifetime.refs.splice(0, lifetime.refs.length, ...other.refs);
  });
  const difference = only(await run.audit());
  expect(difference).toMatchObject({
    cause: 'order',
    cells: [{ feature: 'last_amount', expected: 100 + 33 * 33, received: 1000 }],
  });
  expect(placed(difference)).toEqual([placeOf(30), placeOf(33)]);
});

test('order: of two events with the greatest y, a maxBy that holds the earlier', async () => {
  const at = (hour: number): string => new Date((START_US + hour * HOUR_US) / 1000).toISOString();
  const change = (index: number): Partial<Purchase> =>
    index === 30 ? { at: at(75), amount: 5000 } : index === 33 ? { at: at(76), amount: 5000 } : {};
  const run = await world({ view: spendingView({ topic: 'purchases', largest: true }), change });
  await run.stream();
  await run.corruptState('ana', (state) => {
    const groups = (of: unknown): { cells: number[]; refs: unknown[] }[] =>
      (of as { groups: { cells: number[]; refs: unknown[] }[] }).groups;
    const [, lifetime] = groups(state);
    // Its time, and its id beside its value; before them stands `last`.
    expect([lifetime!.cells[3], lifetime!.refs[1]]).toEqual([START_US + 76 * HOUR_US, 'id-33']);
    lifetime!.cells[3] = START_US + 75 * HOUR_US;
    lifetime!.refs[1] = 'id-30';
    lifetime!.refs[2] = 'id-30';
  });
  const difference = only(await run.audit());
  expect(difference).toMatchObject({
    cause: 'order',
    cells: [{ feature: 'largest_id', expected: 'id-33', received: 'id-30' }],
  });
  expect(placed(difference)).toEqual([placeOf(30), placeOf(33)]);
});

test('a row that is gone, and one that no record accounts for', async () => {
  const run = await world();
  await run.stream();
  const table = await run.stateTable();
  await run.pool.query(`DELETE FROM ${table} WHERE customer = 'ana'`);
  await run.pool.query(
    `INSERT INTO ${table} (customer, seq, state, state_crc) SELECT 'zoe', seq, state, state_crc FROM ${table} WHERE customer = 'bo'`,
  );
  const result = await run.audit();
  expect(result.differences.map(({ entity, cause }) => [entity['customer'], cause])).toEqual([
    ['ana', 'store-corruption'],
    ['zoe', 'store-corruption'],
  ]);
  expect(result.cellsDiffering).toBe(6);
  const promotion = await run.audit({ kind: 'promotion' });
  expect(promotion).toMatchObject({ verdict: 'broken', cellsDiffering: 6, entities: 4 });
  expect(promotion.differences.map(({ cause }) => cause)).toEqual(['store-corruption', 'store-corruption']);
});

test('reads that served something else than the state', async () => {
  const run = await world();
  await run.stream();
  await run.serve(ALL);
  await run.serve([['ana']], { change: (read) => ({ ...read, values: read.values.with(0, 77) }) });
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ entity: { customer: 'ana' }, requestId: 'request-2' });
  expect(difference.cells).toMatchObject([{ feature: 'purchases_1d', received: 77 }]);
  expect(difference.cause).toBe('unexplained');
});

test('a stale read: the records of the commits it missed', async () => {
  const run = await world({ purchases: 40 });
  await run.stream();
  const [stale] = await run.serve([['ana']]);
  for (let index = 42; index < 50; index += 3)
    run.append(index % 2, [{ value: purchaseBytes(purchase(index)), timestampUs: START_US + 4 * DAY_US }]);
  await run.stream({ batchRecords: 1 });
  await run.serve([['ana']], { change: (read) => ({ ...read, values: stale!.values }) });
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'missing-record', requestId: 'request-2' });
  expect(difference.records).toHaveLength(3);
});

test('with more differing entities than are diagnosed, all cells are counted', async () => {
  const run = await world();
  await run.stream();
  const table = await run.stateTable();
  await run.pool.query(`DELETE FROM ${table}`);
  const result = await run.audit({ limits: { differences: 1 } });
  expect(result).toMatchObject({ cellsDiffering: 9, causes: { 'store-corruption': 1, 'not-diagnosed': 2 } });
});
