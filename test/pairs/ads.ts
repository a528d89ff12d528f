import { z } from 'zod';
import { decisions, entity, featureService, featureView, labelSet, outcomes, pairs } from 'millrace';

/** Which ad was shown, and whether it was clicked: a click-through rate is a feature. Everything by names of its own. */
export function adsOf(suffix: string) {
  const ad = entity(`ad${suffix}`, { ad_id: z.string() });
  const shown = decisions(`shown${suffix}`, { context: z.object({ page: z.string() }), topic: `shown${suffix}` });
  const clicks = outcomes(`clicks${suffix}`, { value: z.boolean(), topic: `clicks${suffix}` });
  const clicked = labelSet(`clicked${suffix}`, {
    decisions: shown,
    outcomes: clicks,
    value: (_, o) => (o.value ? 1 : 0),
    matureAfter: '1h',
    absent: 0,
  });
  const shows = featureView(`ad_shows${suffix}`, {
    entity: ad,
    source: shown,
    key: (e) => ({ ad_id: e.action }),
    features: (f) => ({ shows_7d: f.count().over('7d'), shows: f.count() }),
  });
  const clicksOf = featureView(`ad_clicks${suffix}`, {
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
  const model = featureService(`ad_model${suffix}`, {
    views: [shows.as('shows', { ad_id: 'ad_id' }), clicksOf.as('clicks', { ad_id: 'ad_id' })],
    derived: (d) => ({
      click_rate_7d: d.number((v) => (v.shows.shows_7d === 0 ? null : v.clicks.clicks_7d / v.shows.shows_7d)),
    }),
  });
  return { ad, shown, clicks, clicked, shows, clicksOf, model };
}
