import { join, parse } from 'node:path';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { invariant, MillraceError } from '../errors/millrace-error.ts';
import { formatDateTime } from '../values/iso-time.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import type { Reading } from './reading.ts';
import { ROW_COLUMN, SPINE_TABLE } from './spine-columns.ts';
import { LABELS_TABLE } from './spine-labels.ts';
import type { TrainingOptions } from './training-types.ts';

/** The share to train on; null: the set is not divided. */
export function splitOf({ split, repeatOf }: Pick<TrainingOptions, 'split' | 'repeatOf'>): number | null {
  return split ?? repeatOf?.split?.fraction ?? null;
}

/** A file of a training set that is divided. */
export interface ManifestPart {
  /** Its name, beside the manifest. */
  readonly file: string;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** How a training set is divided by the time of its rows: what was before `at` is to train on, the rest to test with. */
export interface ManifestSplit {
  /** The share of the rows that was asked for: those before `at` are as many or, where several rows are of that time, fewer. */
  readonly fraction: number;
  /** ISO, UTC. */
  readonly at: string;
  readonly train: ManifestPart;
  readonly test: ManifestPart;
}

/** Where the two files of a divided training set stand: `labels.train.parquet` and `labels.test.parquet` of `labels.parquet`. */
export function splitPaths(out: string): { readonly train: string; readonly test: string } {
  const { dir, name, ext } = parse(out);
  return { train: join(dir, `${name}.train${ext}`), test: join(dir, `${name}.test${ext}`) };
}

/** A division that was found: SQL over `table` (`row_number`, `time_us`). */
export interface FoundSplit {
  readonly fraction: number;
  readonly atUs: number;
  readonly table: string;
}

/** SQL: whether a row of a split's table is to train on, or to test with. */
export function partCondition({ table, atUs }: FoundSplit, part: 'train' | 'test'): string {
  return `${table}.time_us ${part === 'train' ? '<' : '>='} ${atUs}`;
}

/**
 * Finds the time that divides the rows: that of the row which has the given share of all rows before it, in the order of time. Rows of that very time are all on the
 * later side, so that none to train on is as late as any to test with. Throws `split-empty`, `split-needs-times`.
 */
export async function findSplit(
  duckdb: DuckDb,
  fraction: number,
  spine: Pick<PreparedSpine, 'requestColumn' | 'rows' | 'labels'>,
  reading: Reading,
  signal: AbortSignal,
): Promise<FoundSplit> {
  const table =
    spine.requestColumn === null
      ? LABELS_TABLE
      : await (spine.labels === undefined ? requestTimes(duckdb, reading, signal) : decidedTimes(duckdb, signal));
  // A billionth is what a share is given to: the rank is whole arithmetic.
  const before = (BigInt(Math.round(fraction * 1e9)) * BigInt(spine.rows)) / 1_000_000_000n;
  const [found] = await duckdb.query<{ at: bigint; earlier: bigint }>(
    `SELECT time_us AS at, CAST(upto - n AS BIGINT) AS earlier FROM (
       SELECT time_us, n, sum(n) OVER (ORDER BY time_us) AS upto
       FROM (SELECT time_us, count(*) AS n FROM ${table} GROUP BY time_us)
     ) WHERE upto > ${before} ORDER BY time_us LIMIT 1`,
    [],
    signal,
  );
  invariant(found !== undefined, 'a training set without rows');
  const atUs = Number(found.at);
  if (found.earlier > 0n) return { fraction, atUs, table };
  throw new MillraceError(
    'split-empty',
    `a split at ${fraction} of the ${spine.rows} rows is at ${formatDateTime(atUs)}, and no row is before that`,
    {
      remedy:
        'Take a larger share (split; CLI: --split), or labels of more than one time: rows of one time are never divided.',
    },
  );
}

/** The times of the decisions, by row. */
async function decidedTimes(duckdb: DuckDb, signal: AbortSignal): Promise<string> {
  const table = 'training_times';
  // The second column of a decision's row is its time (`loadDecisions`).
  await duckdb.run(
    `CREATE TABLE ${table} AS SELECT l.row_number, epoch_us(s.c1) AS time_us FROM ${LABELS_TABLE} l JOIN ${SPINE_TABLE} s ON s.${ROW_COLUMN} = l.row_number`,
    [],
    signal,
  );
  return table;
}

/** The times at which the requests were read, by row. Throws `split-needs-times` where a row was never served. */
async function requestTimes(duckdb: DuckDb, { blocks }: Reading, signal: AbortSignal): Promise<string> {
  const table = 'training_times';
  const times = blocks.map(({ block, table: read }) => `${read}.f${block.view.layout.features.length + 1}`);
  const joins = blocks.map(({ table: read }) => `JOIN ${read} ON ${read}.row_number = l.row_number`);
  await duckdb.run(
    `CREATE TABLE ${table} AS SELECT l.row_number, least(${times.join(', ')}) AS time_us FROM ${LABELS_TABLE} l ${joins.join(' ')}`,
    [],
    signal,
  );
  const [lacking] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${table} WHERE time_us IS NULL`);
  if (lacking?.n === 0n) return table;
  throw new MillraceError(
    'split-needs-times',
    `${lacking?.n} rows name requests that were never logged: they have no time to be divided by`,
    { remedy: 'Leave these rows out of the labels, or leave the split out (split; CLI: --split).' },
  );
}
