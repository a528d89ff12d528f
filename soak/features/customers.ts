import { featureView } from 'millrace';
import { customer, payments } from './payments.ts';

/** A long tail with one hot entity; decimals, doubles, hops of seconds. */
export const customerSpend = featureView('customer_spend', {
  entity: customer,
  source: payments,
  features: (f) => ({
    payments_1h: f.count().over('1h'),
    spent_15m: f.sum('amount').over('15m', { hop: '10s' }),
    spent_1d: f.sum('amount').over('1d', { hop: '30m' }),
    fee_avg_1h: f.avg('fee').over('1h'),
    biggest_1d: f.max('amount').over('1d', { hop: '30m' }),
    smallest_1d: f.min('amount').over('1d', { hop: '30m' }),
    last_shop: f.last('shop'),
  }),
});

/** Nothing but lifetime: one partial set, whatever the age. */
export const customerLife = featureView('customer_life', {
  entity: customer,
  source: payments,
  features: (f) => ({
    payments: f.count(),
    spent: f.sum('amount'),
    fee_total: f.sum('fee'),
    fee_avg: f.avg('fee'),
    first_at: f.first('at'),
    last_currency: f.last('currency'),
    latest_at: f.max('at'),
    ever_express: f.max('express'),
    notes: f.count('note'),
  }),
});
