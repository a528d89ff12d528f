import { decimal, entity, source } from 'millrace';
import { z } from 'zod';

export const CURRENCIES = ['EUR', 'USD', 'JPY', 'CHF'] as const;

export const customer = entity('customer', { customer: z.int() });
export const shop = entity('shop', { shop: z.string() });
export const shopCurrency = entity('shop_currency', { shop: z.string(), currency: z.enum(CURRENCIES) });
export const lane = entity('lane', { day: z.iso.date(), express: z.boolean() });

/** The synthetic source: soak/payment-generator.ts makes its records. */
export const payments = source('payments', {
  schema: z.object({
    payment_id: z.string(),
    at: z.iso.datetime(),
    shop: z.string(),
    customer: z.int().nullable(),
    currency: z.enum(CURRENCIES),
    amount: decimal(12, 2),
    fee: z.number().nullable(),
    units: z.int64(),
    note: z.string().nullable(),
    rating: z.int().min(1).max(5).nullable(),
    express: z.boolean(),
  }),
  eventTime: 'at',
  eventId: 'payment_id',
  topic: 'soak.payments',
  // Late payments of the history's last minutes arrive on the topic; none stands in both.
  history: { path: 'data/payments/*.jsonl', disjoint: true },
  dedupeHorizon: '6h',
  maxAhead: '5m',
});
