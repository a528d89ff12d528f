/**
 * `millrace try` on the flights of the example, as a whole process: of 50,000 labels those that it takes, with plots, and a view without labels. No baseline: what it takes beside
 * the export's own reading is what it measures. Prints one JSON object. Usage: node bench/try.ts [rounds, default 3]
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareFlights } from '../demo/flights-workspace.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const BIN = join(import.meta.dirname, '../cli/bin.mjs');
const LABELS = 50_000;

async function secondsOf(folder: string, args: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [BIN, 'try', ...args, '--json'], {
    cwd: folder,
    env: { ...process.env, MILLRACE_SPILL_DIR: join(folder, 'spill') },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`millrace try ${args.join(' ')} ended with ${code}:\n${told}`);
  return (performance.now() - startedMs) / 1000;
}

function median(values: readonly number[]): number {
  return Number(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(1));
}

const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-try-'));
try {
  const { historyRows } = await prepareFlights(folder, Date.now() * 1000);
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: join(folder, 'spill') });
  await duckdb.run(
    `COPY (SELECT *, origin AS airport, date AS event_timestamp, delay > 15 AS late FROM '${folder}/data/flights/*.parquet'
           WHERE delay IS NOT NULL ORDER BY md5(flight_id) LIMIT ${LABELS}) TO '${folder}/labels.parquet'`,
  );
  await duckdb.close();
  const spine = ['--spine', 'labels.parquet', '--label', 'late', '--time-zone', 'UTC', '--html', 'page.html'];
  const runs = { service: [] as number[], view: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    runs.service.push(await secondsOf(folder, ['delay_model', ...spine]));
    runs.view.push(await secondsOf(folder, ['route_delays']));
  }
  const result = { bench: 'try', labels: LABELS, events: historyRows, rounds: ROUNDS };
  process.stdout.write(
    `${JSON.stringify({ ...result, serviceWithLabelsSeconds: median(runs.service), viewWithoutSeconds: median(runs.view) })}\n`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
