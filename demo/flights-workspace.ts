import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type DuckDb, openDuckDb, quoteText } from '../engine/duckdb/duckdb.ts';
import { isNotFound, packageMissing } from '../engine/installation/optional-package.ts';
import { RELEASE } from '../engine/installation/release.ts';

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

/** The flights as written: counts, the shift and its instants. */
type WrittenFlights = Omit<FlightsWorkspace, 'featuresDir' | 'junePath'>;

/**
 * Lays the demo's folder out: `features/` (a copy of the example), `data/flights/*.parquet` (January to May, a file a month)
 * and `june.parquet`, all of the three million real flights of the npm package `vega-datasets`, shifted by whole days to end now.
 *
 * @example
 * const workspace = await prepareFlights('/tmp/demo', Date.now() * 1000);
 */
export async function prepareFlights(folder: string, nowUs: number): Promise<FlightsWorkspace> {
  const featuresDir = join(folder, 'features');
  const junePath = join(folder, 'june.parquet');
  await mkdir(featuresDir, { recursive: true });
  const exampleDir = join(RELEASE.folder, 'features');
  for (const file of await readdir(exampleDir)) {
    if (file.endsWith('.ts')) await copyFile(join(exampleDir, file), join(featuresDir, file));
  }
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: join(folder, 'spill') });
  try {
    return {
      featuresDir,
      junePath,
      ...(await writeFlights(duckdb, { historyDir: join(folder, 'data', 'flights'), junePath, nowUs })),
    };
  } finally {
    await duckdb.close();
  }
}

/** The flights, in the package that brings them. Throws MillraceError `package-missing`. */
export function flightsPath(): string {
  try {
    // The package hides its data behind `exports`; its entry lies in <package>/build.
    const entry = createRequire(import.meta.url).resolve('vega-datasets');
    return join(dirname(dirname(entry)), 'data', 'flights-3m.parquet');
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw packageMissing('the demo', ['vega-datasets'], cause);
  }
}

/** Writes January to May into `historyDir` (a Parquet file a month) and June to `junePath`, shifted by whole days to end now. */
export async function writeFlights(
  duckdb: DuckDb,
  { historyDir, junePath, nowUs }: { readonly historyDir: string; readonly junePath: string; readonly nowUs: number },
): Promise<WrittenFlights> {
  await mkdir(historyDir, { recursive: true });
  const flights = quoteText(flightsPath());
  const [bounds] = await duckdb.query<{ newest: bigint }>(`SELECT epoch_us(max(date)) AS newest FROM ${flights}`);
  const newestUs = Number(bounds?.newest);
  const shiftDays = Math.floor((nowUs - newestUs) / DAY_US);
  await duckdb.run(`
    CREATE TABLE flight AS
    SELECT format('F{:07d}', row_number() OVER ()) AS flight_id, date + to_days(${shiftDays}) AS date, origin, destination, delay, distance,
      date < TIMESTAMP '${REPLAY_FROM}' AS is_history, month(date) AS month
    FROM ${flights}`);
  const copy = (where: string, path: string): Promise<void> =>
    duckdb.run(
      `COPY (SELECT flight_id, date, origin, destination, delay, distance FROM flight WHERE ${where} ORDER BY date, flight_id) TO ${quoteText(path)} (FORMAT parquet)`,
    );
  for (let month = 1; month <= 5; month++)
    await copy(`is_history AND month = ${month}`, join(historyDir, `2001-0${month}.parquet`));
  await copy('NOT is_history', junePath);
  const [counts] = await duckdb.query<{ history: bigint; june: bigint }>(
    'SELECT count(*) FILTER (is_history) AS history, count(*) FILTER (NOT is_history) AS june FROM flight',
  );
  await duckdb.run('DROP TABLE flight');
  return {
    historyRows: Number(counts?.history),
    juneRows: Number(counts?.june),
    shiftDays,
    juneFromUs: Date.parse(`${REPLAY_FROM}T00:00:00Z`) * 1000 + shiftDays * DAY_US,
    untilUs: newestUs + shiftDays * DAY_US + 1,
  };
}
