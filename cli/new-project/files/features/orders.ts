import { decimal, entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';

/** Whom or what features are about, and the columns that name it. */
export const customer = entity('customer', { customer_id: z.string() });

/** Where events come from: a topic, and the files of what was before it. */
export const orders = source('orders', {
  schema: z.object({
    order_id: z.string(),
    ordered_at: z.iso.datetime(),
    customer_id: z.string(),
    amount: decimal(10, 2),
    items: z.int().positive(),
    returned: z.boolean(),
  }),
  eventTime: 'ordered_at',
  eventId: 'order_id',
  topic: 'orders',
  history: { path: 'data/orders/*.csv' },
});

/** Features of a customer, from orders that were kept. */
export const customerOrders = featureView('customer_orders', {
  entity: customer,
  source: orders,
  where: (order) => !order.returned,
  features: (f) => ({
    orders_7d: f.count().over('7d'),
    spent_30d: f.sum('amount').over('30d'),
    items_avg_30d: f.avg('items').over('30d'),
    bulk_share_30d: f.avg((order) => (order.items >= 5 ? 1 : 0)).over('30d'),
    last_amount: f.last('amount'),
  }),
});

/** What one model reads. */
export const churnModel = featureService('churn_model', [customerOrders]);
