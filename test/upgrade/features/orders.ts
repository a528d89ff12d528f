import { decimal, entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';

export const customer = entity('customer', { customer: z.string() });

/** Parquet history, then a topic; string ids; archived. */
export const orders = source('orders', {
  schema: z.object({
    order_id: z.string(),
    placed_at: z.iso.datetime(),
    customer: z.string(),
    country: z.enum(['DE', 'FR', 'US']),
    amount: decimal(10, 2),
    items: z.int().min(1).max(100),
    weight: z.number().nullable(),
    points: z.int64(),
    express: z.boolean(),
    note: z.string().nullable(),
  }),
  eventTime: 'placed_at',
  eventId: 'order_id',
  topic: 'orders',
  history: { path: 'data/orders/*.parquet' },
});

/** Streams: promoted, with its log archived. */
export const customerOrders = featureView('customer_orders', {
  entity: customer,
  source: orders,
  where: (e) => e.items < 50,
  features: (f) => ({
    orders: f.count(),
    orders_1h: f.count().over('1h', { hop: '10s' }),
    orders_12h: f.count().over('12h'),
    orders_7d: f.count().over('7d'),
    notes: f.count('note'),
    amount: f.sum('amount'),
    amount_7d: f.sum('amount').over('7d'),
    amount_avg_30d: f.avg('amount').over('30d'),
    amount_max_7d: f.max('amount').over('7d'),
    weight: f.sum('weight'),
    weight_avg_7d: f.avg('weight').over('7d'),
    weight_min: f.min('weight'),
    weight_max_1d: f.max('weight').over('1d'),
    points: f.sum('points'),
    points_min_30d: f.min('points').over('30d'),
    items_30d: f.sum('items').over('30d'),
    express_share_7d: f.avg((e) => (e.express ? 1 : 0)).over('7d'),
    first_country: f.first('country'),
    last_country_7d: f.last('country').over('7d'),
    first_note_7d: f.first('note').over('7d'),
    last_note: f.last('note'),
    greatest_note: f.max('note'),
    last_express: f.last('express'),
    last_amount_12h: f.last('amount').over('12h'),
    last_placed_at: f.last('placed_at'),
  }),
});

export const orderModel = featureService('order_model', [customerOrders]);
