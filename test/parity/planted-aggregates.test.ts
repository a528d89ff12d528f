import { afterEach, describe, expect, inject, test } from 'vitest';
import type { AuditResult } from '../../engine/parity/audit-types.ts';
import type { ParityDifference } from '../../engine/postgres/parity-audits.ts';
import { openWorld, type ParityWorld, type Place } from './parity-world.ts';
import { type Sale, salesView } from './sales-view.ts';

/*
 * Faults planted in what has more than a number for each value: maps, lists, sketches and what is derived of them. Each is called by its
 * name, with entity, feature and record; also where the feature's reads are all that is known of it.
 */

const HOUR_US = 3_600_000_000;
const START_US = Date.UTC(2026, 0, 1) * 1000;
const SALES = 60;
const BACKFILLED = 20;
/** Bo's, as every third is; many of bo's follow. */
const VICTIM = 37;

let open: (ParityWorld & { close(): Promise<void> }) | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

/** Sale number `index`, a quarter of an hour after the one before: no two are of one amount, price and shop. */
function sale(index: number): Sale {
  return {
    id: `id-${index}`,
    at: new Date((START_US + index * 0.25 * HOUR_US) / 1000).toISOString(),
    customer: ['ana', 'bo', 'cy'][index % 3]!,
    amount: 100 + index * index,
    price: 1.5 ** index,
    shop: `shop ${index}`,
    channel: index % 4 === 0 ? 'app' : 'web',
  };
}

/** Where sale number `index` stands. */
function placeOf(index: number): Place {
  return { partition: index % 2, offset: index >> 1 };
}

const placed = ({ records }: ParityDifference): Place[] =>
  records.map(({ partition, offset }) => ({ partition, offset }));
const featuresOf = ({ cells }: ParityDifference): string[] => cells.map(({ feature }) => feature);

function append(run: ParityWorld, from: number, to: number): void {
  for (let index = from; index < to; index++)
    run.append(index % 2, [{ value: Buffer.from(JSON.stringify(sale(index))), timestampUs: START_US }]);
}

async function world(backfilled = BACKFILLED): Promise<ParityWorld> {
  open = await openWorld(inject('stack').databaseUrl, { view: await salesView(), nowUs: START_US + 16 * HOUR_US });
  append(open, 0, backfilled);
  await open.backfill();
  return open;
}

function only(result: AuditResult): ParityDifference {
  expect(result.verdict).toBe('broken');
  expect(result.differences).toHaveLength(1);
  return result.differences[0]!;
}

/** What a sale less shows in, whichever it is: nothing that holds a few of the first or last. */
const COUNTING = ['variance', 'stddev', 'shops', 'shops_about', 'amounts', 'dear', 'amount_by', 'sales_by', 'sales'];

test('a dropped record shows in every map, sketch and count of the stored state, and is named', async () => {
  const run = await world();
  append(run, BACKFILLED, SALES);
  await run.stream({ drop: [placeOf(VICTIM)] });
  await run.serve([['bo']]);
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'missing-record', entity: { customer: 'bo' } });
  expect(difference.detail).toContain('1 further logged read');
  expect(placed(difference)).toEqual([placeOf(VICTIM)]);
  expect(featuresOf(difference)).toEqual(expect.arrayContaining(COUNTING));
  const cellOf = (name: string) => difference.cells.find(({ feature }) => feature === name);
  // Bo's from 1 to 58, four of them in the app: 4, 16, 28, 40, 52.
  expect(cellOf('sales_by')).toMatchObject({
    expected: { map: { web: 15, app: 5 } },
    received: { map: { web: 14, app: 5 } },
  });
  expect(cellOf('shops')).toMatchObject({ expected: 20, received: 19 });
});

