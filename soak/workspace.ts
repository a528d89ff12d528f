import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { openDuckDb, quoteText } from '../engine/duckdb/duckdb.ts';
import { PaymentGenerator } from './payment-generator.ts';
import type { Random } from './random.ts';
import type { SoakPlan } from './soak-plan.ts';

const DAY_US = 86_400_000_000;
const MINUTE_US = 60_000_000;
const HISTORY_DAYS = 3;
const DAY_MS = 86_400_000;

/** The soak's own folder: definitions, history, and the flights to be sent. */
export interface Workspace {
  readonly featuresDir: string;
  /** The same definitions but for one function: what a version of another day would be. */
  readonly changedFeaturesDir: string;
  /** JSONL of `{key, value}` in event-time order. */
  readonly liveFlightsPath: string;
  readonly liveFlights: number;
  readonly historyFlights: number;
  /** Routes of the flights, most frequent first. */
  readonly routes: readonly Route[];
}

export interface Route {
  readonly origin: string;
  readonly destination: string;
}

/**
 * Lays the folder out. The flights are real ones, shifted by whole minutes so that the last one leaves when the live part ends.
 *
 * @example
 * const workspace = await prepareWorkspace('/tmp/soak', plan, random, Date.now());
 */
export async function prepareWorkspace(
  folder: string,
  plan: SoakPlan,
  random: Random,
  nowMs: number,
): Promise<Workspace> {
  const featuresDir = join(folder, 'features');
  const changedFeaturesDir = join(folder, 'changed', 'features');
  const source = fileURLToPath(new URL('./features', import.meta.url));
  for (const target of [featuresDir, changedFeaturesDir]) await cp(source, target, { recursive: true });
  await writeFile(
    join(changedFeaturesDir, 'points.ts'),
    'export const pointsOf = (rating: number | null): number | null => (rating === null ? null : rating * 25);\n',
  );
  await writePayments(join(folder, 'data', 'payments'), plan.historyPayments, random.fork('history'), nowMs);
  return { featuresDir, changedFeaturesDir, ...(await writeFlights(folder, plan, nowMs * 1000)) };
}

/** In no order at all, with what a history has of resent and invalid rows. */
async function writePayments(historyDir: string, rows: number, random: Random, nowMs: number): Promise<void> {
  await mkdir(historyDir, { recursive: true });
  const generator = new PaymentGenerator(random, 'h');
  const file = createWriteStream(join(historyDir, 'payments.jsonl'));
  const oldestMs = HISTORY_DAYS * DAY_MS;
  for (let row = 0; row < rows; row++) {
    const { value } = generator.next(nowMs - 10_000 - random.int(0, oldestMs));
    // A line break would make two rows of one, and an empty line none.
    if (value === null || value === '') continue;
    if (!file.write(`${value}\n`)) await once(file, 'drain');
  }
  file.end();
  await finished(file);
}

async function writeFlights(
  folder: string,
  plan: SoakPlan,
  nowUs: number,
): Promise<Pick<Workspace, 'liveFlightsPath' | 'liveFlights' | 'historyFlights' | 'routes'>> {
  const historyDir = join(folder, 'data', 'flights');
  const liveFlightsPath = join(folder, 'live-flights.jsonl');
  await mkdir(historyDir, { recursive: true });
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: join(folder, 'spill') });
  try {
    const flights = quoteText(
      fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url)),
    );
    const [bounds] = await duckdb.query<{ newest: bigint }>(`SELECT epoch_us(max(date)) AS newest FROM ${flights}`);
    const newestUs = Number(bounds?.newest);
    const endUs = nowUs + plan.liveSeconds * 1_000_000;
    const shiftMinutes = Math.floor((endUs - newestUs) / MINUTE_US);
    const liveFromUs = newestUs - Math.round(plan.flightTopicDays * DAY_US);
    const fromUs = liveFromUs - plan.flightHistoryDays * DAY_US;
    await duckdb.run(`
      CREATE TABLE flight AS
      SELECT format('F{:07d}', row_number() OVER ()) AS flight_id, date + to_minutes(${shiftMinutes}) AS date, origin, destination, delay, distance,
        epoch_us(date) < ${liveFromUs} AS is_history
      FROM ${flights} WHERE epoch_us(date) >= ${fromUs}`);
    await duckdb.run(
      `COPY (SELECT flight_id, date, origin, destination, delay, distance FROM flight WHERE is_history ORDER BY date, flight_id) TO ${quoteText(join(historyDir, 'flights.parquet'))} (FORMAT parquet)`,
    );
    await duckdb.run(`
      COPY (
        SELECT origin || '-' || destination AS key,
          CAST(to_json({flight_id: flight_id, date: strftime(date, '%Y-%m-%dT%H:%M:%SZ'), origin: origin, destination: destination, delay: delay, distance: distance}) AS VARCHAR) AS value
        FROM flight WHERE NOT is_history ORDER BY date, flight_id
      ) TO ${quoteText(liveFlightsPath)} (FORMAT json)`);
    const [counts] = await duckdb.query<{ history: bigint; live: bigint }>(
      'SELECT count(*) FILTER (is_history) AS history, count(*) FILTER (NOT is_history) AS live FROM flight',
    );
    const routes = await duckdb.query<{ origin: string; destination: string }>(
      'SELECT origin, destination FROM flight GROUP BY ALL ORDER BY count(*) DESC, origin, destination',
    );
    return {
      liveFlightsPath,
      liveFlights: Number(counts?.live),
      historyFlights: Number(counts?.history),
      routes: routes.map(({ origin, destination }) => ({ origin, destination })),
    };
  } finally {
    await duckdb.close();
  }
}
