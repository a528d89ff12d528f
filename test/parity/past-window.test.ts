import { afterEach, expect, inject, test } from 'vitest';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { openWorld, type ParityWorld } from './parity-world.ts';

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;
const START_US = Date.UTC(2026, 2, 1) * 1000;

let open: (ParityWorld & { close(): Promise<void> }) | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

test('a dropped record is found by reads of a window of the past alone, that see it no more in the present', async () => {
  const view = spendingView({ topic: 'purchases' });
  const [count, sum] = view.layout.features;
  const features = [count!, { ...sum!, windowUs: DAY_US, agoUs: DAY_US }];
  open = await openWorld(inject('stack').databaseUrl, {
    view: { ...view, layout: { ...view.layout, features } },
    nowUs: START_US + 4 * DAY_US,
  });
  await open.backfill();
  for (let index = 0; index < 60; index++) {
    const at = new Date((START_US + index * 1.3 * HOUR_US) / 1000).toISOString();
    const bytes = purchaseBytes({ id: `id-${index}`, at, customer: 'ana', amount: 100 + index * index });
    open.append(0, [{ value: bytes, timestampUs: START_US + 4 * DAY_US }]);
  }
  // Number 37 is of 48:06, and the read is of 96:00: it lies in the first hours of the day before the last.
  await open.stream({ drop: [{ partition: 0, offset: 37 }] });
  await open.serve([['ana']]);
  const { differences, verdict } = await open.audit({ limits: { entities: 0 } });
  expect(verdict).toBe('broken');
  expect(differences).toHaveLength(1);
  expect(differences[0]).toMatchObject({ cause: 'missing-record', records: [{ partition: 0, offset: 37 }] });
});
