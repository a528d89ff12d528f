import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decimal, entity, featureView, source } from 'millrace';
import { testView } from 'millrace/testing';

const customer = entity('customer', { customer: z.string() });
const orders = source('orders', {
  schema: z.object({
    order_id: z.string(),
    at: z.iso.datetime(),
    customer: z.string().nullable(),
    amount: decimal(10, 2),
    items: z.int64().nullable(),
    cancelled: z.boolean(),
  }),
  eventTime: 'at',
  eventId: 'order_id',
  topic: 'orders',
  history: { path: 'data/orders/*.csv', until: '2026-01-01T00:00:00Z' },
});
const spending = featureView('spending', {
  entity: customer,
  source: orders,
  where: (e) => !e.cancelled,
  features: (f) => ({ orders_1d: f.count().over('1d'), amount: f.sum('amount'), items: f.sum('items') }),
});

const order = (order_id: string, at: string, more: Record<string, unknown> = {}) => ({
  order_id,
  at,
  customer: 'c1',
  amount: '12.50',
  items: 1n,
  cancelled: false,
  ...more,
});

describe('a view in a test of its definition', () => {
  it('reads what was fed, by window and key, as of a time', () => {
    const view = testView(spending);
    const fed = view.feed([
      order('a', '2025-12-31T10:00:00Z'),
      order('b', '2026-01-01T09:00:00Z', { amount: '0.05' }),
      order('c', '2026-01-01T09:30:00Z', { customer: 'c2' }),
    ]);
    expect(fed).toMatchObject({ records: 3, applied: 3, invalid: 0, outsideUntil: 0, refused: [] });
    expect(view.read({ customer: 'c1' }, '2026-01-01T12:00:00+00:00')).toEqual({
      values: { orders_1d: 1, amount: '12.55', items: 2n },
      errors: null,
      found: true,
      ahead: false,
    });
    expect(view.read({ customer: 'c1' }, new Date('2026-01-01T09:59:00Z')).values.orders_1d).toBe(2);
    expect(view.read({ customer: 'c1' }, '2026-01-01T09:00:00Z').ahead).toBe(true);
    expect(view.read({ customer: 'nobody' }, '2026-01-01T12:00:00Z')).toEqual({
      values: { orders_1d: 0, amount: null, items: null },
      errors: null,
      found: false,
      ahead: false,
    });
  });

  it('counts what stops on the way under the names of status, and says why rows are refused', () => {
    const view = testView(spending);
    const fed = view.feed([
      order('a', '2026-01-01T09:00:00Z'),
      order('a', '2026-01-01T09:00:00Z'),
      order('b', '2026-01-01T09:00:00Z', { cancelled: true }),
      order('c', '2026-01-01T09:00:00Z', { customer: null }),
      order('d', '2026-01-01T09:00:00Z', { amount: '1.005' }),
    ]);
    expect(fed).toMatchObject({ records: 5, applied: 1, duplicates: 1, filtered: 1, nullKey: 1, invalid: 1 });
    expect(fed.refused).toEqual([{ row: 4, reasons: [expect.stringMatching(/^amount: expected/) as string] }]);
    expect(view.feed([order('a', '2026-01-01T10:00:00Z')])).toMatchObject({ records: 1, duplicates: 1 });
  });

  it('holds rows against the time the broker got them, where a test says it', () => {
    const row = order('a', '2026-01-01T09:00:00Z');
    expect(testView(spending).feed([row], new Date('2026-01-01T07:00:00Z')).refused).toEqual([
      { row: 0, reasons: [expect.stringContaining('ahead-of-broker-time') as string] },
    ]);
    expect(testView(spending).feed([row], new Date('2026-01-01T08:30:00Z')).applied).toBe(1);
  });

  it('has a result that does not fit its type as an error beside the values', () => {
    const view = testView(spending);
    view.feed([
      order('a', '2026-01-01T09:00:00Z', { items: 2n ** 63n - 1n }),
      order('b', '2026-01-01T09:00:00Z', { items: 1n }),
    ]);
    const read = view.read({ customer: 'c1' }, '2026-01-01T10:00:00Z');
    expect(read.errors).toEqual({ items: 'value-out-of-range' });
    expect(read.values).toMatchObject({ items: null, orders_1d: 2 });
  });

  it('refuses faulty definitions, keys and times', () => {
    const faulty = featureView('Spending', { entity: customer, source: orders, features: (f) => ({ n: f.count() }) });
    expect(() => testView(faulty)).toThrow(expect.objectContaining({ code: 'invalid-definitions' }) as Error);
    const view = testView(spending);
    expect(() => view.read({ customer: 7 as never }, '2026-01-01T10:00:00Z')).toThrow(
      expect.objectContaining({ code: 'invalid-key' }) as Error,
    );
    for (const at of ['2026-01-01', new Date(Number.NaN)]) {
      expect(() => view.read({ customer: 'c1' }, at)).toThrow(
        expect.objectContaining({ code: 'invalid-time' }) as Error,
      );
    }
  });
});
