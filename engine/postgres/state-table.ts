import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { hasWrongCrc, stateCrc } from '../state/stored-state.ts';
import { BinaryWriter } from './binary-writer.ts';
import { copyIn } from './copy-in.ts';
import { type ColumnFormat, columnFormat, writeBinaryArray } from './column-types.ts';
import type { Queryable } from './queryable.ts';
import { withoutTimeLimit } from './time-limit.ts';
import { STATE } from './schemas.ts';
import { ident } from './sql.ts';
import { postgresTypes } from './type-parsers.ts';

/** The state of one entity, encoded. */
export interface StateRow {
  /** Join key values in layout order, none null. */
  readonly key: readonly ScalarValue[];
  readonly state: Uint8Array;
}

export interface StoredState {
  readonly state: Uint8Array;
  /** The commit that wrote it last; 0 is the backfill. */
  readonly seq: number;
  /** Its id, as text; null where it is the backfill's, and where it was written before there were ids. */
  readonly commitId: string | null;
}

const BYTEA_OID = 17;
const INT4_OID = 23;
/** COPY goes out in pieces of this size: large enough to be few, small enough to keep memory flat. */
const COPY_CHUNK_BYTES = 1 << 18;
const COPY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

/** Name of the state table of a version: readable, unique, and short enough for Postgres. */
export function stateTableName(view: string, version: number): string {
  const suffix = `_v${version}`;
  if (Buffer.byteLength(view) + suffix.length <= 63) return view + suffix;
  return `${view.slice(0, 30)}_${createHash('sha256').update(view).digest('hex').slice(0, 16)}${suffix}`;
}

/** The table's full name, quoted, in the schema of whoever sends it. */
export function stateTable(table: string): string {
  return `${STATE.text}.${ident(table)}`;
}

function keyFormats(layout: ViewLayout): readonly ColumnFormat[] {
  return layout.keys.map((key) => columnFormat(key.type));
}

/** The columns of the join keys, in layout order. */
export function keyColumns(layout: ViewLayout, prefix = ''): string {
  return layout.keys.map((key) => prefix + ident(key.name)).join(', ');
}

/** Creates the empty state table of a version, without its primary key: that is added after the load, which is faster. */
export async function createStateTable(client: Queryable, layout: ViewLayout, table: string): Promise<void> {
  const formats = keyFormats(layout);
  const keys = layout.keys.map((key, index) => `${ident(key.name)} ${formats[index]?.ddl} NOT NULL`);
  // 30 % of a page stay free so that an update finds room on it and touches no index. States are packed already: compressing them costs
  // time and gains nothing.
  await client.query(
    `CREATE TABLE ${stateTable(table)} (${keys.join(', ')}, seq bigint NOT NULL, state_commit bigint, state bytea STORAGE EXTERNAL NOT NULL, state_crc int) WITH (fillfactor = 70)`,
  );
}

/** Adds the primary key over the join keys and analyses the table. */
export async function finishStateTable(client: pg.ClientBase, layout: ViewLayout, table: string): Promise<void> {
  await withoutTimeLimit(client, async () => {
    await client.query(`ALTER TABLE ${stateTable(table)} ADD PRIMARY KEY (${keyColumns(layout)})`);
    await client.query(`ANALYZE ${stateTable(table)}`);
  });
}

