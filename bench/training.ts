/**
 * Exports 200,000 labels over the 3 M flights: Millrace beside hand-written DuckDB SQL for the same values, each in a process of its own,
 * taking turns. Prints one JSON object. Usage: node bench/training.ts [rounds, default 3]
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import { entity } from '../engine/define/entity.ts';
import { featureService } from '../engine/define/feature-service.ts';
import { featureView } from '../engine/define/feature-view.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { source } from '../engine/define/source.ts';
import { systemClock } from '../engine/values/clock.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { exportTrainingSet } from '../engine/training/export-training-set.ts';

const FLIGHTS = join(import.meta.dirname, '../node_modules/vega-datasets/data/flights-3m.parquet');
const LABELS = 200_000;
const MEMORY_MB = 2048;
const RUNNERS = ['millrace', 'sqlJoins', 'sqlPrefixSums'] as const;
type Runner = (typeof RUNNERS)[number];

interface Measured {
  readonly ms: number;
  readonly peakRssMb: number;
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

async function exportWithMillrace(folder: string, out: string): Promise<void> {
  const definitions = await compileDefinitions(
    definitionsInMemory([route, flights, routeDelays, featureService('delay_model', [routeDelays])], folder),
  );
  await exportTrainingSet({
    service: definitions.services.get('delay_model')!,
    spine: join(folder, 'spine.parquet'),
    out,
    timeZone: 'UTC',
    mode: 'event-time',
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    overwrite: true,
  });
}

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;

/** Where the tile of a window's far end begins: the sawtooth of design §5. */
function windowStart(spanUs: number, hopUs: number): string {
  return `((t - ${spanUs}) // ${hopUs} * ${hopUs})`;
}

const day1 = windowStart(DAY, HOUR);
const days7 = windowStart(7 * DAY, HOUR);
const days30 = windowStart(30 * DAY, DAY);

/** Labels and events with small integer route ids; both formulations start from these. */
function inputs(folder: string): string {
  return `
    s AS MATERIALIZED (SELECT *, row_number() OVER () AS lid FROM '${folder}/spine.parquet'),
    routes AS MATERIALIZED (
      SELECT origin, destination, row_number() OVER () AS rid FROM (SELECT DISTINCT origin, destination FROM s)),
    l AS MATERIALIZED (SELECT lid, rid, epoch_us(event_timestamp) AS t FROM s JOIN routes USING (origin, destination)),
    e AS MATERIALIZED (
      SELECT rid, epoch_us(date) AS ts, delay, distance, flight_id
      FROM '${folder}/flights.parquet' JOIN routes USING (origin, destination) WHERE distance > 0),
    newest AS (SELECT rid, ts, arg_max(delay, flight_id) AS last_delay FROM e WHERE delay IS NOT NULL GROUP BY rid, ts),
    last AS (SELECT lid, last_delay FROM l ASOF LEFT JOIN newest ON l.rid = newest.rid AND l.t > newest.ts)`;
}

const COLUMNS = `coalesce(flights_1d, 0) AS route_delays__flights_1d, delay_7d::DOUBLE / delays_7d AS route_delays__delay_avg_7d,
  delay_max_1d AS route_delays__delay_max_1d, late_7d::DOUBLE / flights_7d AS route_delays__late_share_7d,
  miles_30d::BIGINT AS route_delays__miles_30d, last_delay AS route_delays__last_delay`;

/** Every label joined with the 30 days of events before it. */
function joinsSql(folder: string): string {
  return `WITH ${inputs(folder)},
    w AS (
      SELECT lid, count(*) FILTER (ts >= ${day1}) AS flights_1d, sum(delay) FILTER (ts >= ${days7}) AS delay_7d,
        nullif(count(delay) FILTER (ts >= ${days7}), 0) AS delays_7d, max(delay) FILTER (ts >= ${day1}) AS delay_max_1d,
        count(*) FILTER (ts >= ${days7} AND delay > 15) AS late_7d, nullif(count(*) FILTER (ts >= ${days7}), 0) AS flights_7d,
        sum(distance) AS miles_30d
      FROM l JOIN e ON l.rid = e.rid AND ts < t AND ts >= ${days30} GROUP BY lid)
    SELECT s.* EXCLUDE lid, ${COLUMNS} FROM s LEFT JOIN w USING (lid) LEFT JOIN last USING (lid) ORDER BY lid`;
}

