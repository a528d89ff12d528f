import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDuckDb } from '../engine/log/duckdb.ts';

const DAY_US = 86_400_000_000;
const REPLAY_FROM = '2001-06-01';

/** The demo's own folder: definitions, five months of history, and June to be replayed. */
export interface FlightsWorkspace {
  readonly featuresDir: string;
  readonly junePath: string;
  readonly historyRows: number;
  readonly juneRows: number;
  /** Whole days every date was shifted by, so that the newest flight is at most a day old. */
  readonly shiftDays: number;
  /** June's first instant after the shift, µs. */
  readonly juneFromUs: number;
  /** One past the newest event time, µs. */
  readonly untilUs: number;
}

/**
 * Lays the demo's folder out: `features/` (a copy of the example), `data/flights/*.parquet` (January to May, a file a month)
 * and `june.parquet`, all of the three million real flights of the npm package `vega-datasets`, shifted by whole days to end now.
 *
 * @example
 * const workspace = await prepareFlights('/tmp/demo', Date.now() * 1000);
 */
export async function prepareFlights(folder: string, nowUs: number): Promise<FlightsWorkspace> {
  const flights = createRequire(import.meta.url).resolve('vega-datasets/data/flights-3m.parquet');
  const featuresDir = join(folder, 'features');
  const historyDir = join(folder, 'data', 'flights');
  const spillDir = join(folder, 'spill');
  for (const dir of [featuresDir, historyDir, spillDir]) await mkdir(dir, { recursive: true });
  const exampleDir = fileURLToPath(new URL('../features', import.meta.url));
  for (const file of await readdir(exampleDir)) {
    if (file.endsWith('.ts')) await copyFile(join(exampleDir, file), join(featuresDir, file));
  }
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: spillDir });
  try {
    const [bounds] = await duckdb.query<{ newest: bigint }>(`SELECT epoch_us(max(date)) AS newest FROM '${flights}'`);
    const newestUs = Number(bounds?.newest);
    const shiftDays = Math.floor((nowUs - newestUs) / DAY_US);
    await duckdb.run(`
      CREATE TABLE flight AS
      SELECT format('F{:07d}', row_number() OVER ()) AS flight_id, date + to_days(${shiftDays}) AS date, origin, destination, delay, distance,
        date < TIMESTAMP '${REPLAY_FROM}' AS is_history, month(date) AS month
      FROM '${flights}'`);
    const columns = 'flight_id, date, origin, destination, delay, distance';
    for (let month = 1; month <= 5; month++) {
      await duckdb.run(
        `COPY (SELECT ${columns} FROM flight WHERE is_history AND month = ${month}) TO '${join(historyDir, `2001-0${month}.parquet`)}' (FORMAT parquet)`,
      );
    }
    const junePath = join(folder, 'june.parquet');
    await duckdb.run(
      `COPY (SELECT ${columns} FROM flight WHERE NOT is_history ORDER BY date, flight_id) TO '${junePath}' (FORMAT parquet)`,
    );
    const [counts] = await duckdb.query<{ history: bigint; june: bigint }>(
      'SELECT count(*) FILTER (is_history) AS history, count(*) FILTER (NOT is_history) AS june FROM flight',
    );
    return {
      featuresDir,
      junePath,
      historyRows: Number(counts?.history),
      juneRows: Number(counts?.june),
      shiftDays,
      juneFromUs: Date.parse(`${REPLAY_FROM}T00:00:00Z`) * 1000 + shiftDays * DAY_US,
      untilUs: newestUs + shiftDays * DAY_US + 1,
    };
  } finally {
    await duckdb.close();
  }
}
