import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { comparisonRows } from '../../engine/training/comparison-rows.ts';
import { readParquet } from '../training/training-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { exportSpine, isoOf, MINUTE, openWorld, publish, retime, type ServedWorld, stream } from './served-fixture.ts';

let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

/** 2001-01-01T00:00:00Z, and minutes from it on. */
const START = Date.UTC(2001, 0, 1) * 1000;
const at = (minute: number): number => START + minute * MINUTE;

/** In the order of the log: event time, broker's time, and when the commit was seen; minutes. */
const EVENTS = [
  { customer: 'ana', amount: 5, time: 10, broker: 10, visible: 11 },
  { customer: 'bo', amount: 3, time: 30, broker: 30, visible: 60 },
  { customer: 'ana', amount: 7, time: 20, broker: 50, visible: 61 },
  { customer: 'cy', amount: 9, time: 100, broker: 70, visible: 71 },
  { customer: 'eve', amount: 2, time: 110, broker: 110, visible: 130 },
  { customer: 'eve', amount: 4, time: 112, broker: 140, visible: 141 },
] as const;

/** By hand: count, sum and last amount by event time, then as served; null: the cell is null. */
const LABELS = [
  { customer: 'ana', minute: 5, known: [0, null, null], served: [0, null, null] },
  { customer: 'ana', minute: 10.5, known: [1, 5, 5], served: [0, null, null] }, // pipeline
  { customer: 'ana', minute: 11, known: [1, 5, 5], served: [1, 5, 5] },
  { customer: 'ana', minute: 40, known: [2, 12, 7], served: [1, 5, 5] }, // producer
  { customer: 'ana', minute: 50, known: [2, 12, 7], served: [1, 5, 5] }, // pipeline: in the log in this very moment
  { customer: 'ana', minute: 55, known: [2, 12, 7], served: [1, 5, 5] }, // pipeline
  { customer: 'ana', minute: 61, known: [2, 12, 7], served: [2, 12, 7] },
  { customer: 'bo', minute: 45, known: [1, 3, 3], served: [0, null, null] }, // pipeline
  { customer: 'cy', minute: 80, known: [0, null, null], served: [1, 9, 9] }, // ahead
  { customer: 'cy', minute: 100, known: [0, null, null], served: [1, 9, 9] }, // ahead
  { customer: 'cy', minute: 101, known: [1, 9, 9], served: [1, 9, 9] },
  { customer: 'ana', minute: -5, known: [0, null, null], served: [null, null, null] }, // not published
  { customer: 'dan', minute: 20, known: [0, null, null], served: [0, null, null] },
  { customer: 'eve', minute: 120, known: [2, 6, 4], served: [0, null, null] }, // pipeline and producer
] as const;

const FEATURES = ['purchases_1d', 'spent_7d', 'last_amount'] as const;

