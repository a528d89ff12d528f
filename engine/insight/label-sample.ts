import { BIGINT } from 'duckdb';
import { keyText } from '../define/key-text.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { KeepLabels } from '../training/prepare-spine.ts';
import { sampleHash } from '../training/sample.ts';
import { READ_TABLE } from '../training/spine-columns.ts';
import type { ScalarValue } from '../values/field-type.ts';

/** How much is asked for: so many rows, about; or such a share of the entities. */
export type SampleSize = { readonly rows: number } | { readonly share: number };

/** What a sample of labels came to. */
export interface KeptLabels {
  /** Combinations of join keys. */
  readonly keys: number;
  /** Before the sample was taken. */
  readonly ofKeys: number;
  readonly ofRows: number;
}

/** Takes labels by the hash of all their join keys together, in the order in which samples of training sets do: of a key it takes all or none. */
export class LabelSample {
  readonly #mostRows: number;
  #kept: KeptLabels | null = null;

  /** @param mostRows unless the first key has more */
  constructor(mostRows: number) {
    this.#mostRows = mostRows;
  }

  /** Throws before it was taken. */
  get kept(): KeptLabels {
    if (this.#kept === null) throw internalBug('a sample of labels was asked for before it was taken');
    return this.#kept;
  }

  /** For `prepareSpine`. */
  readonly keep: KeepLabels = async (duckdb, by, signal) => {
    const table = duckdb.newName('label_keys');
    await duckdb.run(
      `CREATE TABLE ${table} AS
       SELECT row_number() OVER () - 1 AS id, * FROM (SELECT ${by.join(', ')}, count(*) AS n FROM ${READ_TABLE} GROUP BY ALL)`,
      [],
      signal,
    );
    const [counted] = await duckdb.query<{ keys: bigint; rows: bigint }>(
      `SELECT count(*) AS keys, CAST(coalesce(sum(n), 0) AS BIGINT) AS rows FROM ${table}`,
    );
    const ofKeys = Number(counted?.keys);
    const ofRows = Number(counted?.rows);
    let keys = ofKeys;
    if (ofRows > this.#mostRows) {
      const chosen = await firstKeys(duckdb, { table, keys: by, mostRows: this.#mostRows }, signal);
      await keepOnly(duckdb, { table, keys: by, chosen }, signal);
      keys = chosen.length;
    }
    await duckdb.run(`DROP TABLE ${table}`);
    this.#kept = { keys, ofKeys, ofRows };
  };
}

/** Join keys of labels, and how many labels have them. */
export interface HashedKey {
  readonly id: number;
  readonly rows: number;
  readonly hash: number;
  readonly text: string;
}

/** Keys beyond those that may be chosen are let go once there are so many. */
const SPARE_KEYS = 100_000;

async function firstKeys(
  duckdb: DuckDb,
  { table, keys, mostRows }: { readonly table: string; readonly keys: readonly string[]; readonly mostRows: number },
  signal: AbortSignal,
): Promise<HashedKey[]> {
  let found: HashedKey[] = [];
  let most = SPARE_KEYS;
  const sql = `SELECT CAST(id AS DOUBLE), CAST(n AS DOUBLE), ${keys.join(', ')} FROM ${table}`;
  for await (const chunk of duckdb.chunks(sql, [], signal)) {
    for (const [id, rows, ...key] of chunk.getRows()) {
      // An int is a bigint here: its text is the same.
      const values = key as ScalarValue[];
      found.push({ id: Number(id), rows: Number(rows), hash: sampleHash(values), text: keyText(values) });
    }
    if (found.length < most) continue;
    found = possibleKeys(found, mostRows);
    most = 2 * found.length + SPARE_KEYS;
  }
  return chosenKeys(found, mostRows);
}

/** In the order of their hashes, as long as there is room; the first one always. */
export function chosenKeys(all: readonly HashedKey[], mostRows: number): HashedKey[] {
  const { chosen } = divided(all, mostRows);
  return chosen;
}

/** Those that may be chosen beside others to come, and the first that does not fit: nothing after it ever does. */
export function possibleKeys(all: readonly HashedKey[], mostRows: number): HashedKey[] {
  const { chosen, next } = divided(all, mostRows);
  return next === undefined ? chosen : [...chosen, next];
}

function divided(
  all: readonly HashedKey[],
  mostRows: number,
): { readonly chosen: HashedKey[]; readonly next: HashedKey | undefined } {
  const ordered = all.toSorted((a, b) => a.hash - b.hash || (a.text < b.text ? -1 : 1));
  let rows = 0;
  const first = ordered.findIndex((key, index) => {
    rows += key.rows;
    return rows > mostRows && index > 0;
  });
  return first < 0 ? { chosen: ordered, next: undefined } : { chosen: ordered.slice(0, first), next: ordered[first] };
}

async function keepOnly(
  duckdb: DuckDb,
  {
    table,
    keys,
    chosen,
  }: { readonly table: string; readonly keys: readonly string[]; readonly chosen: readonly HashedKey[] },
  signal: AbortSignal,
): Promise<void> {
  const kept = duckdb.newName('kept_keys');
  await duckdb.run(`CREATE TABLE ${kept} (id BIGINT)`);
  const appender = await RowAppender.open(duckdb, kept, [BIGINT]);
  try {
    for (const { id } of chosen) appender.append(BigInt(id));
  } finally {
    appender.close();
  }
  const on = keys.map((key) => `k.${key} = l.${key}`).join(' AND ');
  await duckdb.run(
    `DELETE FROM ${READ_TABLE} l WHERE NOT EXISTS (SELECT 1 FROM ${table} k JOIN ${kept} USING (id) WHERE ${on})`,
    [],
    signal,
  );
  await duckdb.run(`DROP TABLE ${kept}`);
}
