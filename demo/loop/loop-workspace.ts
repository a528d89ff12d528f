import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDb, openDuckDb, quoteText } from '../../engine/duckdb/duckdb.ts';
import { RELEASE } from '../../engine/installation/release.ts';
import { flightsPath } from '../flights-workspace.ts';

/** Flights between so many of the busiest airports. */
const AIRPORTS = 20;
/** Rows of January to April that are trained on, and of May that are evaluated on. */
const TRAINING_ROWS = 150_000;
const EVALUATION_ROWS = 40_000;
/** Of June's flights, one in so many is decided on. */
const DECIDED_OF = 3;

export const HOUR_US = 3_600_000_000;
export const DAY_US = 24 * HOUR_US;
/** So long before a flight is to leave it is decided whether to warn of it. */
export const AHEAD_US = 2 * HOUR_US;
export const JUNE_US = Date.UTC(2001, 5, 1) * 1000;
export const JULY_US = Date.UTC(2001, 6, 1) * 1000;

/** The loop's folder: definitions, history, what is trained and evaluated on, and June to be replayed. */
export interface LoopWorkspace {
  readonly featuresDir: string;
  /** Departures of June and what still left in July, by when they left. */
  readonly junePath: string;
  /** Flights to be decided on, by when that is. */
  readonly requestsPath: string;
  /** Label rows of January to May: what the first model is trained on, what it is evaluated on, and what the second is trained on. */
  readonly spines: { readonly januaryToApril: string; readonly may: string; readonly januaryToMay: string };
  /** Of January to April. */
  readonly trainingRows: number;
  readonly airports: number;
  readonly decidedOf: number;
  readonly historyRows: number;
  readonly juneRows: number;
  readonly requests: number;
  /** Share of late flights among those of January to April that are trained on. */
  readonly baseRate: number;
}

/**
 * Lays the folder out, of the flights between the 20 busiest airports. The one time that the data set has of a flight is taken for the scheduled one; it left
 * by its delay later.
 *
 * @throws MillraceError `package-missing` without the package that brings the flights
 * @example
 * const workspace = await prepareLoop('/tmp/loop');
 */
export async function prepareLoop(folder: string): Promise<LoopWorkspace> {
  const featuresDir = join(folder, 'features');
  const historyDir = join(folder, 'data', 'departures');
  for (const made of [featuresDir, historyDir]) await mkdir(made, { recursive: true });
  const exampleDir = join(RELEASE.folder, 'examples', 'flight-delay', 'features');
  for (const file of await readdir(exampleDir)) await copyFile(join(exampleDir, file), join(featuresDir, file));
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: join(folder, 'spill') });
  try {
    return { featuresDir, ...(await writeLoop(duckdb, folder, historyDir)) };
  } finally {
    await duckdb.close();
  }
}

async function writeLoop(
  duckdb: DuckDb,
  folder: string,
  historyDir: string,
): Promise<Omit<LoopWorkspace, 'featuresDir'>> {
  const flights = quoteText(flightsPath());
  await duckdb.run(`
    CREATE TABLE flight AS
    WITH busiest AS (SELECT origin FROM ${flights} GROUP BY origin ORDER BY count(*) DESC, origin LIMIT ${AIRPORTS})
    SELECT format('F{:07d}', n) AS flight_id, to_timestamp(epoch(date)) AS scheduled, to_timestamp(epoch(date) + 60 * delay) AS departed, origin, destination, delay,
      distance, delay > 15 AS late, epoch_us(date) AS scheduled_us, epoch_us(date) + 60000000 * delay AS departed_us, month(date) AS month, hour(date) >= 5 AS by_day
    FROM (SELECT row_number() OVER () AS n, * FROM ${flights})
    WHERE origin IN (SELECT origin FROM busiest) AND destination IN (SELECT origin FROM busiest) AND delay > -120`);
  const copy = async (select: string, name: string): Promise<string> => {
    const path = join(folder, name);
    await duckdb.run(`COPY (${select}) TO ${quoteText(path)} (FORMAT parquet)`);
    return path;
  };
  const departed = (where: string): string =>
    `SELECT flight_id, scheduled, departed, origin, destination, delay, distance FROM flight WHERE ${where} ORDER BY departed, flight_id`;
  for (let month = 0; month < 5; month++) {
    const [from, until] = [month, month + 1].map((of) => Date.UTC(2001, of, 1) * 1000);
    // What was to leave on New Year's Day and left before it is of the first file.
    const since = month === 0 ? '' : `departed_us >= ${from} AND `;
    await duckdb.run(
      `COPY (${departed(`${since}departed_us < ${until}`)}) TO ${quoteText(join(historyDir, `2001-0${month + 1}.parquet`))} (FORMAT parquet)`,
    );
  }
  const decidedAt = `to_timestamp((scheduled_us - ${AHEAD_US}) / 1000000)`;
  const labelled = (where: string, rows: number): string =>
    `SELECT flight_id, ${decidedAt} AS event_timestamp, origin, destination, 'us' AS network, scheduled, distance, late
     FROM flight WHERE by_day AND ${where} ORDER BY md5(flight_id) LIMIT ${rows}`;
  const spines = {
    januaryToApril: await copy(labelled('month <= 4', TRAINING_ROWS), 'january-to-april.parquet'),
    may: await copy(labelled('month = 5', EVALUATION_ROWS), 'may.parquet'),
    januaryToMay: await copy(labelled('month <= 5', TRAINING_ROWS), 'january-to-may.parquet'),
  };
  const junePath = await copy(departed(`departed_us >= ${JUNE_US}`), 'june.parquet');
  const requestsPath = await copy(
    `SELECT flight_id, ${decidedAt} AS decided_at, scheduled, origin, destination, distance FROM flight
     WHERE by_day AND month = 6 AND CAST('0x' || left(md5(flight_id), 8) AS BIGINT) % ${DECIDED_OF} = 0 ORDER BY decided_at, flight_id`,
    'requests.parquet',
  );
  const [counts] = await duckdb.query<{ history: bigint; june: bigint; requests: bigint; base: number }>(
    `SELECT count(*) FILTER (departed_us < ${JUNE_US}) AS history, count(*) FILTER (departed_us >= ${JUNE_US}) AS june,
       (SELECT count(*) FROM ${quoteText(requestsPath)}) AS requests, (SELECT avg(late::INTEGER) FROM ${quoteText(spines.januaryToApril)}) AS base FROM flight`,
  );
  await duckdb.run('DROP TABLE flight');
  return {
    junePath,
    requestsPath,
    spines,
    trainingRows: TRAINING_ROWS,
    airports: AIRPORTS,
    decidedOf: DECIDED_OF,
    historyRows: Number(counts?.history),
    juneRows: Number(counts?.june),
    requests: Number(counts?.requests),
    baseRate: counts?.base ?? Number.NaN,
  };
}
