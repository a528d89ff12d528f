import { decisions, entity, featureView, labelSet, outcomes, pairs } from 'millrace';
import { z } from 'zod';

export const offer = entity('offer', { offer: z.string() });

/** What the soak's application decides: soak/loop/application.ts. */
export const suggestions = decisions('suggestions', {
  context: z.object({ shop: z.string(), basket: z.int() }),
});

/** And what comes of it. */
export const responses = outcomes('responses', { value: z.int() });

/** Times in the measure of a soak: of its minutes, both ends of each rule are met. */
export const taken = labelSet('taken', {
  decisions: suggestions,
  outcomes: responses,
  value: (_, o) => o.value,
  reduce: 'sum',
  matureAfter: '4s',
  horizon: '6s',
  absent: 0,
});

/** Over decisions: shadows among them, and what is null in most. */
export const offerSuggestions = featureView('offer_suggestions', {
  entity: offer,
  source: suggestions,
  key: (e) => ({ offer: e.action }),
  features: (f) => ({
    made: f.count(),
    made_1m: f.count().over('1m', { hop: '1s' }),
    acted_10m: f
      .count()
      .where((e) => e.acted)
      .over('10m', { hop: '10s' }),
    score_avg_1h: f.avg('score').over('1h'),
    basket_sum: f.sum((e) => e.context.basket, { type: z.int() }),
    last_shop_1h: f.last((e) => e.context.shop, { type: z.string() }).over('1h'),
    first_id: f.first('decision_id'),
  }),
});

/** Over pairs: what came of what was decided. */
export const offerResponses = featureView('offer_responses', {
  entity: offer,
  source: pairs(taken),
  key: (e) => ({ offer: e.decision.action }),
  features: (f) => ({
    responses: f.count(),
    responses_1m: f.count().over('1m', { hop: '1s' }),
    worth: f.sum((e) => e.outcome.value, { type: z.int() }),
    worth_max_10m: f.max((e) => e.outcome.value, { type: z.int() }).over('10m', { hop: '10s' }),
    wait_avg: f.avg((e) => (e.outcome.occurred_at - e.decision.decided_at) / 1000),
    last_shop_1h: f.last((e) => e.decision.context.shop, { type: z.string() }).over('1h'),
    last_id: f.last((e) => e.outcome.outcome_id, { type: z.string() }),
  }),
});
