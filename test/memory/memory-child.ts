/** One row of the table, in a process of its own: node test/memory/memory-child.ts ROW FOLDER MB, with BENCH_DATABASE_URL. Prints one JSON object. */
import { setProcessMemory } from '../../engine/memory/process-memory.ts';
import { MEMORY_ROWS } from './memory-rows.ts';
import { watchMemory } from './peak-memory.ts';

const [row = '', folder = '', memoryMb = ''] = process.argv.slice(2);
const work = MEMORY_ROWS[row];
if (work === undefined) throw new Error(`no row "${row}"`);
setProcessMemory(Number(memoryMb));
const watch = watchMemory();
const started = performance.now();
const did = await work({ folder, databaseUrl: process.env['BENCH_DATABASE_URL'] ?? '' });
const seconds = Math.round((performance.now() - started) / 100) / 10;
process.stdout.write(`${JSON.stringify({ ...watch.peak(), seconds, did })}\n`);
