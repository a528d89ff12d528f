/**
 * Backfills the 3 M flights, six features: Millrace (up to the table in Postgres) beside the same aggregation hand-written in DuckDB SQL
 * (up to tables in DuckDB), each in a process of its own, taking turns. Both dedupe by flight id, keep the tiles that a window can see,
 * and sum exactly; all feature values of all routes are then compared. Prints one JSON object.
 * Usage: node bench/backfill.ts [rounds, default 3]. Uses the server of DATABASE_URL, else starts one.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runBackfill } from '../engine/backfill/run-backfill.ts';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import type { CompiledView } from '../engine/define/compiled-view.ts';
import { entity } from '../engine/define/entity.ts';
import { featureView } from '../engine/define/feature-view.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { source } from '../engine/define/source.ts';
import { systemClock } from '../engine/values/clock.ts';
import { type DuckDb, openDuckDb } from '../engine/duckdb/duckdb.ts';
import { migrateToLatest } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { stateTable } from '../engine/postgres/state-table.ts';
import { createViewReducer } from '../engine/state/create-view-reducer.ts';
import { startPostgres } from '../stack/postgres.ts';
import { removePostgresData } from '../stack/postgres-data-dir.ts';
import { createTestDatabase, temporaryDataDir } from '../stack/test-stack.ts';

const FLIGHTS = join(import.meta.dirname, '../node_modules/vega-datasets/data/flights-3m.parquet');
const MEMORY_MB = 2048;
const RUNNERS = ['millrace', 'sql'] as const;
type Runner = (typeof RUNNERS)[number];

interface Measured {
  readonly ms: number;
  /** Processor time of the process, both cores together: what stays comparable on a busy machine. */
  readonly cpuMs: number;
  readonly peakRssMb: number;
}

interface Started {
  readonly ms: number;
  readonly cpu: NodeJS.CpuUsage;
}

const route = entity('route', { origin: z.string(), destination: z.string() });
const flights = source('flights', {
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
  history: { path: 'flights.parquet' },
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

async function compiled(folder: string): Promise<CompiledView> {
  const definitions = await compileDefinitions(definitionsInMemory([route, flights, routeDelays], folder));
  return definitions.views.get('route_delays')!;
}

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;

/** The same work in SQL: dedupe by id, then the tiles each route's windows can see, and its last delay. */
function tilesSql(folder: string): readonly string[] {
  return [
    `CREATE TABLE e AS
       SELECT flight_id, origin, destination, epoch_us(date) AS t, delay, distance
       FROM (SELECT * FROM read_parquet('${folder}/flights.parquet', file_row_number = true)
             QUALIFY row_number() OVER (PARTITION BY flight_id ORDER BY date, file_row_number) = 1)
       WHERE distance > 0`,
    `CREATE TABLE newest AS
       SELECT origin, destination, max(t) AS newest, arg_max(delay, (t, flight_id)) FILTER (delay IS NOT NULL) AS last_delay
       FROM e GROUP BY ALL`,
    `CREATE TABLE hours AS
       SELECT origin, destination, t // ${HOUR} AS tile, count(*) AS flights, sum(delay) AS delay, count(delay) AS delays,
         max(delay) AS delay_max, count_if(delay > 15) AS late
       FROM e JOIN newest USING (origin, destination) WHERE t // ${HOUR} >= (newest - ${7 * DAY}) // ${HOUR} GROUP BY ALL`,
    `CREATE TABLE days AS
       SELECT origin, destination, t // ${DAY} AS tile, sum(distance) AS miles
       FROM e JOIN newest USING (origin, destination) WHERE t // ${DAY} >= (newest - ${30 * DAY}) // ${DAY} GROUP BY ALL`,
  ];
}

/** The features at a time, from the tiles. */
function featuresSql(atUs: number): string {
  const since = (span: number, hop: number): number => Math.floor((atUs - span) / hop);
  return `WITH h AS (
      SELECT origin, destination, sum(flights) FILTER (tile >= ${since(DAY, HOUR)}) AS flights_1d, sum(delay) AS delay, sum(delays) AS delays,
        max(delay_max) FILTER (tile >= ${since(DAY, HOUR)}) AS delay_max_1d, sum(late) AS late, sum(flights) AS flights_7d
      FROM hours WHERE tile >= ${since(7 * DAY, HOUR)} GROUP BY ALL),
    d AS (SELECT origin, destination, sum(miles) AS miles_30d FROM days WHERE tile >= ${since(30 * DAY, DAY)} GROUP BY ALL)
    SELECT origin, destination, coalesce(flights_1d, 0)::DOUBLE AS flights_1d, delay::DOUBLE / nullif(delays, 0) AS delay_avg_7d,
      delay_max_1d::DOUBLE AS delay_max_1d, late::DOUBLE / flights_7d AS late_share_7d, miles_30d::DOUBLE AS miles_30d,
      last_delay::DOUBLE AS last_delay
    FROM newest LEFT JOIN h USING (origin, destination) LEFT JOIN d USING (origin, destination)`;
}

/** Runs in a process of its own: one whole aggregation, timed. */
async function runOnce(runner: Runner, folder: string): Promise<void> {
  let measured: Measured;
  if (runner === 'millrace') {
    const view = await compiled(folder);
    const pool = createPool(process.env['BENCH_DATABASE_URL'] ?? '');
    const started = begin();
    await runBackfill({
      view,
      pool,
      reader: null,
      spillDir: join(folder, 'spill'),
      clock: systemClock,
      builder: 'bench',
    });
    measured = measuredSince(started);
    await pool.end();
  } else {
    const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: join(folder, 'spill') });
    const started = begin();
    for (const statement of tilesSql(folder)) await duckdb.run(statement);
    measured = measuredSince(started);
    await duckdb.close();
  }
  process.stdout.write(`${JSON.stringify(measured)}\n`);
}