test('a producer that is late, a pipeline that lags, events ahead of their time: each label under what did it', async () => {
  const view = spendingView({ topic: 'purchases' });
  world.broker.createTopic('purchases', 1);
  const version = await publish(world, view);
  for (const [index, { customer, amount, time, broker }] of EVENTS.entries()) {
    const value = purchaseBytes({ id: `p${index}`, at: isoOf(at(time)), customer, amount });
    world.broker.append('purchases', 0, [{ value, timestampUs: at(broker) }]);
  }
  await stream(world, view, version, 1);
  await retime(world, view, version, {
    publishedUs: at(0),
    endedUs: null,
    commitsUs: EVENTS.map(({ visible }) => at(visible)),
  });

  const spine = LABELS.map(({ customer, minute }) => ({ customer, event_timestamp: isoOf(at(minute)) }));
  const { manifest, out } = await exportSpine(world, [view], 'compared', spine, { compare: true });
  const cells = async (path: string): Promise<unknown[]> =>
    (await readParquet(path)).rows.map((row) => FEATURES.map((name) => row[`spending__${name}`]));
  const big = (rows: readonly (readonly (number | null)[])[]): unknown[] =>
    rows.map((row) => row.map((value) => (value === null ? null : BigInt(value))));
  expect(await cells(out)).toEqual(big(LABELS.map(({ served }) => served)));
  const known = await exportSpine(world, [view], 'known', spine, { mode: 'event-time' });
  expect(await cells(known.out)).toEqual(big(LABELS.map(({ known: values }) => values)));

  const labels = LABELS.length;
  const feature = (name: string, differing: number, more: object): object => ({
    view: 'spending',
    feature: name,
    column: `spending__${name}`,
    labels,
    differing,
    share: differing / labels,
    ...more,
  });
  const lag = { 'producer-lag': 2, 'pipeline-lag': 5, ahead: 2 };
  const once = { 'producer-lag': 1, 'pipeline-lag': 4, ahead: 2, several: 1, other: 0 };
  const ofAmounts = {
    nullEventTime: 2,
    nullAsServed: 3,
    kinds: { ...lag, 'not-published': 0 },
    split: { ...once, 'not-published': 0 },
  };
  const expected = {
    labels,
    labelsDiffering: 9,
    features: [
      feature('purchases_1d', 9, {
        absolute: { labels: 8, mean: 9 / 8, max: 2 },
        nullEventTime: 0,
        nullAsServed: 1,
        kinds: { ...lag, 'not-published': 1 },
        split: { ...once, 'not-published': 1 },
      }),
      feature('spent_7d', 8, { absolute: { labels: 3, mean: 7, max: 7 }, ...ofAmounts }),
      feature('last_amount', 8, { absolute: { labels: 3, mean: 2, max: 2 }, ...ofAmounts }),
    ],
  };
  expect(manifest.comparison).toEqual(expected);
  expect(manifest.views[0]!.served).toEqual({
    rowsNotServed: 1,
    versions: [
      {
        version,
        fingerprint: view.fingerprint,
        fromUs: at(0),
        untilUs: expect.any(Number),
        untilSeq: 4,
        rows: labels - 1,
      },
    ],
  });
  expect(JSON.parse(await readFile(`${out}.compare.json`, 'utf8'))).toMatchObject(expected);
  expect(JSON.parse(await readFile(`${out}.manifest.json`, 'utf8'))).toEqual(manifest);
  const svg = await readFile(`${out}.compare.svg`, 'utf8');
  expect(svg).toMatch(/^<svg[^>]*>/);
  for (const text of ['spending__purchases_1d', 'came late to the log', 'committed late', 'several of these'])
    expect(svg).toContain(text);
  expect(comparisonRows(manifest.comparison!)[0]).toEqual([
    'spending__purchases_1d',
    '14',
    '9',
    '64.29 %',
    '1.125',
    '2',
    '2',
    '5',
    '2',
    '1',
  ]);

  // The other way round, the same comparison beside the other set; and again, from the manifest, the same bytes.
  const other = await exportSpine(world, [view], 'other', spine, { mode: 'event-time', compare: true });
  expect(other.manifest.comparison).toEqual(expected);
  const otherAgain = await exportSpine(world, [view], 'other', spine, {
    mode: 'event-time',
    compare: true,
    repeatOf: other.manifest,
  });
  expect(otherAgain.manifest).toEqual(other.manifest);
  const again = await exportSpine(world, [view], 'compared', spine, { compare: true, repeatOf: manifest });
  expect(again.manifest).toEqual(manifest);
  // Without a comparison, none is left of the set that was replaced.
  await exportSpine(world, [view], 'compared', spine);
  await expect(readFile(`${out}.compare.json`)).rejects.toThrow('ENOENT');
});

test('a cell is its bits or its error: null for a sum too large is not null for nothing', async () => {
  const name = 'large';
  const plain = spendingView({ topic: name });
  const view = { ...plain, name, layout: { ...plain.layout, view: name } };
  world.broker.createTopic(name, 1);
  const version = await publish(world, view);
  for (const minute of [10, 11]) {
    const value = purchaseBytes({
      id: `p${minute}`,
      at: isoOf(at(minute)),
      customer: 'ana',
      amount: Number.MAX_SAFE_INTEGER,
    });
    world.broker.append(name, 0, [{ value, timestampUs: at(minute) }]);
  }
  await stream(world, view, version, 2);
  await retime(world, view, version, { publishedUs: at(0), endedUs: null, commitsUs: [at(30)] });
  // By then both were known to the log and neither was served; later both were.
  const spine = [20, 31].map((minute) => ({ customer: 'ana', event_timestamp: isoOf(at(minute)) }));
  await expect(exportSpine(world, [view], name, spine)).rejects.toMatchObject({
    code: 'value-out-of-range',
    message: expect.stringContaining('feature "spent_7d" of view "large": value-out-of-range in spine row 2') as string,
  });
  const { manifest, out } = await exportSpine(world, [view], name, spine, { compare: true, onError: 'null' });
  expect((await readParquet(out)).rows.map((row) => row[`${name}__spent_7d`])).toEqual([null, null]);
  expect(manifest.views[0]!.features).toMatchObject([
    { name: 'purchases_1d', errors: {} },
    { name: 'spent_7d', nulls: 2, errors: { 'value-out-of-range': 1 } },
    { name: 'last_amount', errors: {} },
  ]);
  expect(manifest.comparison).toMatchObject({
    labelsDiffering: 1,
    features: [
      { feature: 'purchases_1d', differing: 1 },
      { feature: 'spent_7d', differing: 1, absolute: null, nullEventTime: 1, nullAsServed: 1 },
      { feature: 'last_amount', differing: 1 },
    ],
  });
});
