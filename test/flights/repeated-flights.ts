/** The real flights with ids that repeat, in files whose rows are in no order; and the oracle's events of them. */
import { join } from 'node:path';
import { z } from 'zod';
import { source } from '../../engine/define/source.ts';
import type { DuckDb } from '../../engine/duckdb/duckdb.ts';
import { airportTraffic, routeDelays } from '../../features/flights.ts';
import type { OracleType } from '../oracle/order.ts';
import type { OracleFile } from '../oracle/source-log.ts';
import type { OracleView } from '../oracle/view.ts';

const FLIGHTS = join(import.meta.dirname, '../../node_modules/vega-datasets/data/flights-3m.parquet');

/**
 * The id is an integer per route and minute of the day, as flight numbers are: it repeats within a minute of a day, and every few days, often at
 * the very horizon of 24 h.
 */
export const repeatedFlights = source('flights', {
  schema: z.object({
    id: z.int(),
    date: z.iso.datetime(),
    origin: z.string().length(3),
    destination: z.string().length(3),
    delay: z.int().nullable(),
    distance: z.int().positive(),
  }),
  eventTime: 'date',
  eventId: 'id',
  history: { path: 'flights/*.parquet' },
});

/** The example's views over it. */
export const repeatedViews = [
  { ...routeDelays, source: repeatedFlights },
  { ...airportTraffic, source: repeatedFlights },
] as const;

/** Six files of half a million rows, dealt and ordered by a hash; a fiftieth of the delays are null. */
export async function writeRepeatedFlights(duckdb: DuckDb, folder: string): Promise<void> {
  await duckdb.run(
    `CREATE TABLE repeated AS
     SELECT dense_rank() OVER (ORDER BY origin, destination) * 1440 + hour(date) * 60 + minute(date) AS id, date AT TIME ZONE 'UTC' AS date, origin, destination,
            CASE WHEN file_row_number % 50 = 0 THEN NULL ELSE delay END AS delay, distance, md5(file_row_number::VARCHAR) AS place
     FROM read_parquet($1, file_row_number = true)`,
    [FLIGHTS],
  );
  for (const [index, letter] of ['d', 'b', 'f', 'a', 'e', 'c'].entries()) {
    await duckdb.run(
      `COPY (SELECT * EXCLUDE (place) FROM repeated WHERE ('0x' || place[1:4])::INTEGER % 6 = ${index} ORDER BY place)
       TO '${folder}/flights/part-${letter}.parquet' (FORMAT parquet)`,
    );
  }
}

/** A flight as a row of those files. */
export interface Flight {
  readonly id: number;
  readonly dateUs: number;
  readonly origin: string;
  readonly destination: string;
  readonly delay: number | null;
  readonly distance: number;
}

const INT: OracleType = { kind: 'int' };
const delay = { type: INT, of: (e: Flight) => e.delay };
const distance = { type: INT, of: (e: Flight) => e.distance };
const isLate = (e: Flight) => ((e.delay ?? 0) > 15 ? 1 : 0);

/** `route_delays` and `airport_traffic`, as the oracle has them. */
export const oracleFlightViews: readonly OracleView<Flight>[] = [
  {
    idType: INT,
    where: (e) => e.distance > 0,
    key: (e) => `${e.origin}${e.destination}`,
    features: [
      { name: 'flights_1d', aggregate: 'count', input: null, over: { window: '1d' } },
      { name: 'delay_avg_7d', aggregate: 'avg', input: delay, over: { window: '7d' } },
      { name: 'delay_max_1d', aggregate: 'max', input: delay, over: { window: '1d' } },
      {
        name: 'late_share_7d',
        aggregate: 'avg',
        input: { type: { kind: 'double' }, of: isLate },
        over: { window: '7d' },
      },
      { name: 'miles_30d', aggregate: 'sum', input: distance, over: { window: '30d' } },
      { name: 'last_delay', aggregate: 'last', input: delay, over: null },
    ],
  },
  {
    idType: INT,
    where: (e) => e.distance >= 50,
    key: (e) => e.origin,
    features: [
      { name: 'departures_1h', aggregate: 'count', input: null, over: { window: '1h' } },
      { name: 'departures_12h', aggregate: 'count', input: null, over: { window: '12h' } },
      { name: 'delayed_1h', aggregate: 'sum', input: { type: INT, of: isLate }, over: { window: '1h' } },
      { name: 'delay_avg_12h', aggregate: 'avg', input: delay, over: { window: '12h' } },
      { name: 'delay_min_12h', aggregate: 'min', input: delay, over: { window: '12h' } },
      { name: 'delay_deviation_12h', aggregate: 'stddev', input: delay, over: { window: '12h' } },
      {
        name: 'delay_quantiles_12h',
        aggregate: 'quantiles',
        quantiles: [0.5, 0.9],
        input: delay,
        over: { window: '12h' },
      },
      {
        name: 'departures_by_destination_12h',
        aggregate: 'count',
        input: null,
        by: { type: { kind: 'string' }, of: (e) => e.destination, limit: 300 },
        resultType: INT,
        over: { window: '12h' },
      },
      { name: 'farthest_30d', aggregate: 'max', input: distance, over: { window: '30d' } },
      { name: 'miles_30d', aggregate: 'sum', input: distance, over: { window: '30d' } },
      {
        name: 'first_destination_30d',
        aggregate: 'first',
        input: { type: { kind: 'string' }, of: (e) => e.destination },
        over: { window: '30d' },
      },
      {
        name: 'last_destination',
        aggregate: 'last',
        input: { type: { kind: 'string' }, of: (e) => e.destination },
        over: null,
      },
      { name: 'departures', aggregate: 'count', input: null, over: null },
    ],
  },
];

/** The rows of the files, airport by airport, each as the oracle takes a history: read as plain rows, by nothing of the engine but its DuckDB. */
export async function* flightsByOrigin(duckdb: DuckDb, folder: string): AsyncGenerator<[string, OracleFile[]]> {
  let origin = '';
  let files: { name: string; rows: Flight[] }[] = [];
  const sql = `SELECT origin, filename, id, epoch_us(date), destination, delay, distance
    FROM read_parquet('${folder}/flights/*.parquet', filename = true, file_row_number = true) ORDER BY origin, filename, file_row_number`;
  for await (const chunk of duckdb.chunks(sql)) {
    for (const [from, name, id, dateUs, destination, late, miles] of chunk.getRows()) {
      if (from !== origin && files.length > 0) {
        yield [origin, files];
        files = [];
      }
      origin = String(from);
      if (files.at(-1)?.name !== name) files.push({ name: String(name), rows: [] });
      files.at(-1)!.rows.push({
        id: Number(id),
        dateUs: Number(dateUs),
        origin,
        destination: String(destination),
        delay: late === null ? null : Number(late),
        distance: Number(miles),
      });
    }
  }
  yield [origin, files];
}
