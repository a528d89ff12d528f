/** Sorts rows that are wide, and more than its limit of 256 MB holds: wide-sort-child.ts FOLDER. Prints how many, and the peak RSS before and at the end. */
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { statusMb } from './peak-memory.ts';

const duckdb = await openDuckDb({ memoryMb: 256, threads: 1, tempDir: process.argv[2] ?? '' });
await duckdb.query('SELECT 1 AS one');
const baseMb = statusMb('VmHWM');
let rows = 0;
const sql = `SELECT i, repeat(md5(i::VARCHAR), 12) AS a, repeat(md5((i + 1)::VARCHAR), 4) AS b FROM range(1000000) r(i) ORDER BY hash(i)`;
for await (const chunk of duckdb.chunks(sql)) rows += chunk.rowCount;
await duckdb.close();
process.stdout.write(JSON.stringify({ rows, overMb: statusMb('VmHWM') - baseMb }));
