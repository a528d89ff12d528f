/**
 * A view of 1,000,000 entities, of two rows each, and its next version with a feature more over tiles that are there: built from the log, and made
 * of the live version's states. Prints one JSON object. Usage: node bench/made-of-states.ts [entities]. Uses the server of DATABASE_URL, else starts one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
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
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { publishVersion } from '../engine/online/publish-version.ts';
import { storedBytes } from '../engine/postgres/state-size.ts';
import { viewVersion } from '../engine/postgres/view-versions.ts';
import { systemClock } from '../engine/values/clock.ts';
import { startTestStack } from '../stack/test-stack.ts';
import { openStreamDatabase } from '../test/stream/stream-fixture.ts';

const VIEW = 'payments_of';
const ENTITIES = Number(process.argv[2] ?? 1_000_000);

async function payments(path: string, hasMore: boolean): Promise<CompiledView> {
  const account = entity('account', { account: z.int() });
  const payments = source('payments', {
    schema: z.object({ id: z.int(), at: z.iso.datetime({ local: true }), account: z.int(), amount: z.int() }),
    eventTime: 'at',
    eventId: 'id',
    history: { path },
  });
  const view = featureView(VIEW, {
    entity: account,
    source: payments,
    features: (f) => ({
      n_7d: f.count().over('7d'),
      total: f.sum('amount'),
      last: f.last('amount'),
      ...(hasMore ? { n_3d: f.count().over('3d', { hop: '1h' }) } : {}),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([account, payments, view], '/'));
  return views.get(VIEW)!;
}

const log = (line: string): void => void process.stderr.write(`${line}\n`);
const own = process.env['DATABASE_URL'] === undefined ? await startTestStack(log) : null;
const database = await openStreamDatabase(own?.databaseUrl ?? process.env['DATABASE_URL']!);
const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-made-'));
try {
  const { pool } = database;
  const path = join(folder, 'payments.parquet');
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir: folder });
  await duckdb.run(`COPY (SELECT n AS id, strftime(TIMESTAMP '2026-01-01' + INTERVAL 1 SECOND * (n // 4), '%Y-%m-%dT%H:%M:%S') AS "at",
    ((n * 7919) % ${ENTITIES})::INTEGER AS account, (n % 500)::INTEGER AS amount FROM range(${2 * ENTITIES}) r(n)) TO '${path}'`);
  await duckdb.close();
  const common = { pool, reader: null, spillDir: folder, clock: systemClock, builder: 'bench' };
  const seconds = async (work: () => Promise<{ readonly version: number; readonly madeFrom: number | null }>) => {
    const startedMs = performance.now();
    const { version, madeFrom } = await work();
    return { seconds: (performance.now() - startedMs) / 1000, version, madeFrom };
  };
  const [before, after] = [await payments(path, false), await payments(path, true)];
  const first = await seconds(() => runBackfill({ ...common, view: before }));
  await publishVersion({ pool, view: VIEW, version: first.version });
  const rebuilt = await seconds(() => runBackfill({ ...common, view: after }));
  const made = await seconds(() => runBackfill({ ...common, view: after, mayTakeStates: true }));
  if (made.madeFrom !== first.version) throw new Error(`version ${made.version} was not made of states`);
  const bytes = await storedBytes(pool, (await viewVersion(pool, VIEW, made.version))!);
  console.log(
    JSON.stringify({
      bench: 'made-of-states',
      entities: ENTITIES,
      rows: 2 * ENTITIES,
      mb: Math.round(bytes / 1e6),
      firstSeconds: first.seconds,
      rebuiltSeconds: rebuilt.seconds,
      madeSeconds: made.seconds,
      times: rebuilt.seconds / made.seconds,
    }),
  );
} finally {
  await database.close();
  await own?.stop();
  await rm(folder, { recursive: true, force: true });
}
