import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testView } from 'millrace/testing';
import { customerOrders } from '../features/orders.ts';

const order = (order_id: string, ordered_at: string, more: object = {}) => ({
  order_id,
  ordered_at,
  customer_id: 'c01',
  amount: '20.00',
  items: 1,
  returned: false,
  ...more,
});

describe('customer_orders', () => {
  it('counts and sums what lies in its windows', () => {
    const view = testView(customerOrders);
    view.feed([
      order('a', '2026-01-01T10:00:00Z'),
      order('b', '2026-01-20T10:00:00Z', { amount: '12.50', items: 6 }),
      order('c', '2026-01-20T11:00:00Z', { customer_id: 'c02' }),
    ]);
    const { values, errors } = view.read({ customer_id: 'c01' }, '2026-01-21T00:00:00Z');
    assert.equal(errors, null);
    assert.deepEqual(values, {
      orders_7d: 1,
      spent_30d: '32.50',
      items_avg_30d: 3.5,
      bulk_share_30d: 0.5,
      last_amount: '12.50',
    });
  });

  it('leaves out what was returned, and what came twice', () => {
    const view = testView(customerOrders);
    const { filtered, duplicates, applied } = view.feed([
      order('a', '2026-01-20T10:00:00Z'),
      order('a', '2026-01-20T10:00:00Z'),
      order('b', '2026-01-20T11:00:00Z', { returned: true }),
    ]);
    assert.deepEqual({ filtered, duplicates, applied }, { filtered: 1, duplicates: 1, applied: 1 });
  });

  it('refuses what breaks the contract, and says why', () => {
    const { refused } = testView(customerOrders).feed([order('a', 'yesterday', { items: 0 })]);
    assert.equal(refused.length, 1);
    assert.match(refused[0]?.reasons.join('\n') ?? '', /ordered_at[^]*items/);
  });

  it('knows nothing of a customer who never ordered', () => {
    const read = testView(customerOrders).read({ customer_id: 'nobody' }, '2026-01-21T00:00:00Z');
    assert.equal(read.found, false);
    assert.deepEqual(read.values, {
      orders_7d: 0,
      spent_30d: null,
      items_avg_30d: null,
      bulk_share_30d: null,
      last_amount: null,
    });
  });
});
