import { featureView } from 'millrace';
import { z } from 'zod';
import { customer, payments } from './payments.ts';

/** A long tail with one hot entity; decimals, doubles, hops of seconds; maps, lists and what is derived of them. Read in two roles; rows of who pays no more go. */
export const customerSpend = featureView('customer_spend', {
  entity: customer,
  source: payments,
  expire: '6h',
  features: (f) => ({
    payments_1h: f.count().over('1h'),
    spent_15m: f.sum('amount').over('15m', { hop: '10s' }),
    spent_1d: f.sum('amount').over('1d', { hop: '30m' }),
    fee_avg_1h: f.avg('fee').over('1h'),
    biggest_1d: f.max('amount').over('1d', { hop: '30m' }),
    smallest_1d: f.min('amount').over('1d', { hop: '30m' }),
    last_shop_1d: f.last('shop').over('1d', { hop: '30m' }),
    payments_1h_before: f.count().over('1h', { ago: '1h' }),
    spent_by_currency_1d: f.sum('amount').by('currency').over('1d', { hop: '30m' }),
    dearest_shop_1d: f.maxBy('shop', 'amount').over('1d', { hop: '30m' }),
    last_shops_1h: f.lastN('shop', 3, { distinct: true }).over('1h'),
    shops_1d: f.distinct('shop').over('1d', { hop: '30m' }),
    amount_median_1d: f.median('amount').over('1d', { hop: '30m' }),
  }),
  derived: [
    (d) => ({
      share_15m: d.number((v) =>
        Number(v.spent_1d ?? 0) === 0 ? null : Number(v.spent_15m ?? 0) / Number(v.spent_1d),
      ),
      hour: d.int((_, { at }) => new Date(at / 1000).getUTCHours()),
    }),
    (d) => ({
      told: d.list(z.string(), (v) => [
        ...Object.keys(v.spent_by_currency_1d ?? {}).toSorted(),
        `${v.share_15m} at ${v.hour}`,
      ]),
    }),
  ],
});

/** Nothing but lifetime: one partial set, whatever the age; who pays no more is forgotten, and known again with the next payment. */
export const customerLife = featureView('customer_life', {
  entity: customer,
  source: payments,
  expire: '2h',
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