function begin(): Started {
  return { ms: performance.now(), cpu: process.cpuUsage() };
}

function measuredSince(started: Started): Measured {
  const { user, system } = process.cpuUsage(started.cpu);
  return {
    ms: Math.round(performance.now() - started.ms),
    cpuMs: Math.round((user + system) / 1000),
    peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

function measure(runner: Runner, folder: string, databaseUrl: string): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [import.meta.filename, runner, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, BENCH_DATABASE_URL: databaseUrl },
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(text) as Measured);
      else reject(new Error(`${runner} ended with exit code ${code}`));
    });
  });
}

async function withDuckDb<T>(folder: string, use: (duckdb: DuckDb) => Promise<T>): Promise<T> {
  const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: join(folder, 'spill') });
  try {
    return await use(duckdb);
  } finally {
    await duckdb.close();
  }
}

function prepare(folder: string): Promise<void> {
  return withDuckDb(folder, (duckdb) =>
    duckdb.run(
      `COPY (SELECT printf('F%07d', file_row_number) AS flight_id, date, origin, destination, delay, distance
             FROM read_parquet($1, file_row_number = true) ORDER BY file_row_number) TO '${folder}/flights.parquet'`,
      [FLIGHTS],
    ),
  );
}

/** Feature values that are not the same in both, over all routes. */
async function countDifferences(folder: string, databaseUrl: string): Promise<{ cells: number; differing: number }> {
  const view = await compiled(folder);
  const reducer = createViewReducer(view.layout);
  const pool = createPool(databaseUrl);
  const { rows } = await pool.query<{ state_table: string }>(
    `SELECT state_table FROM millrace_catalog.view_version WHERE status = 'built'`,
  );
  const states = await pool.query<{ origin: string; destination: string; state: Buffer }>(
    `SELECT origin, destination, state FROM ${stateTable(rows[0]!.state_table)}`,
  );
  await pool.end();
  const expected = await withDuckDb(folder, async (duckdb) => {
    for (const statement of tilesSql(folder)) await duckdb.run(statement);
    const [end] = await duckdb.query<{ t: bigint }>('SELECT max(t) + 1 AS t FROM e');
    const atUs = Number(end!.t);
    return { atUs, rows: await duckdb.query<Record<string, string | number | null>>(featuresSql(atUs)) };
  });
  const values = new Map(
    states.rows.map((row) => [
      `${row.origin} ${row.destination}`,
      reducer.read(reducer.decode(row.state), expected.atUs),
    ]),
  );
  let differing = values.size === expected.rows.length ? 0 : 1;
  for (const row of expected.rows) {
    const own = values.get(`${row['origin']} ${row['destination']}`);
    for (const [index, { name }] of view.layout.features.entries()) if (own?.[index] !== row[name]) differing++;
  }
  return { cells: expected.rows.length * view.layout.features.length, differing };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function main(rounds: number): Promise<void> {
  const dataDir = temporaryDataDir();
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-backfill-'));
  const own = process.env['DATABASE_URL'] === undefined ? await startPostgres({ dataDir, onProgress: () => {} }) : null;
  const database = await createTestDatabase(own?.url ?? process.env['DATABASE_URL']!);
  try {
    await mkdir(folder, { recursive: true });
    await prepare(folder);
    const pool = createPool(database.databaseUrl);
    await migrateToLatest(pool);
    await pool.end();
    const runs = new Map<Runner, Measured[]>(RUNNERS.map((runner) => [runner, []]));
    for (let round = 0; round < rounds; round++) {
      for (const runner of RUNNERS) {
        const measured = await measure(runner, folder, database.databaseUrl);
        runs.get(runner)!.push(measured);
        process.stderr.write(
          `round ${round + 1}, ${runner}: ${measured.ms} ms (${measured.cpuMs} ms of processor), ${measured.peakRssMb} MB\n`,
        );
      }
    }
    const of = (runner: Runner): Measured => ({
      ms: median(runs.get(runner)!.map(({ ms }) => ms)),
      cpuMs: median(runs.get(runner)!.map(({ cpuMs }) => cpuMs)),
      peakRssMb: Math.max(...runs.get(runner)!.map(({ peakRssMb }) => peakRssMb)),
    });
    const [millrace, sql] = [of('millrace'), of('sql')];
    const { cells, differing } = await countDifferences(folder, database.databaseUrl);
    const rows = 3_000_000;
    process.stdout.write(
      `${JSON.stringify({
        bench: 'backfill',
        rows,
        rounds,
        rowsPerSecond: Math.round((rows / millrace.ms) * 1000),
        millrace,
        sql,
        ratioToSql: Number((millrace.ms / sql.ms).toFixed(2)),
        ratioOfProcessorTime: Number((millrace.cpuMs / sql.cpuMs).toFixed(2)),
        cells,
        cellsDiffering: differing,
      })}\n`,
    );
    if (differing > 0) process.exitCode = 1;
  } finally {
    await database.drop();
    await own?.stop();
    removePostgresData(dataDir);
    await rm(dataDir, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

const [first, folder] = process.argv.slice(2);
const runner = RUNNERS.find((name) => name === first);
if (runner !== undefined && folder !== undefined) await runOnce(runner, folder);
else await main(Number(first ?? 3));
