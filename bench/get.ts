/**
 * `client.get` beside a bare primary-key SELECT of the same rows by the same driver, and beside itself with every read going to the serving log, for
 * 1, 16 and 64 concurrent callers: p50 and reads per second, as ratios, each in a process of its own for its peak memory, taking turns. Prints one JSON object. Usage: node bench/get.ts [seconds per figure, default 3]
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { createClient } from '../engine/online/client.ts';
import { publishVersion } from '../engine/online/publish-version.ts';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import type { CompiledView, PreparedEvent } from '../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { emptyCounts } from '../engine/admission/log-counts.ts';
import { migrateToLatest } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import {
  copyStates,
  createStateTable,
  finishStateTable,
  type StateRow,
  stateTable,
} from '../engine/postgres/state-table.ts';
import { withTransaction } from '../engine/postgres/transaction.ts';
import { postgresTypes } from '../engine/postgres/type-parsers.ts';
import { insertVersion, markBuilt } from '../engine/postgres/view-versions.ts';
import { createServingLog } from '../engine/served/create-serving-log.ts';
import { createViewReducer } from '../engine/state/create-view-reducer.ts';
import { routeDelays } from '../features/flights.ts';
import { createTestDatabase, startTestStack } from '../stack/test-stack.ts';

const AIRPORTS = 100;
const EVENTS_PER_ROUTE = 150;
const DAY_US = 86_400_000_000;
const CALLERS = [1, 16, 64] as const;
const ROUNDS = 2;
/** As many as the callers can use on two cores; more made the bare SELECT slower. */
const BARE_CONNECTIONS = 16;

const SIDES = ['bare', 'client', 'logged'] as const;
type Side = (typeof SIDES)[number];

const SERVED_TOPIC = 'bench.served';

interface Timing {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
  /** CPU time of this process per read, µs: what other work on the machine changes least. */
  readonly cpuMicros: number;
}

interface PhaseResult {
  readonly timings: Readonly<Record<string, Timing>>;
  /** Of the serving log: how many reads it has, and how many it had to drop. */
  readonly logged: number;
  readonly dropped: number;
  readonly peakMb: number;
}

const airport = (n: number): string => `A${String(n % AIRPORTS).padStart(2, '0')}`;

/** The states of every route: a month of events each, as the real flights have on busy routes. */
function* routeStates(view: CompiledView): Generator<StateRow> {
  const reducer = createViewReducer(view.layout);
  const event: PreparedEvent = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: -1, offset: 0, inputs: [] };
  const nowUs = Date.now() * 1000;
  for (let route = 0; route < AIRPORTS * AIRPORTS; route++) {
    const state = reducer.empty();
    for (let n = 0; n < EVENTS_PER_ROUTE; n++) {
      const eventTimeUs = nowUs - Math.floor((n * 30 * DAY_US) / EVENTS_PER_ROUTE) - route * 1_000_000;
      const row = {
        flight_id: `F${route}-${n}`,
        date: eventTimeUs,
        origin: airport(Math.floor(route / AIRPORTS)),
        destination: airport(route),
        delay: ((n * 31) % 90) - 20,
        distance: 100 + route,
      };
      view.prepare({ row, eventTimeUs, id: row.flight_id, partition: -1, offset: n, number: n }, event);
      reducer.apply(state, event);
    }
    yield { key: [airport(Math.floor(route / AIRPORTS)), airport(route)], state: reducer.encode(state) };
  }
}

async function load(databaseUrl: string): Promise<{ table: string; stateBytes: number }> {
  await migrateToLatest(databaseUrl);
  const definitions = await compileDefinitions(definitionsInMemory([routeDelays], process.cwd()));
  const view = definitions.views.get('route_delays')!;
  const pool = createPool(databaseUrl, { max: 2 });
  try {
    const { version, table } = await withTransaction(pool, async (client) => {
      const { layoutTag } = createViewReducer(view.layout);
      const { version, stateTable: table } = await insertVersion(client, {
        view: view.name,
        fingerprint: view.fingerprint,
        layout: view.layout,
        layoutTag,
        source: view.source.name,
        topic: view.source.topic,
        builder: 'bench',
        tags: view.tags,
      });
      await createStateTable(client, view.layout, table);
      const entities = await copyStates(client, table, view.layout, routeStates(view));
      await finishStateTable(client, view.layout, table);
      const counts = emptyCounts();
      await markBuilt(client, {
        view: view.name,
        version,
        cut: null,
        history: null,
        counts,
        entities,
        historyWatermarkUs: Date.now() * 1000,
      });
      return { version, table };
    });
    await publishVersion({ pool, view: view.name, version });
    const { rows } = await pool.query<{ bytes: number }>(
      `SELECT avg(length(state))::float8 AS bytes FROM ${stateTable(table)}`,
    );
    return { table, stateBytes: Math.round(rows[0]?.bytes ?? 0) };
  } finally {
    await pool.end();
  }
}

