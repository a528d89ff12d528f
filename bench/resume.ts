/**
 * What it costs a backfill to save what it has done, and what a killed one has to read again: 3 M flights of 3,400 routes, and 3 M events of
 * 1 M entities. Each three ways: saving nothing, saving a quarter of a second after it has saved, and killed past the half, after which another attempt goes on. Prints
 * one JSON object. Usage: node bench/resume.ts. Uses the server of DATABASE_URL, else starts one.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { z } from 'zod';
import type { BackfillProgress } from '../engine/backfill/backfill-progress.ts';
import type { SavePace } from '../engine/backfill/progress-saver.ts';
import { runBackfill } from '../engine/backfill/run-backfill.ts';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import type { CompiledView } from '../engine/define/compiled-view.ts';
import { entity } from '../engine/define/entity.ts';
import { featureView } from '../engine/define/feature-view.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { source } from '../engine/define/source.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { migrateToLatest } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { systemClock } from '../engine/values/clock.ts';
import { startPostgres } from '../stack/postgres.ts';
import { removePostgresData } from '../stack/postgres-data-dir.ts';
import { createTestDatabase, temporaryDataDir } from '../stack/test-stack.ts';

const MEMORY_MB = 2048;
const ROWS = 3_000_000;
const NEVER: SavePace = { everyMs: 1e9, restFactor: 0, whenStopped: false };
const OFTEN: SavePace = { everyMs: 250, restFactor: 0 };

/** Events in order of time over two months, one in `seconds`; as many entities as said, in no order. */
async function write(folder: string, entities: number): Promise<CompiledView> {
  await mkdir(folder, { recursive: true });
  const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: join(folder, 'spill') });
  await duckdb.run(`COPY (SELECT 'E' || n AS id, make_timestamp(1000000000000000 + n * 1700000) AS "at", hash(n) % ${entities} AS who,
      (n * 7919 % 1000)::INTEGER AS amount FROM range(${ROWS}) r(n)) TO '${folder}/events.parquet'`);
  await duckdb.close();
  const who = entity('who', { who: z.int() });
  const events = source('events', {
    schema: z.object({ id: z.string(), at: z.iso.datetime({ local: true }), who: z.int(), amount: z.int() }),
    eventTime: 'at',
    eventId: 'id',
    history: { path: 'events.parquet' },
  });
  const spending = featureView('spending', {
    entity: who,
    source: events,
    features: (f) => ({
      n_1d: f.count().over('1d'),
      avg_7d: f.avg('amount').over('7d'),
      max_7d: f.max('amount').over('7d'),
      sum_30d: f.sum('amount').over('30d'),
      last: f.last('amount'),
    }),
  });
  const definitions = await compileDefinitions(definitionsInMemory([who, events, spending], folder));
  return definitions.views.get('spending')!;
}

interface Run {
  readonly ms: number;
  readonly cpuMs: number;
  readonly saves: number;
  /** Rows passed, and rows that had been saved, at the end. */
  readonly rows: number;
  readonly savedRows: number;
  readonly resumedRows: number;
}

/** One attempt; `untilRows`: it is killed once it has saved past that row. */
async function attempt(
  pool: pg.Pool,
  view: CompiledView,
  given: { readonly build: string; readonly attemptMs: number; readonly pace: SavePace; readonly untilRows?: number },
): Promise<Run> {
  const { build, attemptMs, pace, untilRows = Number.POSITIVE_INFINITY } = given;
  const abort = new AbortController();
  const saved = new Set<number>();
  let last: BackfillProgress | null = null;
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  const running = runBackfill({
    view,
    pool,
    reader: null,
    spillDir: join(tmpdir(), 'millrace-bench-resume-spill'),
    clock: systemClock,
    builder: 'bench',
    attempt: { build, attemptMs },
    pace,
    signal: abort.signal,
    onProgress: (progress) => {
      last = progress;
      if (progress.savedRows > progress.resumedRows) saved.add(progress.savedRows);
      if (progress.savedRows >= untilRows) abort.abort(new Error('killed'));
    },
  });
  await running.catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  const { user, system } = process.cpuUsage(cpu);
  if (last === null) throw new Error(`the attempt before had built it: it was not killed`);
  const { rows, savedRows, resumedRows } = last as BackfillProgress;
  const ms = Math.round(performance.now() - startedMs);
  return { ms, cpuMs: Math.round((user + system) / 1000), saves: saved.size, rows, savedRows, resumedRows };
}

async function main(): Promise<void> {
  const dataDir = temporaryDataDir();
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-resume-'));
  const own = process.env['DATABASE_URL'] === undefined ? await startPostgres({ dataDir, onProgress: () => {} }) : null;
  const database = await createTestDatabase(own?.url ?? process.env['DATABASE_URL']!);
  try {
    await migrateToLatest(database.databaseUrl);
    const pool = createPool(database.databaseUrl);
    for (const entities of [3_400, 1_000_000]) {
      const view = await write(join(folder, String(entities)), entities);
      const whole = await attempt(pool, view, { build: 'whole', attemptMs: 1, pace: NEVER });
      const saving = await attempt(pool, view, { build: 'saving', attemptMs: 1, pace: OFTEN });
      const killed = { build: 'killed', pace: OFTEN };
      const first = await attempt(pool, view, { ...killed, attemptMs: 1, untilRows: ROWS / 2 });
      const second = await attempt(pool, view, { ...killed, attemptMs: 2 });
      process.stdout.write(
        `${JSON.stringify({ bench: 'resume', rows: ROWS, entities, whole, saving, killed: first, resumed: second })}\n`,
      );
    }
    await pool.end();
  } finally {
    await database.drop();
    await own?.stop();
    removePostgresData(dataDir);
    await rm(dataDir, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
