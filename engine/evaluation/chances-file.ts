import { type DuckDb, type DuckDbOptions, openDuckDb } from '../duckdb/duckdb.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { SUM_TOLERANCE } from '../evidence/variant-shares.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { loadSpine } from '../training/load-spine.ts';
import { SPINE_TABLE } from '../training/spine-columns.ts';
import { findSpineFile } from '../training/spine-file.ts';

/** Where files are read. */
export interface FileReading {
  readonly duckdb: DuckDbOptions;
  readonly spillDir: string;
  readonly signal: AbortSignal;
}

/**
 * Reads the scores that a model gives for decisions others took: columns `decision_id` and `score`, a row per decision. Those of `wanted` are kept.
 *
 * @throws MillraceError `invalid-decisions-file`
 */
export async function readScores(
  path: string,
  wanted: ReadonlySet<string>,
  reading: FileReading,
): Promise<Map<string, number>> {
  const scores = new Map<string, number>();
  await eachRow(path, ['decision_id', 'score'], reading, ([id, text]) => {
    if (id === null || id === undefined) throw invalidFile(path, 'a row has no decision_id');
    if (!wanted.has(id)) return;
    if (scores.has(id)) throw invalidFile(path, `decision "${id}": it has two scores`);
    scores.set(id, numberIn(path, id, 'score', text));
  });
  return scores;
}

/**
 * Reads a policy: columns `decision_id`, `action` and `propensity`, a row per action that it may take. Of `wanted` decisions chances must be 1 together.
 *
 * @throws MillraceError `invalid-decisions-file`
 */
export async function readPolicy(
  path: string,
  wanted: ReadonlySet<string>,
  reading: FileReading,
): Promise<Map<string, ReadonlyMap<string, number>>> {
  const policy = new Map<string, Map<string, number>>();
  await eachRow(path, ['decision_id', 'action', 'propensity'], reading, ([id, action, text]) => {
    if (id === null || id === undefined) throw invalidFile(path, 'a row has no decision_id');
    if (!wanted.has(id)) return;
    if (action === null || action === undefined) throw invalidFile(path, `decision "${id}": a row has no action`);
    const chances = policy.get(id) ?? new Map<string, number>();
    policy.set(id, chances);
    if (chances.has(action)) throw invalidFile(path, `decision "${id}": action "${action}" stands there twice`);
    chances.set(action, numberIn(path, id, 'propensity', text));
  });
  for (const [id, chances] of policy) {
    const all = [...chances.values()];
    const sum = all.reduce((total, chance) => total + chance, 0);
    if (all.some((chance) => chance < 0) || Math.abs(sum - 1) > SUM_TOLERANCE)
      throw invalidFile(
        path,
        `decision "${id}": expected chances from 0 that are 1 together; received ${all.join(', ')}`,
      );
  }
  return policy;
}

function numberIn(path: string, id: string, column: string, text: string | null | undefined): number {
  const value = text === null || text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw invalidFile(path, `decision "${id}": expected a number as ${column}; received ${text ?? 'none'}`);
}

async function eachRow(
  path: string,
  columns: readonly string[],
  { duckdb: options, spillDir, signal }: FileReading,
  take: (values: readonly (string | null)[]) => void,
): Promise<void> {
  const duckdb = await openDuckDb(options);
  try {
    const sql = await selectOf(path, columns, duckdb, spillDir, signal);
    const readers = columns.map(() => rawColumn('VARCHAR'));
    for await (const chunk of duckdb.chunks(sql, [], signal)) {
      const values = readers.map((reader, column) => {
        const out: unknown[] = [];
        reader(chunk, column, out);
        return out as (string | null)[];
      });
      for (let row = 0; row < chunk.rowCount; row++) take(values.map((column) => column[row] ?? null));
    }
  } finally {
    await duckdb.close();
  }
}

async function selectOf(
  path: string,
  columns: readonly string[],
  duckdb: DuckDb,
  spillDir: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const found = await loadSpine(duckdb, await findSpineFile(path), new Set(), spillDir, signal);
    const outputs = columns.map((name) => {
      const column = found.find((one) => one.name === name);
      if (column !== undefined) return `CAST(${column.output} AS VARCHAR)`;
      throw invalidFile(path, `no column "${name}"; it has: ${found.map((one) => one.name).join(', ')}`);
    });
    return `SELECT ${outputs.join(', ')} FROM ${SPINE_TABLE}`;
  } catch (cause) {
    // It is read as a file of labels is, and is none.
    if (!isMillraceError(cause) || !/spine/.test(cause.code)) throw cause;
    throw invalidFile(path, cause.message.replace(`spine ${path}`, '').replace(/^[\s:,]+/, ''), cause);
  }
}

function invalidFile(path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('invalid-decisions-file', `${path}: ${why}`, {
    remedy:
      'Give Parquet, CSV or JSONL: of scores the columns decision_id and score, of a policy decision_id, action and propensity, a row per action.',
    details: { path },
    cause,
  });
}
