import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';

export const route = entity('route', { origin: z.string(), destination: z.string() });
export const airport = entity('airport', { airport: z.string() });
export const arrivalAirport = entity('arrival_airport', { destination: z.string() });
export const haul = entity('haul', { band: z.int() });

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
  topic: 'soak.flights',
  history: { path: 'data/flights/*.parquet' },
});

/** A compound key and long windows. */
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

/** Hot entities, and windows from an hour to a month. */
export const airportTraffic = featureView('airport_traffic', {
  entity: airport,
  source: flights,
  where: (e) => e.distance >= 50,
  key: (e) => ({ airport: e.origin }),
  features: (f) => ({
    departures_1h: f.count().over('1h'),
    departures_12h: f.count().over('12h', { hop: '15m' }),
    delayed_1d: f.sum((e) => (e.delay !== null && e.delay > 15 ? 1 : 0), { type: z.int() }).over('1d'),
    delay_avg_12h: f.avg('delay').over('12h', { hop: '15m' }),
    delay_min_1d: f.min('delay').over('1d'),
    farthest_30d: f.max('distance').over('30d'),
    first_destination_3d: f.first('destination').over('3d'),
    last_destination: f.last('destination'),
    departures: f.count(),
  }),
});

/** Strings by their bytes, and ties: dozens of flights share a minute. */
export const arrivals = featureView('arrivals', {
  entity: arrivalAirport,
  source: flights,
  where: (e) => e.delay !== null,
  features: (f) => ({
    arrivals_6h: f.count('delay').over('6h'),
    least_origin_2d: f.min('origin').over('2d'),
    greatest_origin_2d: f.max('origin').over('2d'),
    first_flight_1d: f.first('flight_id').over('1d'),
    last_flight_1d: f.last('flight_id').over('1d'),
    last_seen_at: f.max('date'),
    delay_sum: f.sum('delay'),
  }),
});

/** A handful of very hot entities. */
export const haulTraffic = featureView('haul_traffic', {
  entity: haul,
  source: flights,
  key: (e) => ({ band: Math.floor(e.distance / 250) }),
  features: (f) => ({
    flights_2h: f.count().over('2h', { hop: '1m' }),
    on_time_1d: f.avg((e) => (e.delay === null ? null : e.delay <= 0 ? 1 : 0)).over('1d'),
    distance_avg_7d: f.avg('distance').over('7d'),
    delay_max: f.max('delay'),
    flights: f.count(),
  }),
});

export const delayModel = featureService('delay_model', [routeDelays, airportTraffic, arrivals]);