/** Runs `get` from a number of callers at a time, each waiting for its answer before it asks again. */
async function time(callers: number, seconds: number, get: (route: number) => Promise<unknown>): Promise<Timing> {
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const untilMs = startMs + seconds * 1000;
  const call = async (caller: number): Promise<void> => {
    // A stride that visits all routes, in an order that no cache line likes.
    for (let route = caller * 131; performance.now() < untilMs; route += 7_919) {
      const askedMs = performance.now();
      await get(route % (AIRPORTS * AIRPORTS));
      latencies.push(performance.now() - askedMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  const elapsedSeconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.floor(latencies.length * q)] ?? 0;
  return {
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    perSecond: Math.round(latencies.length / elapsedSeconds),
    cpuMicros: (user + system) / latencies.length,
  };
}

async function phase(
  side: Side,
  databaseUrl: string,
  brokers: readonly string[],
  table: string,
  seconds: number,
): Promise<PhaseResult> {
  const pool = createPool(databaseUrl, { max: BARE_CONNECTIONS });
  const servingLog =
    side === 'logged'
      ? createServingLog({ kafka: { brokers }, topic: SERVED_TOPIC, sample: 1, maxBuffered: 100_000 })
      : undefined;
  const client = createClient({ pool, servingLog });
  const bare = {
    name: 'bare',
    text: `SELECT state, seq FROM ${stateTable(table)} WHERE origin = $1 AND destination = $2`,
    types: postgresTypes,
  };
  const key = (route: number) => ({ origin: airport(Math.floor(route / AIRPORTS)), destination: airport(route) });
  const get =
    side !== 'bare'
      ? (route: number) => client.get(routeDelays, key(route))
      : (route: number) => {
          const { origin, destination } = key(route);
          return pool.query({ ...bare, values: [origin, destination] });
        };
  await time(64, seconds / 2, get);
  const timings: Record<string, Timing> = {};
  for (const callers of CALLERS) timings[callers] = await time(callers, seconds, get);
  await servingLog?.close();
  await pool.end();
  const figures = servingLog?.figures;
  return {
    timings,
    logged: figures?.logged ?? 0,
    dropped: Object.values(figures?.dropped ?? {}).reduce((sum, reads) => sum + reads, 0),
    peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

/** The better of two runs: the machine's other work only ever makes one slower. */
function better(a: Timing | undefined, b: Timing): Timing {
  return a === undefined || b.perSecond > a.perSecond ? b : a;
}

async function makeTopic(brokers: readonly string[]): Promise<void> {
  const admin = new Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic: SERVED_TOPIC, numPartitions: 4 }] });
  } finally {
    await admin.disconnect();
  }
}

async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  const side = SIDES.find((one) => one === first);
  if (side !== undefined) {
    const [databaseUrl, brokers, table, seconds] = rest;
    console.log(JSON.stringify(await phase(side, databaseUrl!, brokers!.split(','), table!, Number(seconds))));
    return;
  }
  const seconds = Number(first ?? 3);
  const { DATABASE_URL: databaseUrl, KAFKA_BROKERS: given } = process.env;
  const stack = databaseUrl === undefined || given === undefined ? await startTestStack() : null;
  const brokers = stack?.kafka.brokers ?? given!.split(',');
  const database = await createTestDatabase(stack?.databaseUrl ?? databaseUrl!);
  try {
    const loaded = await load(database.databaseUrl);
    await makeTopic(brokers);
    const best = new Map<Side, { timings: Record<string, Timing>; peakMb: number; logged: number; dropped: number }>(
      SIDES.map((one) => [one, { timings: {}, peakMb: 0, logged: 0, dropped: 0 }]),
    );
    for (let round = 0; round < ROUNDS; round++) {
      for (const [one, sofar] of best) {
        const args = [one, database.databaseUrl, brokers.join(','), loaded.table, String(seconds)];
        const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), ...args]);
        const result = JSON.parse(stdout) as PhaseResult;
        sofar.peakMb = Math.max(sofar.peakMb, result.peakMb);
        sofar.logged += result.logged;
        sofar.dropped += result.dropped;
        for (const callers of CALLERS) {
          sofar.timings[callers] = better(sofar.timings[callers], result.timings[callers]!);
        }
      }
    }
    const byCallers = CALLERS.map((callers) => {
      const [bare, client, logged] = SIDES.map((one) => best.get(one)!.timings[callers]!) as [Timing, Timing, Timing];
      const figures = {
        client,
        bare,
        logged,
        p50Ratio: client.p50Ms / bare.p50Ms,
        throughputRatio: client.perSecond / bare.perSecond,
        loggedP50Ratio: logged.p50Ms / client.p50Ms,
        loggedThroughputRatio: logged.perSecond / client.perSecond,
        loggedCpuRatio: logged.cpuMicros / client.cpuMicros,
      };
      return [`callers${callers}`, figures] as const;
    });
    const result = {
      bench: 'get',
      entities: AIRPORTS * AIRPORTS,
      stateBytes: loaded.stateBytes,
      ...Object.fromEntries(byCallers),
      clientPeakMb: best.get('client')!.peakMb,
      barePeakMb: best.get('bare')!.peakMb,
      loggedPeakMb: best.get('logged')!.peakMb,
      readsLogged: best.get('logged')!.logged,
      readsDropped: best.get('logged')!.dropped,
    };
    console.log(JSON.stringify(result));
  } finally {
    await database.drop();
    await stack?.stop();
  }
}

await main();
