import { z } from 'zod';
import { decimal, entity, source } from '../../index.ts';

/** What features of every kind are tried on: a field of every type. */
export const shop = entity('shop', { shop: z.string() });
export const orders = source('orders', {
  schema: z.object({
    at: z.iso.datetime(),
    id: z.int64(),
    shop: z.string(),
    price: decimal(10, 2),
    units: z.int().nullable(),
    weight: z.number().nullable(),
    tags: z.array(z.string()),
    day: z.iso.date(),
    kind: z.enum(['a', 'b']),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'orders',
});
