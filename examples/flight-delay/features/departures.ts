import { decisions, entity, featureService, featureView, labelSet, source } from 'millrace';
import { z } from 'zod';

export const airport = entity('airport', { airport: z.string() });
export const route = entity('route', { origin: z.string(), destination: z.string() });
export const network = entity('network', { network: z.string() });

/**
 * Flights that have left, as of when they left: the scheduled time plus the delay. As of the scheduled time a feature would know a delay before anybody could.
 */
export const departures = source('departures', {
  schema: z.object({
    flight_id: z.string(),
    scheduled: z.iso.datetime(),
    departed: z.iso.datetime(),
    origin: z.string().length(3),
    destination: z.string().length(3),
    delay: z.int().min(-120).max(2880),
    distance: z.int().positive(),
  }),
  eventTime: 'departed',
  eventId: 'flight_id',
  topic: 'departures',
  history: { path: 'data/departures/*.parquet' },
});

const isLate = (e: { readonly delay: number }): number => (e.delay > 15 ? 1 : 0);

export const airportDepartures = featureView('airport_departures', {
  entity: airport,
  source: departures,
  key: (e) => ({ airport: e.origin }),
  features: (f) => ({
    departures_1h: f.count().over('1h'),
    late_share_1h: f.avg(isLate).over('1h'),
    late_share_4h: f.avg(isLate).over('4h'),
    delay_avg_4h: f.avg('delay').over('4h'),
    late_share_30d: f.avg(isLate).over('30d'),
  }),
});

export const routeDepartures = featureView('route_departures', {
  entity: route,
  source: departures,
  features: (f) => ({
    late_share_1d: f.avg(isLate).over('1d'),
    late_share_7d: f.avg(isLate).over('7d'),
    late_share_30d: f.avg(isLate).over('30d'),
    delay_avg_7d: f.avg('delay').over('7d'),
  }),
});

/** All airports together: weather has no borders. */
export const networkDepartures = featureView('network_departures', {
  entity: network,
  source: departures,
  key: () => ({ network: 'us' }),
  features: (f) => ({
    late_share_1h: f.avg(isLate).over('1h'),
    late_share_4h: f.avg(isLate).over('4h'),
    late_share_7d: f.avg(isLate).over('7d'),
  }),
});

/** Of a flight two hours before it is to leave: how both airports, its route and all of them do, and what its schedule says. */
export const flightDelay = featureService('flight_delay', {
  views: [
    airportDepartures.as('from', { airport: 'origin' }),
    airportDepartures.as('to', { airport: 'destination' }),
    routeDepartures,
    networkDepartures,
  ],
  request: z.object({ scheduled: z.iso.datetime(), distance: z.int().positive() }),
  derived: (d) => ({
    hour: d.int((_, { request }) => Math.floor(request.scheduled / 3_600_000_000) % 24),
    /** 0: Monday. */
    weekday: d.int((_, { request }) => (Math.floor(request.scheduled / 86_400_000_000) + 3) % 7),
    distance: d.int((_, { request }) => request.distance),
  }),
});

export const delayDecisions = decisions('delay_decisions', {
  context: z.object({
    flight_id: z.string(),
    origin: z.string(),
    destination: z.string(),
    scheduled: z.iso.datetime(),
  }),
});

/** 1: it left more than a quarter of an hour late. What has not left a day later is left out. */
export const late = labelSet('late', {
  decisions: delayDecisions,
  outcomes: departures,
  on: { decision: (d) => d.context.flight_id, outcome: (o) => o.flight_id },
  value: (_, o) => isLate(o),
  matureAfter: '1d',
  absent: 'leave-out',
});
