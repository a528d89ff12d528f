/**
 * The memory table: what each piece of work takes of memory at most, beside the setting, each in a process of its own that is started as a worker is.
 * A row is within its setting when its peak RSS is at most 400 MB more. Prints a table, and as its last line one JSON object.
 * Usage: node bench/memory.ts [--short] [--strict] [--at 1024,4096] [rows]; --short: a tenth of the data, at 768 MB; --strict: exit code 1 where a row
 * misses. Inputs are kept in $TMPDIR/millrace-bench-memory and used again. Uses the server of DATABASE_URL, else starts one.
 */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { memoryFlags } from '../config/worker-memory.ts';
import { migrateToLatest } from '../engine/postgres/migrate.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { startPostgres } from '../stack/postgres.ts';
import { removePostgresData } from '../stack/postgres-data-dir.ts';
import { createTestDatabase, temporaryDataDir } from '../stack/test-stack.ts';
import { type MemoryScale, writeMemoryInputs } from '../test/memory/memory-inputs.ts';
import { MEMORY_ROWS } from '../test/memory/memory-rows.ts';
import type { PeakMemory } from '../test/memory/peak-memory.ts';

/** The idle base included. */
const BESIDE_MB = 400;
const SCALES: Readonly<Record<'whole' | 'short', MemoryScale & { readonly settings: readonly number[] }>> = {
  whole: { rows: 20_000_000, entities: 1_000_000, labels: 1_000_000, settings: [1024, 4096] },
  short: { rows: 2_000_000, entities: 100_000, labels: 100_000, settings: [768] },
};

interface Measured extends PeakMemory {
  readonly row: string;
  readonly settingMb: number;
  readonly seconds: number;
  readonly did: string;
  readonly isWithin: boolean;
}

function measure(row: string, settingMb: number, folder: string, databaseUrl: string): Promise<Measured> {
  const child = join(import.meta.dirname, '../test/memory/memory-child.ts');
  return new Promise((resolve, reject) => {
    const running = spawn(process.execPath, [...memoryFlags(settingMb), child, row, folder, String(settingMb)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, BENCH_DATABASE_URL: databaseUrl, NODE_NO_WARNINGS: '1' },
    });
    let text = '';
    running.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    running.once('error', reject);
    running.once('close', (code) => {
      // The rest of the table is of use all the same.
      const failed = { rssMb: 0, anonMb: 0, seconds: 0, did: `ENDED WITH CODE ${code}`, isWithin: false };
      if (code !== 0) return resolve({ row, settingMb, ...failed });
      const found = JSON.parse(text) as Omit<Measured, 'row' | 'settingMb' | 'isWithin'>;
      resolve({ row, settingMb, ...found, isWithin: found.rssMb <= settingMb + BESIDE_MB });
    });
  });
}

function print(measured: readonly Measured[]): void {
  const table = new Table({
    head: ['', 'setting', 'peak RSS', 'beside it', 'RssAnon', 's', 'did', ''],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left', 'left'],
  });
  for (const { row, settingMb, rssMb, anonMb, seconds, did, isWithin } of measured)
    table.push([row, settingMb, rssMb, rssMb - settingMb, anonMb, seconds, did, isWithin ? '' : 'MISSES']);
  process.stdout.write(`${table.toString()}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean' }, strict: { type: 'boolean' }, at: { type: 'string' } },
});
const scale = SCALES[values.short === true ? 'short' : 'whole'];
const settings = values.at?.split(',').map(Number) ?? scale.settings;
const rows = Object.keys(MEMORY_ROWS).filter((row) => positionals.length === 0 || positionals.includes(row));
const folder = join(tmpdir(), 'millrace-bench-memory', String(scale.rows));
const dataDir = temporaryDataDir();
const own = process.env['DATABASE_URL'] === undefined ? await startPostgres({ dataDir, onProgress: () => {} }) : null;
const measured: Measured[] = [];
try {
  await writeMemoryInputs(folder, scale);
  for (const settingMb of settings) {
    for (const row of rows) {
      const database = await createTestDatabase(own?.url ?? process.env['DATABASE_URL']!);
      try {
        const pool = createPool(database.databaseUrl);
        await migrateToLatest(pool);
        await pool.end();
        process.stderr.write(`measuring ${row} at ${settingMb} MB\n`);
        measured.push(await measure(row, settingMb, folder, database.databaseUrl));
      } finally {
        await database.drop();
      }
    }
  }
} finally {
  await own?.stop();
  removePostgresData(dataDir);
  await rm(dataDir, { recursive: true, force: true });
}
print(measured);
process.stdout.write(`${JSON.stringify({ bench: 'memory', ...scale, measured })}\n`);
if (values.strict === true && measured.some(({ isWithin }) => !isWithin)) process.exitCode = 1;
