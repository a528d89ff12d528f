import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDb, openDuckDb, quoteText } from '../../engine/duckdb/duckdb.ts';
import { flightsPath } from '../flights-workspace.ts';
import type { SentDeparture } from './departures.ts';
import { WEEK_MS } from './watch-faults.ts';

/**
 * The airports whose flights are told apart: of the West, where a June has no thunderstorms. What those do to Chicago, Dallas and Atlanta for hours monitors find as
 * well, and are right; here it is to be seen that they find what was planted, and nothing else.
 */
const WESTERN = ['LAX', 'PHX', 'LAS', 'SFO', 'SEA', 'SAN', 'SLC', 'OAK', 'SJC', 'PDX'];

/** The demo's folder: what left before the week as files, and a way to read what left when. */
export interface WatchWorkspace {
  readonly folder: string;
  readonly historyRows: number;
  /** What left between two times, UTC epoch ms, in that order: each is sent as it leaves. */
  readonly departures: (fromMs: number, untilMs: number) => Promise<SentDeparture[]>;
  readonly close: () => Promise<void>;
}

/** The first instant of the flights. */
export const JANUARY_MS = Date.UTC(2001, 0, 1);

/**
 * Lays the folder out of all flights.
 *
 * @throws MillraceError `package-missing` without the package that brings the flights
 * @example
 * const workspace = await prepareWatch('/tmp/watch');
 */
export async function prepareWatch(folder: string): Promise<WatchWorkspace> {
  const historyDir = join(folder, 'data', 'departures');
  await mkdir(historyDir, { recursive: true });
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
  try {
    return { folder, ...(await writeWatch(duckdb, historyDir)) };
  } catch (error) {
    await duckdb.close();
    throw error;
  }
}

async function writeWatch(duckdb: DuckDb, historyDir: string): Promise<Omit<WatchWorkspace, 'folder'>> {
  const flights = quoteText(flightsPath());
  await duckdb.run(`
    CREATE TABLE departure AS
    SELECT format('F{:07d}', n) AS flight_id, to_timestamp(epoch(date)) AS departed, epoch_ms(date) AS departed_ms, origin, destination, delay, distance
    FROM (SELECT row_number() OVER () AS n, * FROM ${flights})
    ORDER BY departed, flight_id`);
  await duckdb.run(
    `COPY (SELECT flight_id, departed, origin, destination, CAST(delay AS DOUBLE) AS delay, distance FROM departure WHERE departed_ms < ${WEEK_MS} ORDER BY departed, flight_id)
     TO ${quoteText(join(historyDir, 'until-the-week.parquet'))} (FORMAT parquet)`,
  );
  const [counts] = await duckdb.query<{ history: bigint }>(
    `SELECT count(*) AS history FROM departure WHERE departed_ms < ${WEEK_MS}`,
  );
  return {
    historyRows: Number(counts?.history),
    departures: async (fromMs, untilMs) => {
      const rows = await duckdb.query<{
        at: bigint;
        flight_id: string;
        origin: string;
        destination: string;
        delay: number;
        distance: number;
      }>(
        `SELECT departed_ms AS at, flight_id, origin, destination, CAST(delay AS INTEGER) AS delay, CAST(distance AS INTEGER) AS distance
         FROM departure WHERE departed_ms >= ${fromMs} AND departed_ms < ${untilMs} ORDER BY departed_ms, flight_id`,
      );
      return rows.map(({ at, ...flight }) => {
        const sentMs = Number(at);
        return { sentMs, departure: { departed: new Date(sentMs).toISOString(), ...flight } };
      });
    },
    close: () => duckdb.close(),
  };
}

/** What definitions of the demo differ in. */
export interface WatchedDefinitions {
  readonly topic: string;
  /** Whether what left before the week is files of its source: else it is on its topic. */
  readonly hasHistory: boolean;
}

/** Writes definitions into a folder of their own below the workspace; returns its path. */
export async function writeDefinitions(
  { folder }: Pick<WatchWorkspace, 'folder'>,
  name: string,
  definitions: WatchedDefinitions,
): Promise<string> {
  const featuresDir = join(folder, name);
  await mkdir(featuresDir, { recursive: true });
  await writeFile(join(featuresDir, 'index.ts'), definitionsText(definitions));
  return featuresDir;
}

/** Theirs, not the demo's. */
const ZOD = "'zod'";

function definitionsText({ topic, hasHistory }: WatchedDefinitions): string {
  return `import { entity, featureView, source } from 'millrace';
import { z } from ${ZOD};

/** Of the West: a June has no thunderstorms there. */
const WESTERN = ${JSON.stringify(WESTERN)};

export const airport = entity('airport', { origin: z.string() });

/** Flights that have left, as of when they left. */
export const departures = source('departures', {
  schema: z.object({
    flight_id: z.string(),
    departed: z.iso.datetime(),
    origin: z.string().length(3),
    destination: z.string().length(3),
    delay: z.number().min(-1440).max(2880).nullable(),
    distance: z.int().positive(),
  }),
  eventTime: 'departed',
  eventId: 'flight_id',
  segments: [{ name: 'origin', of: (e) => (WESTERN.includes(e.origin) ? e.origin : null) }],
  topic: '${topic}',${hasHistory ? "\n  history: { path: 'data/departures/*.parquet' }," : ''}
});

export const airportDepartures = featureView('airport_departures', {
  entity: airport,
  source: departures,
  segments: ['origin'],
  features: (f) => ({
    departures_1h: f.count().over('1h'),
    delay_avg_4h: f.avg('delay').over('4h'),
    late_share_4h: f.avg((e) => ((e.delay ?? 0) > 15 ? 1 : 0)).over('4h'),
    miles_4h: f.sum('distance').over('4h'),
  }),
});
`;
}
