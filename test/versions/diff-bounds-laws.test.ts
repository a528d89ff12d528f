import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CompiledView, NO_INPUTS } from '../../engine/define/compiled-view.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import { diffPlot } from '../../engine/versions/diff-plot.ts';
import { DIFF_HEADER, diffRows } from '../../engine/versions/diff-rows.ts';
import type { DiffOptions, VersionsDiff } from '../../engine/versions/diff-types.ts';
import { compareVersions, diffVersions, LEAST_DIFF_MEMORY } from '../../engine/versions/diff-versions.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';

const clock = { nowUs: () => 9_000_000_000_000, monotonicMs: () => 0 };
const view = spendingView({ topic: 'purchases' });
/** Small amounts do not count. */
const large: CompiledView = {
  ...spendingView({ topic: 'purchases', fingerprint: 'b'.repeat(64) }),
  prepare: (event, out) => (Number(event.row['amount']) < 10 ? 'filtered' : view.prepare(event, out)),
};

let spillDir: string;
beforeAll(async () => {
  spillDir = await mkdtemp(join(tmpdir(), 'millrace-diff-bounds-'));
});
afterAll(() => rm(spillDir, { recursive: true, force: true }));

/** One purchase of each of so many customers, of amounts 0 to 19. */
function brokerOf(customers: number): MemoryBroker {
  const broker = new MemoryBroker();
  broker.createTopic('purchases', 1);
  const at = '1970-01-02T00:00:00Z';
  const records = Array.from({ length: customers }, (_, index) => ({
    value: purchaseBytes({ id: `p${index}`, at, customer: `customer ${index}`, amount: index % 20 }),
    timestampUs: 86_400_000_000,
  }));
  broker.append('purchases', 0, records);
  return broker;
}

async function optionsOf(broker: MemoryBroker, before: CompiledView, after: CompiledView): Promise<DiffOptions> {
  const reader = createMemoryLogReader(broker);
  const cut = await takeCut(reader, 'purchases', clock);
  return {
    before: { view: before, version: 1, cut },
    after: { view: after, version: 2, cut },
    reader,
    listings: listingsOfProcess(clock),
    spillDir,
  };
}

// Purchases of 13 fail in both: 95 customers have events before, 45 after.
test('what differs is counted, shown by example, and drawn', async () => {
  const options = await optionsOf(brokerOf(100), view, large);
  const { diff, tallies } = await compareVersions(options);
  expect(diff).toMatchObject({
    at: '1970-01-02T00:00:00.000001Z',
    entities: 95,
    isWhole: true,
    isOneScan: true,
    entitiesOnlyBefore: 50,
    entitiesOnlyAfter: 0,
    cells: 285,
    before: { version: 1, counts: { applied: 95, filtered: 0, invalid: 5 } },
    after: { version: 2, counts: { applied: 45, filtered: 50, invalid: 5 } },
  });
  const [purchases, spent] = diff.features;
  expect(purchases).toMatchObject({ feature: 'purchases_1d', differing: 50, numbers: { difference: { p50: -1 } } });
  expect(spent).toMatchObject({ feature: 'spent_7d', differing: 50, valueToNull: 50, numbers: null });
  const [example] = spent!.examples;
  expect(example).toEqual({
    entity: { customer: expect.stringMatching(/^customer \d+$/) },
    before: expect.any(Number),
    after: null,
  });
  const rows = diffRows(diff);
  expect(rows.map((row) => row.length)).toEqual(rows.map(() => DIFF_HEADER.length));
  expect(rows[0]?.slice(0, 5)).toEqual(['purchases_1d', 'int', '95', '50', '52.63 %']);
  const svg = await diffPlot(diff, tallies);
  for (const text of ['spending: version 2 against version 1', 'spent_7d', 'after − before'])
    expect(svg).toContain(text);
});