/** Running sums per route, read at both ends of each window by an ASOF join; the maximum by a join over its one day. */
function prefixSumsSql(folder: string): string {
  return `WITH ${inputs(folder)},
    sums AS MATERIALIZED (
      SELECT rid, ts, c, d, n, late, miles FROM (
        SELECT rid, ts, count(*) OVER w AS c, sum(delay) OVER w AS d, count(delay) OVER w AS n, count_if(delay > 15) OVER w AS late,
          sum(distance) OVER w AS miles, lead(ts) OVER w AS next
        FROM e WINDOW w AS (PARTITION BY rid ORDER BY ts ROWS UNBOUNDED PRECEDING))
      WHERE next IS NULL OR next <> ts),
    edges AS (
      SELECT lid, rid, edge, CASE edge WHEN 0 THEN t WHEN 1 THEN ${day1} WHEN 2 THEN ${days7} ELSE ${days30} END AS at
      FROM l, (VALUES (0), (1), (2), (3)) v(edge)),
    reads AS (
      SELECT lid, edge, coalesce(c, 0) AS c, coalesce(d, 0) AS d, coalesce(n, 0) AS n, coalesce(late, 0) AS late, coalesce(miles, 0) AS miles
      FROM edges ASOF LEFT JOIN sums ON edges.rid = sums.rid AND edges.at > sums.ts),
    w AS (
      SELECT lid, max(c) FILTER (edge = 0) - max(c) FILTER (edge = 1) AS flights_1d,
        sum(d) FILTER (edge = 0) - sum(d) FILTER (edge = 2) AS delay_7d,
        nullif(max(n) FILTER (edge = 0) - max(n) FILTER (edge = 2), 0) AS delays_7d,
        max(late) FILTER (edge = 0) - max(late) FILTER (edge = 2) AS late_7d,
        nullif(max(c) FILTER (edge = 0) - max(c) FILTER (edge = 2), 0) AS flights_7d,
        nullif(max(miles) FILTER (edge = 0) - max(miles) FILTER (edge = 3), 0) AS miles_30d
      FROM reads GROUP BY lid),
    m AS (SELECT lid, max(delay) AS delay_max_1d FROM l JOIN e ON l.rid = e.rid AND ts < t AND ts >= ${day1} GROUP BY lid)
    SELECT s.* EXCLUDE lid, ${COLUMNS}
    FROM s LEFT JOIN w USING (lid) LEFT JOIN m USING (lid) LEFT JOIN last USING (lid) ORDER BY lid`;
}

async function exportWithSql(sql: string, folder: string, out: string): Promise<void> {
  const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: join(folder, 'spill') });
  try {
    await duckdb.run(`COPY (${sql}) TO '${out}' (FORMAT parquet, COMPRESSION zstd)`);
  } finally {
    await duckdb.close();
  }
}

/** Runs in a process of its own: one export, timed from its start to its file. */
async function runOnce(runner: Runner, folder: string): Promise<void> {
  const out = join(folder, `${runner}.parquet`);
  const startedMs = performance.now();
  if (runner === 'millrace') await exportWithMillrace(folder, out);
  else await exportWithSql(runner === 'sqlJoins' ? joinsSql(folder) : prefixSumsSql(folder), folder, out);
  const measured: Measured = {
    ms: Math.round(performance.now() - startedMs),
    peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  process.stdout.write(`${JSON.stringify(measured)}\n`);
}

function measure(runner: Runner, folder: string): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [import.meta.filename, runner, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
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

async function prepare(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: join(folder, 'spill') });
  try {
    await duckdb.run(
      `COPY (SELECT 'f' || file_row_number AS flight_id, date, origin, destination, delay, distance
             FROM read_parquet($1, file_row_number = true) ORDER BY file_row_number) TO '${folder}/flights.parquet'`,
      [FLIGHTS],
    );
    await duckdb.run(
      `COPY (SELECT row_number() OVER () AS label_id, origin, destination, date AS event_timestamp, delay > 15 AS late
             FROM (SELECT * FROM '${folder}/flights.parquet' WHERE date >= '2001-06-01' ORDER BY md5(flight_id) LIMIT ${LABELS}))
       TO '${folder}/spine.parquet'`,
    );
  } finally {
    await duckdb.close();
  }
}

/** Rows of `other` that are not exactly those of Millrace; both have as many. */
async function countDifferences(folder: string, other: Runner): Promise<number> {
  const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: join(folder, 'spill') });
  try {
    const [row] = await duckdb.query<{ n: bigint }>(
      `SELECT count(*) AS n FROM '${folder}/millrace.parquet' m FULL JOIN '${folder}/${other}.parquet' o ON m.label_id = o.label_id
       WHERE m IS DISTINCT FROM o`,
    );
    return Number(row?.n);
  } finally {
    await duckdb.close();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function main(rounds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-training-'));
  try {
    await prepare(folder);
    const runs = new Map<Runner, Measured[]>(RUNNERS.map((runner) => [runner, []]));
    for (let round = 0; round < rounds; round++) {
      for (const runner of RUNNERS) {
        const measured = await measure(runner, folder);
        runs.get(runner)!.push(measured);
        process.stderr.write(`round ${round + 1}, ${runner}: ${measured.ms} ms, ${measured.peakRssMb} MB\n`);
      }
    }
    const figures = Object.fromEntries(
      [...runs].map(([runner, list]) => [
        runner,
        { ms: median(list.map(({ ms }) => ms)), peakRssMb: Math.max(...list.map(({ peakRssMb }) => peakRssMb)) },
      ]),
    ) as Record<Runner, Measured>;
    const sql = figures.sqlJoins.ms <= figures.sqlPrefixSums.ms ? 'sqlJoins' : 'sqlPrefixSums';
    const rowsDiffering =
      (await countDifferences(folder, 'sqlJoins')) + (await countDifferences(folder, 'sqlPrefixSums'));
    const result = { bench: 'training', labels: LABELS, events: 3_000_000, rounds, ...figures, rowsDiffering };
    process.stdout.write(
      `${JSON.stringify({ ...result, ratioToBestSql: Number((figures.millrace.ms / figures[sql].ms).toFixed(2)) })}\n`,
    );
    if (rowsDiffering > 0) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const [first, folder] = process.argv.slice(2);
const runner = RUNNERS.find((name) => name === first);
if (runner !== undefined && folder !== undefined) await runOnce(runner, folder);
else await main(Number(first ?? 3));