/** Whether the table's rows have the ids of their commits: one that a worker of an earlier release has made has none. */
export async function hasCommitIds(on: Queryable, table: string): Promise<boolean> {
  const { rows } = await on.query<{ has: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('${stateTable(table)}') AND attname = 'state_commit' AND NOT attisdropped) AS has`,
  );
  return rows[0]?.has === true;
}

/** Gives such a table the column. Waits for its readers. */
export async function ensureCommitIds(on: Queryable, table: string): Promise<void> {
  if (await hasCommitIds(on, table)) return;
  await on.query(`ALTER TABLE ${stateTable(table)} ADD COLUMN IF NOT EXISTS state_commit bigint`);
}

/** How many rows the table has, however long counting them takes. */
export async function countStates(client: pg.ClientBase, table: string): Promise<number> {
  const { rows } = await withoutTimeLimit(client, () =>
    client.query<{ n: string }>(`SELECT count(*)::text AS n FROM ${stateTable(table)}`),
  );
  return Number(rows[0]?.n);
}

/** Drops the table, if it is there. Waits for its readers. */
export async function dropStateTable(client: Queryable, table: string): Promise<void> {
  await client.query(`DROP TABLE IF EXISTS ${stateTable(table)}`);
}

async function* copyChunks(
  formats: readonly ColumnFormat[],
  rows: AsyncIterable<StateRow> | Iterable<StateRow>,
  written: { rows: number },
): AsyncGenerator<Buffer> {
  const writer = new BinaryWriter(COPY_CHUNK_BYTES * 2);
  writer.bytes(COPY_HEADER);
  for await (const { key, state } of rows) {
    writer.int16(formats.length + 3);
    for (let index = 0; index < formats.length; index++) formats[index]!.write(writer, key[index]!);
    writer.int32(8);
    writer.int64Number(0);
    writer.sizedBytes(state);
    writer.int32(4);
    writer.int32(stateCrc(state));
    written.rows++;
    if (writer.length >= COPY_CHUNK_BYTES) yield writer.take();
  }
  writer.int16(-1);
  yield writer.take();
}

/**
 * Loads states with seq 0 by binary COPY and returns how many. A row may be reused by the iterable once the next one was asked for.
 *
 * @example
 * await copyStates(client, 'route_delays_v1', layout, [{ key: ['LAS', 'PHL'], state }]);
 */
export async function copyStates(
  client: pg.ClientBase,
  table: string,
  layout: ViewLayout,
  rows: AsyncIterable<StateRow> | Iterable<StateRow>,
): Promise<number> {
  const written = { rows: 0 };
  const target = `${stateTable(table)} (${keyColumns(layout)}, seq, state, state_crc)`;
  await withoutTimeLimit(client, () => copyIn(client, target, copyChunks(keyFormats(layout), rows, written)));
  return written.rows;
}

/** The join keys of many entities as one binary array per key column. */
export function bindKeys(layout: ViewLayout, keys: readonly (readonly ScalarValue[])[]): Buffer[] {
  const writer = new BinaryWriter(64 + keys.length * 24);
  return layout.keys.map(({ type }, column) => {
    const { oid, write } = columnFormat(type);
    return writeBinaryArray(writer, oid, keys, (to, key) => write(to, key[column]!));
  });
}

/** `unnest($1::text[], …) WITH ORDINALITY AS wanted(k0, …, ord)`, starting at parameter `first`. */
export function unnestKeys(layout: ViewLayout, first: number): string {
  const arrays = keyFormats(layout).map((format, index) => `$${first + index}::${format.castName}[]`);
  const names = layout.keys.map((_, index) => `k${index}`);
  return `unnest(${arrays.join(', ')}) WITH ORDINALITY AS wanted(${names.join(', ')}, ord)`;
}

/**
 * The state row of each wanted key. LIMIT keeps the planner from hashing the whole table: it stays one primary key lookup per key,
 * even in a plan made while the table was small.
 *
 * @param hasIds what `hasCommitIds` says; where there are none, `commit_id` is null
 */
export function lateralState(layout: ViewLayout, table: string, hasIds = true): string {
  const match = layout.keys.map((key, index) => `s.${ident(key.name)} = wanted.k${index}`).join(' AND ');
  return `LEFT JOIN LATERAL (SELECT s.state, s.seq, s.state_crc, ${commitIdOf(hasIds, 's.')} FROM ${stateTable(table)} s WHERE ${match} LIMIT 1) found ON true`;
}

/** The column of commit ids as text, named `commit_id`. */
export function commitIdOf(hasIds: boolean, prefix = ''): string {
  return `${hasIds ? `${prefix}state_commit::text` : 'NULL::text'} AS commit_id`;
}

/**
 * The stored states of `keys`, in their order; `null` where an entity has none. One round trip. Throws `state-corrupt` where a state is
 * not the bytes that were written: nothing may be built on it.
 */
export async function readStates(
  client: Queryable,
  table: string,
  layout: ViewLayout,
  keys: readonly (readonly ScalarValue[])[],
): Promise<(StoredState | null)[]> {
  if (keys.length === 0) return [];
  const { rows } = await client.query<[number, Buffer | null, number | null, number | null, string | null]>({
    name: `millrace-read-${table}`,
    text: `SELECT wanted.ord, found.state, found.seq, found.state_crc, found.commit_id FROM ${unnestKeys(layout, 1)} ${lateralState(layout, table)}`,
    values: bindKeys(layout, keys),
    rowMode: 'array',
    types: postgresTypes,
  });
  const states: (StoredState | null)[] = keys.map(() => null);
  for (const [ord, state, seq, crc, commitId] of rows) {
    if (state === null || seq === null) continue;
    if (hasWrongCrc(state, crc)) throw changedState(table, layout, keys[ord - 1]!, seq);
    states[ord - 1] = { state, seq, commitId };
  }
  return states;
}

function changedState(table: string, layout: ViewLayout, key: readonly ScalarValue[], seq: number): MillraceError {
  const named = layout.keys.map(({ name }, index) => `${name}=${String(key[index])}`).join(' ');
  return new MillraceError(
    'state-corrupt',
    `state table ${ident(table)}, ${named}: the state of commit ${seq} is not the bytes that were written: its checksum differs`,
    {
      remedy: `Something else changed the table. "millrace audit ${layout.view}" tells what differs; "millrace rebackfill ${layout.view}" builds it anew from the log.`,
      httpStatus: 500,
      details: { view: layout.view, table },
    },
  );
}

function compareScalars(a: ScalarValue, b: ScalarValue): number {
  if (a === b) return 0;
  return a! < b! ? -1 : 1;
}

/** Any total order that every writer shares: rows are locked in it, so two writers never wait for each other in a circle. */
function compareKeys(a: StateRow, b: StateRow): number {
  for (let index = 0; index < a.key.length; index++) {
    const order = compareScalars(a.key[index]!, b.key[index]!);
    if (order !== 0) return order;
  }
  return 0;
}

/** Writes states under commit number `seq` and its id, inserting or replacing. Each key at most once per call. Sorts a copy of `rows` by key. */
export async function upsertStates(
  client: Queryable,
  table: string,
  layout: ViewLayout,
  rows: readonly StateRow[],
  seq: number,
  commitId: bigint,
): Promise<void> {
  if (rows.length === 0) return;
  const sorted = rows.toSorted(compareKeys);
  const keyCount = layout.keys.length;
  const writer = new BinaryWriter(64 + rows.length * 256);
  const states = writeBinaryArray(writer, BYTEA_OID, sorted, (to, row) => to.sizedBytes(row.state));
  const checksums = writeBinaryArray(writer, INT4_OID, sorted, (to, row) => {
    to.int32(4);
    to.int32(stateCrc(row.state));
  });
  const names = layout.keys.map((_, index) => `wanted.k${index}`).join(', ');
  const arrays = keyFormats(layout).map((format, index) => `$${index + 1}::${format.castName}[]`);
  const columns = layout.keys.map((_, index) => `k${index}`).join(', ');
  await client.query({
    name: `millrace-upsert-${table}`,
    text:
      `INSERT INTO ${stateTable(table)} (${keyColumns(layout)}, seq, state_commit, state, state_crc) ` +
      `SELECT ${names}, $${keyCount + 3}::bigint, $${keyCount + 4}::bigint, wanted.state, wanted.crc ` +
      `FROM unnest(${arrays.join(', ')}, $${keyCount + 1}::bytea[], $${keyCount + 2}::int[]) AS wanted(${columns}, state, crc) ` +
      `ON CONFLICT (${keyColumns(layout)}) DO UPDATE SET state = excluded.state, seq = excluded.seq, state_commit = excluded.state_commit, state_crc = excluded.state_crc`,
    values: [
      ...bindKeys(
        layout,
        sorted.map((row) => row.key),
      ),
      states,
      checksums,
      seq,
      String(commitId),
    ],
  });
}
