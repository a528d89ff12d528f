import { z } from 'zod';
import { decisions, entity, featureService, featureView, labelSet, outcomes, pairs } from 'millrace';

/** Which ad was shown, and whether it was clicked: a click-through rate is a feature. */
export const ad = entity('ad', { ad_id: z.string() });

export const shown = decisions('shown', { context: z.object({ page: z.string(), at_us: z.int() }) });

export const clicks = outcomes('clicks', { value: z.boolean() });

export const clicked = labelSet('clicked', {
  decisions: shown,
  outcomes: clicks,
  value: (_, o) => (o.value ? 1 : 0),
  matureAfter: '1h',
  absent: 0,
});

export const adShows = featureView('ad_shows', {
  entity: ad,
  source: shown,
  key: (e) => ({ ad_id: e.action }),
  features: (f) => ({ shows_7d: f.count().over('7d'), shows: f.count() }),
});

export const adClicks = featureView('ad_clicks', {
  entity: ad,
  source: pairs(clicked),
  key: (e) => ({ ad_id: e.decision.action }),
  where: (e) => e.outcome.value,
  features: (f) => ({
    clicks_7d: f.count().over('7d'),
    clicks: f.count(),
    seconds_to_click: f.avg((e) => (e.paired_at - e.decision.decided_at) / 1_000_000),
  }),
});

export const adModel = featureService('ad_model', {
  views: [adShows, adClicks],
  derived: (d) => ({
    click_rate_7d: d.number(({ ad_shows, ad_clicks }) =>
      ad_shows.shows_7d === 0 ? null : ad_clicks.clicks_7d / ad_shows.shows_7d,
    ),
  }),
});