test('keys of another name or type make nothing comparable: that is said, and nothing is read', async () => {
  const { layout } = large;
  const options = await optionsOf(brokerOf(1), view, {
    ...large,
    layout: { ...layout, keys: [{ name: 'customer', type: { kind: 'int64' } }] },
  });
  const reader = { ...options.reader!, read: () => expect.fail('the log was read') };
  const diff = await diffVersions({ ...options, reader });
  expect(diff).toMatchObject({
    incomparable: 'the join keys differ: customer string before, customer int64 after',
    cells: 0,
    features: [],
  });
});

test('with little memory fewer entities are compared, the first ones of all; each with all of its events', async () => {
  const broker = brokerOf(80_000);
  const budget = (more: number): MemoryBudget => {
    const shares = memoryShares(2048);
    const { heap, buffers } = LEAST_DIFF_MEMORY;
    return new MemoryBudget({ ...shares, limits: { heap: heap + more, buffers: buffers + more } });
  };
  const options = await optionsOf(broker, view, large);
  const whole = await diffVersions({ ...options, memory: budget(512 << 20) });
  expect(whole).toMatchObject({ isWhole: true, entities: 76_000, differing: 3 * 40_000 });
  const little = await diffVersions({ ...options, memory: budget(0) });
  expect(little.isWhole).toBe(false);
  expect(little.entities).toBeGreaterThan(5_000);
  expect(little.entities).toBeLessThan(70_000);
  const same = await diffVersions({ ...options, memory: budget(512 << 20), entities: little.entities });
  const told = ({ entities, cells, differing, features }: VersionsDiff): unknown => ({
    entities,
    cells,
    differing,
    features,
  });
  expect(told(little)).toEqual(told(same));
  // And of what it says of all, all is so.
  const [wholePurchases] = whole.features;
  const [{ interval }] = little.features as [VersionsDiff['features'][number]];
  expect(wholePurchases!.share).toBeGreaterThan(interval.low);
  expect(wholePurchases!.share).toBeLessThan(interval.high);
});

test('what either calls sensitive is hashed in examples', async () => {
  const sensitive = {
    ...large,
    source: { ...large.source, sensitive: ['customer', 'amount'] },
    featureInputs: [null, 'amount', 'amount'].map((value) => ({ ...NO_INPUTS, value })),
  };
  const { features } = await diffVersions(await optionsOf(brokerOf(20), view, sensitive));
  const examples = features.flatMap(({ feature, examples: shown }) => shown.map((one) => ({ feature, ...one })));
  expect(examples.length).toBeGreaterThan(3);
  for (const { feature, entity, before } of examples) {
    expect(entity['customer']).toMatch(/^hash:/);
    // Counts of rows tell of none.
    expect(JSON.stringify(before).replaceAll('"', '')).toMatch(feature === 'purchases_1d' ? /^\d$/ : /^hash:/);
  }
});

test('is given up in the middle where it is told to', async () => {
  const abort = new AbortController();
  const options = await optionsOf(brokerOf(20_000), view, large);
  const reason = new Error('enough');
  const running = diffVersions({
    ...options,
    signal: abort.signal,
    onProgress: ({ done }) => {
      if (done > 0) abort.abort(reason);
    },
  });
  await expect(running).rejects.toBe(reason);
});

test('other offsets, and another source, take two scans; of other offsets it is told', async () => {
  const options = await optionsOf(brokerOf(40), view, view);
  const { cut } = options.after;
  const fewer = { ...cut!, partitions: cut!.partitions.map((part) => ({ ...part, lowOffset: 20 })) };
  const diff = await diffVersions({ ...options, after: { ...options.after, cut: fewer } });
  expect(diff).toMatchObject({
    isOneScan: false,
    entitiesOnlyBefore: 19,
    logs: ['partition 0 from offset 0 before, from 20 after'],
  });
  const other = { ...view, source: { ...view.source, dedupeHorizonUs: 0 } };
  const scanned = await diffVersions({ ...options, after: { ...options.after, view: other } });
  expect(scanned).toMatchObject({ isOneScan: false, differing: 0, logs: [] });
});
