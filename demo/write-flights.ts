/** `npm run flights`: writes the example's history (January to May) to data/flights, where `features/flights.ts` looks for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { count } from '../cli/output.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { writeFlights } from './flights-workspace.ts';

const historyDir = fileURLToPath(new URL('../data/flights', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'millrace-flights-'));
const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: folder });
try {
  const { historyRows } = await writeFlights(duckdb, {
    historyDir,
    junePath: join(folder, 'june.parquet'),
    nowUs: Date.now() * 1000,
  });
  process.stdout.write(`${count(historyRows)} flights of January to May in ${historyDir}\n`);
} finally {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
}
