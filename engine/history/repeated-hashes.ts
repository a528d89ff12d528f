import { UBIGINT } from 'duckdb';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { readWords } from '../duckdb/raw-column.ts';
import { RowAppender } from '../duckdb/row-appender.ts';

/** The filter has a word of 32 bits per hash and at most these, 64 MiB: more hashes are counted by DuckDB, which spills, and so are those for whose filter there is no memory. */
const MOST_WORDS = 1 << 24;
/** With more, the filter has saved nothing. */
const MOST_CANDIDATES = 1 << 18;
/** What candidates take of the heap, all of them. */
const CANDIDATE_BYTES = MOST_CANDIDATES * 40;
/** A filter of fewer words for the hashes takes too many for repeated. */
const LEAST_WORDS_PER_HASH = 1 / 4;

/**
 * Makes a table `k` of the 64-bit hashes that a query gives more than once; null where there are none. Histories of few enough rows are
 * looked through once with a Bloom filter, and only the hashes that it takes for repeated (about one in a thousand) are counted: an
 * aggregation over hashes that are nearly all different costs several times as much.
 *
 * @param sql A query of one column `k` of type UBIGINT without NULL.
 * @param rows About how many rows it gives, at most.
 */
export async function repeatedHashes(
  sql: string,
  rows: number,
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const found = await candidatesAmong(sql, rows, duckdb, signal);
  if (found?.length === 0) return null;
  const candidates = found === null ? null : await stage(found, duckdb);
  const condition = candidates === null ? '' : ` WHERE k IN (SELECT k FROM ${candidates})`;
  const repeated = duckdb.newName('repeated');
  const counting = `CREATE TABLE ${repeated} AS SELECT k FROM (${sql})${condition} GROUP BY k HAVING count(*) > 1`;
  await duckdb.alone(() => duckdb.run(counting, [], signal));
  if (candidates !== null) await duckdb.run(`DROP TABLE ${candidates}`);
  const [counted] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${repeated}`);
  if (counted !== undefined && counted.n > 0n) return repeated;
  await duckdb.run(`DROP TABLE ${repeated}`);
  return null;
}

/** Hashes among which are all that come again; null where they are too many, or there is no memory for a filter. */
async function candidatesAmong(
  sql: string,
  rows: number,
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<readonly bigint[] | null> {
  if (rows > MOST_WORDS) return null;
  const words = 2 ** Math.ceil(Math.log2(Math.max(1024, rows)));
  const { memory } = duckdb;
  if (memory === null) return await filtered(sql, words, duckdb, signal);
  for (let fewer = words; fewer >= Math.max(1024, rows * LEAST_WORDS_PER_HASH); fewer /= 2) {
    const bytes = { buffers: fewer * Int32Array.BYTES_PER_ELEMENT, heap: CANDIDATE_BYTES };
    const held = memory.tryReserve(bytes, 'duplicates of a history');
    if (held === null) continue;
    try {
      return await filtered(sql, fewer, duckdb, signal);
    } finally {
      held.release();
    }
  }
  return null;
}

async function filtered(
  sql: string,
  words: number,
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<readonly bigint[] | null> {
  const filter = new Int32Array(words);
  const found: bigint[] = [];
  for await (const chunk of duckdb.chunks(sql, [], signal)) {
    const halves = readWords(chunk, 0);
    for (let at = 0; at < halves.length; at += 2) {
      const low = halves[at] as number;
      const high = halves[at + 1] as number;
      const word = low & (words - 1);
      const bits = (1 << (high & 31)) | (1 << ((high >>> 5) & 31));
      const before = filter[word] as number;
      if ((before & bits) !== bits) filter[word] = before | bits;
      else found.push((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
    }
    if (found.length > MOST_CANDIDATES) return null;
  }
  return found;
}

async function stage(hashes: readonly bigint[], duckdb: DuckDb): Promise<string> {
  const table = duckdb.newName('candidates');
  await duckdb.run(`CREATE TABLE ${table} (k UBIGINT)`);
  const appender = await RowAppender.open(duckdb, table, [UBIGINT]);
  try {
    for (const hash of hashes) appender.append(hash);
  } finally {
    appender.close();
  }
  return table;
}
