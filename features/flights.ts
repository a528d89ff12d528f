import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';

export const route = entity('route', { origin: z.string(), destination: z.string() });
export const airport = entity('airport', { airport: z.string() });

export const flights = source('flights', {
  schema: z.object({
    flight_id: z.string(),
    date: z.iso.datetime({ local: true }),
    origin: z.string().length(3),
    destination: z.string().length(3),
    delay: z.int().min(-1440).max(2880).nullable(),
    distance: z.int().positive(),
  }),
  eventTime: 'date',
  eventId: 'flight_id',
  topic: 'flights',
  history: { path: 'data/flights/*.parquet' },
});

export const routeDelays = featureView('route_delays', {
  entity: route,
  source: flights,
  where: (e) => e.distance > 0,
  features: (f) => ({
    flights_1d: f.count().over('1d'),
    delay_avg_7d: f.avg('delay').over('7d'),
    delay_max_1d: f.max('delay').over('1d'),
    late_share_7d: f.avg((e) => ((e.delay ?? 0) > 15 ? 1 : 0)).over('7d'),
    miles_30d: f.sum('distance').over('30d'),
    last_delay: f.last('delay'),
  }),
});

/** How busy and how late an airport's departures are; ferry hops of under 50 miles do not count. */
export const airportTraffic = featureView('airport_traffic', {
  entity: airport,
  source: flights,
  where: (e) => e.distance >= 50,
  key: (e) => ({ airport: e.origin }),
  features: (f) => ({
    departures_1h: f.count().over('1h'),
    departures_12h: f.count().over('12h'),
    delayed_1h: f.sum((e) => (e.delay !== null && e.delay > 15 ? 1 : 0), { type: z.int() }).over('1h'),
    delay_avg_12h: f.avg('delay').over('12h'),
    delay_min_12h: f.min('delay').over('12h'),
    delay_deviation_12h: f.stddev('delay').over('12h'),
    delay_quantiles_12h: f.quantiles('delay', [0.5, 0.9]).over('12h'),
    departures_by_destination_12h: f.count().by('destination', { limit: 300 }).over('12h'),
    farthest_30d: f.max('distance').over('30d'),
    miles_30d: f.sum('distance').over('30d'),
    first_destination_30d: f.first('destination').over('30d'),
    last_destination: f.last('destination'),
    departures: f.count(),
  }),
});

/** Of a flight that is about to leave: its route, how busy the airports at both of its ends are, and what only who asks knows of it. */
export const delayModel = featureService('delay_model', {
  views: [
    routeDelays,
    airportTraffic.as('from', { airport: 'origin' }),
    airportTraffic.as('to', { airport: 'destination' }),
  ],
  request: z.object({ distance: z.int().positive() }),
  derived: (d) => ({
    hour: d.int((_, { at }) => Math.floor(at / 3_600_000_000) % 24),
    busy_ratio: d.number(({ from, to }) => (to.departures_1h === 0 ? null : from.departures_1h / to.departures_1h)),
    later_than_usual: d.number(({ from, route_delays }) =>
      from.delay_avg_12h === null || route_delays.delay_avg_7d === null
        ? null
        : from.delay_avg_12h - route_delays.delay_avg_7d,
    ),
    distance_share: d.number(({ from }, { request }) =>
      from.farthest_30d === null ? null : request.distance / from.farthest_30d,
    ),
  }),
});