test('a doubled record shows in sums by category and counts by value, not in what is distinct, and is named', async () => {
  const run = await world();
  append(run, BACKFILLED, SALES);
  await run.stream();
  const { id, at, shop, channel, amount, price } = sale(VICTIM);
  const prepared = { keyText: 'bo', key: ['bo'], inputs: [] as Parameters<typeof run.view.prepare>[1]['inputs'] };
  const out = { ...prepared, eventTimeUs: 0, id, ...placeOf(VICTIM) };
  const row = { id, at: Date.parse(at) * 1000, customer: 'bo', amount, price, shop, channel };
  const event = { number: 0, row, eventTimeUs: Date.parse(at) * 1000, id, ...placeOf(VICTIM) };
  expect(run.view.prepare(event, out)).toBe('ok');
  await run.corruptState('bo', (state) => {
    run.reducer.apply(state, out);
  });
  const difference = only(await run.audit());
  expect(difference).toMatchObject({ cause: 'duplicated-record', entity: { customer: 'bo' } });
  expect(placed(difference)).toEqual([placeOf(VICTIM)]);
  expect(featuresOf(difference)).toEqual(expect.arrayContaining(['amounts', 'amount_by', 'sales_by']));
  expect(featuresOf(difference)).not.toContain('shops');
  expect(featuresOf(difference)).not.toContain('shops_about');
});

describe('known by the reads of one feature alone', () => {
  // The first of bo's are of the backfill, and cannot be left out by a stream: there nothing is backfilled.
  for (const [feature, victim = VICTIM, backfilled = BACKFILLED] of [
    ['amount_by'],
    ['sales_by'],
    ['new_shops_by', 4, 0],
    ['first_shops', 4, 0],
    ['last_shops'],
    ['amounts'],
    ['prices'],
    ['shops_about'],
    ['dearest_shop_by'],
    ['newest_shops'],
    ['web_share'],
  ] as readonly [string, number?, number?][]) {
    test(`a dropped record, by ${feature}`, async () => {
      const run = await world(backfilled);
      // Read after each of bo's: what a few of the last decide shows while the victim is among them.
      for (let index = backfilled; index < SALES; index++) {
        append(run, index, index + 1);
        if (index % 3 !== 1) continue;
        run.clock.us = Date.parse(sale(index).at) * 1000 + 1;
        await run.stream({ drop: [placeOf(victim)] });
        await run.serve([['bo']], { features: [feature] });
      }
      const result = await run.audit({ limits: { entities: 0 } });
      const difference = only(result);
      expect(difference).toMatchObject({ cause: 'missing-record', entity: { customer: 'bo' } });
      expect(featuresOf(difference)).toEqual([feature]);
      // How many there are does not tell the one left out from the one after it: the audit says so.
      if (feature === 'shops_about') expect(difference.detail).toContain('would be the same for 1 others');
      else expect(placed(difference)).toEqual([placeOf(victim)]);
    });
  }
});

test('a read in a role that gave another map, list or number than the state has', async () => {
  const run = await world();
  const { features } = run.view.layout;
  const other: Readonly<Record<string, string | number>> = {
    amount_by: '{"web":1,"app":2}',
    last_shops: '["nowhere"]',
    shops_about: 99,
  };
  await run.serve([['bo']]);
  // The second request is of a role.
  await run.serve([['bo']], {
    change: (read) => ({
      ...read,
      values: read.values.map((value, index) => other[features[index]!.name] ?? value),
    }),
  });
  const difference = only(await run.audit());
  expect(difference).toMatchObject({
    cause: 'unexplained',
    entity: { customer: 'bo' },
    requestId: 'request-2',
    cells: [
      { feature: 'last_shops', received: ['nowhere'] },
      { feature: 'shops_about', received: 99 },
      { feature: 'amount_by', received: { map: { web: 1, app: 2 } } },
    ],
  });
});

test('a derived value of other code is told from one of a state that is wrong', async () => {
  const run = await world();
  const at = run.view.layout.features.findIndex(({ name }) => name === 'web_share');
  await run.serve([['bo']], { change: (read) => ({ ...read, values: read.values.with(at, 0.125) }) });
  // Of the derived feature alone nobody knows what it was made of, and no record explains it.
  await run.serve([['cy']], { features: ['web_share'], change: (read) => ({ ...read, values: [0.125] }) });
  const { differences } = await run.audit();
  expect(
    differences.map((difference) => [difference.entity['customer'], difference.cause, featuresOf(difference)]),
  ).toEqual([
    ['bo', 'definition-version', ['web_share']],
    ['cy', 'definition-version', ['web_share']],
  ]);
});
