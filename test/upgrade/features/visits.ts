import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';

export const page = entity('page', { site: z.string(), section: z.int() });

/** JSONL history and a topic that overlap, parted by `until`; int ids. */
export const visits = source('visits', {
  schema: z.object({
    visit_id: z.int(),
    at: z.iso.datetime(),
    site: z.string(),
    section: z.int(),
    seconds: z.number(),
    bytes: z.int64().nullable(),
    browser: z.string().nullable(),
    bounced: z.boolean(),
  }),
  eventTime: 'at',
  eventId: 'visit_id',
  topic: 'visits',
  history: { path: 'data/visits/*.jsonl', until: '2026-11-23T08:00:00Z' },
});

/** Published and refreshed once; not promoted. */
export const pageVisits = featureView('page_visits', {
  entity: page,
  source: visits,
  key: (e) => ({ site: e.site.toLowerCase(), section: e.section }),
  features: (f) => ({
    visits: f.count(),
    visits_1d: f.count().over('1d'),
    visits_30d: f.count().over('30d'),
    seconds: f.sum('seconds'),
    seconds_avg_7d: f.avg('seconds').over('7d'),
    seconds_max_1d: f.max('seconds').over('1d'),
    bytes_7d: f.sum('bytes').over('7d'),
    bytes_min: f.min('bytes'),
    bounce_share_30d: f.avg((e) => (e.bounced ? 1 : 0)).over('30d'),
    first_browser: f.first('browser'),
    first_browser_7d: f.first('browser').over('7d'),
    last_browser: f.last('browser'),
    last_visit_30d: f.last('visit_id').over('30d'),
  }),
});

export const pageModel = featureService('page_model', [pageVisits]);
