import { join } from 'node:path';
import { z } from 'zod';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { source } from '../../engine/define/source.ts';
import type { DuckDb } from '../../engine/duckdb/duckdb.ts';
import type { OracleEvent } from '../oracle/oracle-read.ts';
import type { OracleFeature } from '../training/training-fixture.ts';

const FLIGHTS = join(import.meta.dirname, '../../node_modules/vega-datasets/data/flights-3m.parquet');
const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const INT = { kind: 'int' } as const;
const DOUBLE = { kind: 'double' } as const;

interface Flight {
  readonly flightId: string;
  readonly timeUs: number;
  readonly delay: number | null;
  readonly distance: number;
}

/** The example of design §4, with nulls and duplicates in its history. */
export const route = entity('route', { origin: z.string(), destination: z.string() });
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
  history: { path: 'flights/*.parquet' },
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

/** The features of `routeDelays`, as the oracle has them. */
export const expected: readonly OracleFeature<Flight>[] = [
  { name: 'flights_1d', aggregate: 'count', input: null, result: INT, windowUs: DAY, hopUs: HOUR, of: () => true },
  {
    name: 'delay_avg_7d',
    aggregate: 'avg',
    input: INT,
    result: DOUBLE,
    windowUs: 7 * DAY,
    hopUs: HOUR,
    of: (e) => e.delay,
  },
  { name: 'delay_max_1d', aggregate: 'max', input: INT, result: INT, windowUs: DAY, hopUs: HOUR, of: (e) => e.delay },
  {
    name: 'late_share_7d',
    aggregate: 'avg',
    input: DOUBLE,
    result: DOUBLE,
    windowUs: 7 * DAY,
    hopUs: HOUR,
    of: (e) => ((e.delay ?? 0) > 15 ? 1 : 0),
  },
  {
    name: 'miles_30d',
    aggregate: 'sum',
    input: INT,
    result: INT,
    windowUs: 30 * DAY,
    hopUs: DAY,
    of: (e) => e.distance,
  },
  { name: 'last_delay', aggregate: 'last', input: INT, result: INT, windowUs: null, hopUs: null, of: (e) => e.delay },
];

/** The flights with an id, nulls among the delays, and every thousandth flight twice. */
export async function writeHistory(duckdb: DuckDb, folder: string): Promise<void> {
  await duckdb.run(
    `CREATE TABLE flights AS
     SELECT 'f' || file_row_number AS flight_id, date, origin, destination,
            CASE WHEN file_row_number % 50 = 0 THEN NULL ELSE delay END AS delay, distance
     FROM read_parquet($1, file_row_number = true)`,
    [FLIGHTS],
  );
  await duckdb.run(
    `COPY (SELECT * FROM flights UNION ALL SELECT * FROM flights WHERE delay % 1000 = 0) TO '${folder}/flights/all.parquet'`,
  );
}

/** A flight as the oracle's event, with the route it belongs to. */
export type RouteEvent = OracleEvent & { readonly route: string };

/** The flights of the routes that `routes` (a table or file with origin and destination) names, by route. */
export async function oracleEvents(duckdb: DuckDb, routes: string): Promise<Map<string, RouteEvent[]>> {
  const rows = await duckdb.query<Record<string, string | bigint | null>>(
    `SELECT f.origin || f.destination AS route, flight_id, epoch_us(date) AS time_us, delay, distance
     FROM flights f SEMI JOIN ${routes} s ON f.origin = s.origin AND f.destination = s.destination`,
  );
  const events = rows.map((row): RouteEvent => {
    const flight: Flight = {
      flightId: String(row['flight_id']),
      timeUs: Number(row['time_us']),
      delay: row['delay'] === null ? null : Number(row['delay']),
      distance: Number(row['distance']),
    };
    return {
      route: String(row['route']),
      eventTimeUs: flight.timeUs,
      id: flight.flightId,
      partition: -1,
      offset: 0,
      inputs: expected.map((feature) => feature.of(flight)),
    };
  });
  return Map.groupBy(events, (event) => event.route);
}
