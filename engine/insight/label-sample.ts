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
    const all = await hashedKeys(duckdb, table, by, signal);
    const chosen = chosenKeys(all, this.#mostRows);
    if (chosen.length < all.length) await keepOnly(duckdb, { table, keys: by, chosen }, signal);
    await duckdb.run(`DROP TABLE ${table}`);
    const ofRows = all.reduce((sum, { rows }) => sum + rows, 0);
    this.#kept = { keys: chosen.length, ofKeys: all.length, ofRows };
  };
}

interface HashedKey {
  readonly id: number;
  readonly rows: number;
  readonly hash: number;
  readonly text: string;
}

async function hashedKeys(
  duckdb: DuckDb,
  table: string,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<HashedKey[]> {
  const found: HashedKey[] = [];
  const sql = `SELECT CAST(id AS DOUBLE), CAST(n AS DOUBLE), ${keys.join(', ')} FROM ${table}`;
  for await (const chunk of duckdb.chunks(sql, [], signal)) {
    for (const [id, rows, ...key] of chunk.getRows()) {
      // An int is a bigint here: its text is the same.
      const values = key as ScalarValue[];
      found.push({ id: Number(id), rows: Number(rows), hash: sampleHash(values), text: keyText(values) });
    }
  }
  return found;
}

/** In the order of their hashes, as long as there is room; the first one always. */
export function chosenKeys<Key extends Pick<HashedKey, 'hash' | 'text' | 'rows'>>(
  all: readonly Key[],
  mostRows: number,
): Key[] {
  const ordered = all.toSorted((a, b) => a.hash - b.hash || (a.text < b.text ? -1 : 1));
  const chosen: Key[] = [];
  let rows = 0;
  for (const key of ordered) {
    rows += key.rows;
    if (rows > mostRows && chosen.length > 0) break;
    chosen.push(key);
  }
  return chosen;
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
