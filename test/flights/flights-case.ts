import { join } from 'node:path';
import { z } from 'zod';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { source } from '../../engine/define/source.ts';
import type { DuckDb } from '../../engine/duckdb/duckdb.ts';
import type { OracleEvent, OracleView } from '../oracle/view.ts';

const FLIGHTS = join(import.meta.dirname, '../../node_modules/vega-datasets/data/flights-3m.parquet');
const INT = { kind: 'int' } as const;

interface Flight {
  readonly route: string;
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

const delay = { type: INT, of: (e: Flight) => e.delay };

/** `routeDelays`, as the oracle has it. */
export const oracleRouteDelays: OracleView<Flight> = {
  idType: { kind: 'string' },
  where: (e) => e.distance > 0,
  key: (e) => e.route,
  features: [
    { name: 'flights_1d', aggregate: 'count', input: null, over: { window: '1d' } },
    { name: 'delay_avg_7d', aggregate: 'avg', input: delay, over: { window: '7d' } },
    { name: 'delay_max_1d', aggregate: 'max', input: delay, over: { window: '1d' } },
    {
      name: 'late_share_7d',
      aggregate: 'avg',
      input: { type: { kind: 'double' }, of: (e) => ((e.delay ?? 0) > 15 ? 1 : 0) },
      over: { window: '7d' },
    },
    { name: 'miles_30d', aggregate: 'sum', input: { type: INT, of: (e) => e.distance }, over: { window: '30d' } },
    { name: 'last_delay', aggregate: 'last', input: delay, over: null },
  ],
};

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

/** The flights of the routes that `routes` (a table or file with origin and destination) names, by route. */
export async function oracleEvents(duckdb: DuckDb, routes: string): Promise<Map<string, OracleEvent[]>> {
  const rows = await duckdb.query<Record<string, string | bigint | null>>(
    `SELECT f.origin || f.destination AS route, flight_id, epoch_us(date) AS time_us, delay, distance
     FROM flights f SEMI JOIN ${routes} s ON f.origin = s.origin AND f.destination = s.destination`,
  );
  const events = new Map<string, OracleEvent[]>();
  for (const row of rows) {
    const flight: Flight = {
      route: String(row['route']),
      delay: row['delay'] === null ? null : Number(row['delay']),
      distance: Number(row['distance']),
    };
    const ofRoute = events.get(flight.route) ?? [];
    events.set(flight.route, ofRoute);
    ofRoute.push({
      eventTimeUs: Number(row['time_us']),
      id: String(row['flight_id']),
      partition: -1,
      offset: 0,
      inputs: oracleRouteDelays.features.map(({ input }) => (input === null ? true : input.of(flight))),
    });
  }
  return events;
}
