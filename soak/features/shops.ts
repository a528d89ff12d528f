import { featureService, featureView } from 'millrace';
import { z } from 'zod';
import { customerLife, customerSpend } from './customers.ts';
import { payments, lane, shop, shopCurrency } from './payments.ts';
import { pointsOf } from './points.ts';

/** The shortest hops, and order where most events tie. */
export const shopPulse = featureView('shop_pulse', {
  entity: shop,
  source: payments,
  features: (f) => ({
    payments_1m: f.count().over('1m', { hop: '1s' }),
    payments_10m: f.count().over('10m', { hop: '10s' }),
    first_payer_10m: f.first('customer').over('10m', { hop: '10s' }),
    last_payer_10m: f.last('customer').over('10m', { hop: '10s' }),
    last_note_1h: f.last('note').over('1h'),
    first_payment: f.first('payment_id'),
    last_amount: f.last('amount'),
  }),
});

/** int64, text as minimum and maximum, a compound key with an enum; sketches, counts by value and deviations. */
export const shopCurrencies = featureView('shop_currencies', {
  entity: shopCurrency,
  source: payments,
  features: (f) => ({
    units_1h: f.sum('units').over('1h'),
    units_max_6h: f.max('units').over('6h', { hop: '7m' }),
    units_min_6h: f.min('units').over('6h', { hop: '7m' }),
    amount_30d: f.sum('amount').over('30d'),
    least_note_3h: f.min('note').over('3h'),
    greatest_note_3h: f.max('note').over('3h'),
    fee_sum: f.sum('fee'),
    notes: f.count('note'),
    units_deviation_1h: f.stddev('units').over('1h'),
    fee_variance: f.variance('fee'),
    fee_quantiles_6h: f.quantiles('fee', [0.5, 0.99]).over('6h', { hop: '7m' }),
    top_notes_3h: f.topK('note', 3).over('3h'),
    ratings_6h: f.histogram('rating').over('6h', { hop: '7m' }),
    customers_1h: f.approxDistinct('customer').over('1h'),
    first_payments_1h: f.firstN('payment_id', 5).over('1h'),
    payments_by_note_3h: f.count().by('note').over('3h').default({}),
    express_units_1h: f
      .sum('units')
      .where((e) => e.express)
      .over('1h')
      .default(0n),
  }),
  derived: (d) => ({
    top_note: d.string((v) => v.top_notes_3h?.[0] ?? null),
    is_spread: d.boolean((v) => (v.units_deviation_1h ?? 0) > 100),
  }),
});

/** `where`, and row functions over what may be null. */
export const shopQuality = featureView('shop_quality', {
  entity: shop,
  source: payments,
  where: (e) => e.express || e.rating !== null,
  features: (f) => ({
    points_avg_1h: f.avg((e) => pointsOf(e.rating)).over('1h'),
    points_1d: f.sum((e) => pointsOf(e.rating), { type: z.int() }).over('1d', { hop: '1h' }),
    five_share_6h: f.avg((e) => (e.rating === null ? null : e.rating === 5 ? 1 : 0)).over('6h', { hop: '5m' }),
    dear_1h: f.count((e) => (Number(e.amount) > 500 ? 1 : null)).over('1h', { hop: '30s' }),
    longest_note_1d: f.max((e) => (e.note === null ? null : e.note.length), { type: z.int() }).over('1d'),
    last_label_1d: f.last((e) => `${e.currency}:${e.express}`, { type: z.string() }).over('1d'),
  }),
});

/** A date and a boolean as keys: two hot entities a day. */
export const laneTotals = featureView('lane_totals', {
  entity: lane,
  source: payments,
  key: (e) => ({ day: new Date(e.at / 1000).toISOString().slice(0, 10), express: e.express }),
  features: (f) => ({
    payments: f.count(),
    payments_5m: f.count().over('5m', { hop: '5s' }),
    amount: f.sum('amount'),
    fee_2d: f.sum('fee').over('2d'),
    units: f.sum('units'),
    last_shop_3h: f.last('shop').over('3h'),
  }),
});

export const shopModel = featureService('shop_model', [
  shopPulse,
  shopQuality,
  shopPulse.as('rival', { shop: 'rival' }),
]);
export const customerModel = featureService('customer_model', {
  views: [
    customerSpend.as('giver', { customer: 'giver' }),
    customerSpend.as('taker', { customer: 'taker' }),
    customerLife,
  ],
  request: z.object({ items: z.int().min(1) }),
  derived: (d) => ({
    lead: d.number(({ giver, taker }) => (giver.shops_1d ?? 0) - (taker.shops_1d ?? 0)),
    spent_an_item: d.number(({ giver }, { request }) => Number(giver.spent_15m ?? 0) / request.items),
  }),
});
