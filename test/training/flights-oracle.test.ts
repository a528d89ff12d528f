import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { systemClock } from '../../engine/log/clock.ts';
import type { DuckDb } from '../../engine/log/duckdb.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { type OracleEvent, oracleRead } from '../oracle/oracle-read.ts';
import {
  expectedCell,
  type OracleFeature,
  oracleLayout,
  readParquet,
  testFolder,
  withDuckDb,
} from './training-fixture.ts';

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

const route = entity('route', { origin: z.string(), destination: z.string() });
const flights = source('flights', {
  schema: z.object({
    flight_id: z.string(),
    date: z.iso.datetime(),
    origin: z.string().length(3),
    destination: z.string().length(3),
    delay: z.int().min(-1440).max(2880).nullable(),
    distance: z.int().positive(),
  }),
  eventTime: 'date',
  eventId: 'flight_id',
  history: { path: 'flights/*.parquet' },
});
const routeDelays = featureView('route_delays', {
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

const expected: readonly OracleFeature<Flight>[] = [
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
async function writeHistory(duckdb: DuckDb, folder: string): Promise<void> {
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

test('2,000 labels on real flights read what the oracle says, bit for bit', async () => {
  const folder = await testFolder();
  const spine = join(folder, 'spine.parquet');
  const out = join(folder, 'out.parquet');
  await mkdir(join(folder, 'flights'));
  const eventsOf = await withDuckDb(async (duckdb) => {
    await writeHistory(duckdb, folder);
    // Half of the labels at the very microsecond of a flight, half off the minute; and some routes that nobody flies.
    await duckdb.run(
      `COPY (
         SELECT row_number() OVER () AS label_id, CASE WHEN n % 40 = 0 THEN 'QQQ' ELSE origin END AS origin, destination,
                CASE WHEN n % 2 = 0 THEN date ELSE date + INTERVAL (n % 100000) MICROSECOND END AS event_timestamp, delay > 15 AS late
         FROM (SELECT *, row_number() OVER (ORDER BY md5(flight_id)) AS n FROM flights)
         WHERE n <= 2000 ORDER BY n
       ) TO '${spine}'`,
    );
    const rows = await duckdb.query<Record<string, string | bigint | null>>(
      `SELECT f.origin || f.destination AS route, flight_id, epoch_us(date) AS time_us, delay, distance
       FROM flights f SEMI JOIN read_parquet($1) s ON f.origin = s.origin AND f.destination = s.destination`,
      [spine],
    );
    const events = rows.map((row): OracleEvent & { route: string } => {
      const flight: Flight = {
        flightId: String(row['flight_id']),
        timeUs: Number(row['time_us']),
        delay: row['delay'] === null ? null : Number(row['delay']),
        distance: Number(row['distance']),
      };
      const inputs = expected.map((feature) => feature.of(flight));
      return {
        route: String(row['route']),
        eventTimeUs: flight.timeUs,
        id: flight.flightId,
        partition: -1,
        offset: 0,
        inputs,
      };
    });
    return Map.groupBy(events, (event) => event.route);
  });
  const definitions = await compileDefinitions(
    definitionsInMemory([route, flights, routeDelays, featureService('delay_model', [routeDelays])], folder),
  );
  const manifest = await exportTrainingSet({
    service: definitions.services.get('delay_model')!,
    spine,
    out,
    mode: 'event-time',
    reader: null,
    memoryMb: 1024,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
  });
  expect(manifest.rows).toBe(2000);
  expect(manifest.views[0]!.counts.records).toBeGreaterThan(3_000_000);
  expect(manifest.views[0]!.counts.duplicates).toBe(manifest.views[0]!.counts.records - 3_000_000);

  const set = await readParquet(out);
  expect(set.names.slice(5)).toEqual(expected.map(({ name }) => `route_delays__${name}`));
  const layout = oracleLayout('id', expected);
  let nonNull = 0;
  const differences: unknown[] = [];
  for (const row of set.rows) {
    const events = eventsOf.get(`${String(row['origin'])}${String(row['destination'])}`) ?? [];
    const values = oracleRead(layout, events, row['event_timestamp'] as number);
    for (const [index, { name, result }] of expected.entries()) {
      const value = values[index]!;
      if (typeof value === 'symbol') throw new Error('no value of this test is out of range');
      const cell = row[`route_delays__${name}`];
      if (!Object.is(cell, expectedCell(result, value)))
        differences.push({ label: row['label_id'], name, cell, value });
      if (value !== null && value !== 0) nonNull++;
    }
  }
  expect(differences).toEqual([]);
  expect(nonNull).toBeGreaterThan(8000);
});
