import type pg from 'pg';
import type { ScalarValue } from '../values/field-type.ts';
import { keyText } from '../define/key-text.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { ident } from '../postgres/sql.ts';
import { bindKeys, commitIdOf, hasCommitIds, lateralState, stateTable, unnestKeys } from '../postgres/state-table.ts';
import { type StreamOffset, streamOffsets } from '../postgres/stream-offsets.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { postgresTypes } from '../postgres/type-parsers.ts';
import { liveVersion } from '../postgres/live-version.ts';
import { type ViewVersion, versions } from '../postgres/view-versions.ts';
import { decodedBytes } from '../state/state-size.ts';
import { KeySample } from './key-sample.ts';
import { refuseRetired } from './retired-version.ts';

/** A state row with its checksum. */
export interface StoredRow {
  readonly key: readonly ScalarValue[];
  readonly seq: number;
  readonly state: Uint8Array;
  /** Of the commit that wrote it; null of a backfill's, and where it is not known. */
  readonly commitId: bigint | null;
  /** Null in rows older than the column. */
  readonly crc: number | null;
}

/** The live version of a view at one instant: `version.seq` commits, and the state rows they left. */
export interface LiveSnapshot {
  readonly version: ViewVersion;
  readonly offsets: readonly StreamOffset[];
  /** By key text. */
  readonly rows: ReadonlyMap<string, StoredRow>;
  /** Which entities have their row here if they have one. */
  readonly sample: KeySample;
}

export interface SnapshotOptions {
  readonly pool: pg.Pool;
  readonly view: string;
  /** Of a version, the entities whose rows are wanted whatever the sample, by key text. */
  readonly keys: (version: number) => ReadonlyMap<string, readonly ScalarValue[]>;
  readonly maxEntities: number;
  /** What the states of the sample may take in memory, decoded. */
  readonly stateBytes: number;
}

const ROWS_PER_FETCH = 2_000;
const KEYS_PER_READ = 1_000;

/** The version readers get. Throws MillraceError `unknown-view`, `view-not-published`. */
export async function servedVersion(on: Queryable, view: string): Promise<ViewVersion> {
  const version = await liveVersion(on, view);
  if (version === null) throw await notServed(on, view);
  return version;
}

/** The version readers get, if this engine can replay it. Throws what `servedVersion` throws, `semantics-retired`. */
export async function auditedVersion(on: Queryable, view: string): Promise<ViewVersion> {
  const version = await servedVersion(on, view);
  await refuseRetired(on, version);
  return version;
}

/** One repeatable-read transaction: what it gives is of one instant. Throws what `servedVersion` throws. */
export function readSnapshot(options: SnapshotOptions): Promise<LiveSnapshot> {
  const { pool, view, keys, maxEntities, stateBytes } = options;
  return withTransaction(
    pool,
    async (client) => {
      await client.query('SET LOCAL statement_timeout = 0');
      const version = await servedVersion(client, view);
      const offsets = await streamOffsets(client, view, version.version);
      const table = version.stateTable;
      const { rows: sizes } = await client.query<[number, number | null]>({
        text: `SELECT count(*), sum(octet_length(state))::bigint FROM ${stateTable(table)}`,
        rowMode: 'array',
        types: postgresTypes,
      });
      const [count = 0, bytes = 0] = sizes[0] ?? [];
      const memory = decodedBytes(count, bytes ?? 0);
      const fraction = Math.min(1, maxEntities / Math.max(count, 1), stateBytes / Math.max(memory, 1));
      const sample = new KeySample(version.layout, fraction);
      const rows = new Map<string, StoredRow>();
      const keep = (row: StoredRow): void => void rows.set(keyText(row.key), row);
      const hasIds = await hasCommitIds(client, table);
      if (maxEntities > 0) await readSample(client, version, hasIds, sample, keep);
      await readRows(
        client,
        version,
        hasIds,
        [...keys(version.version)].filter(([text]) => !rows.has(text)).map(([, key]) => key),
        keep,
      );
      return { version, offsets, rows, sample };
    },
    { isolation: 'repeatable read' },
  );
}

/** One entity's row in the snapshot of `client`'s statement; null where it has none. */
export async function readRow(
  client: pg.PoolClient,
  version: ViewVersion,
  key: readonly ScalarValue[],
): Promise<StoredRow | null> {
  let found: StoredRow | null = null;
  await readRows(client, version, false, [key], (row) => {
    found = row;
  });
  return found;
}

/** How many states a version has. */
export async function countStates(on: Queryable, { stateTable: table }: ViewVersion): Promise<number> {
  const { rows } = await on.query<[number]>({
    text: `SELECT count(*) FROM ${stateTable(table)}`,
    rowMode: 'array',
    types: postgresTypes,
  });
  return rows[0]?.[0] ?? 0;
}

/** What a state of a version takes of the heap, decoded, about: of its first rows. */
export async function stateBytes(on: Queryable, { stateTable: table }: ViewVersion): Promise<number> {
  const { rows } = await on.query<[number, number | null]>({
    text: `SELECT count(*), sum(octet_length(state))::bigint FROM (SELECT state FROM ${stateTable(table)} LIMIT ${ROWS_PER_FETCH}) AS first_ones`,
    rowMode: 'array',
    types: postgresTypes,
  });
  const [count = 0, bytes = 0] = rows[0] ?? [];
  return decodedBytes(1, (bytes ?? 0) / Math.max(1, count));
}

async function readSample(
  client: pg.PoolClient,
  { layout, stateTable: table }: ViewVersion,
  hasIds: boolean,
  sample: KeySample,
  keep: (row: StoredRow) => void,
): Promise<void> {
  const columns = layout.keys.map(({ name, type }) => (type.kind === 'int64' ? `${ident(name)}::text` : ident(name)));
  await client.query(
    `DECLARE audited NO SCROLL CURSOR FOR SELECT seq, ${commitIdOf(hasIds)}, state_crc, state, ${columns.join(', ')} FROM ${stateTable(table)} WHERE ${sample.condition}`,
  );
  const keyOf = keyReader(layout);
  for (;;) {
    const { rows } = await client.query<[number, string | null, number | null, Buffer, ...unknown[]]>({
      text: `FETCH ${ROWS_PER_FETCH} FROM audited`,
      rowMode: 'array',
      types: postgresTypes,
    });
    if (rows.length === 0) break;
    for (const [seq, commitId, crc, state, ...key] of rows)
      keep({ key: keyOf(key), seq, state, commitId: idOf(commitId), crc });
  }
  await client.query('CLOSE audited');
}

function idOf(text: string | null): bigint | null {
  return text === null ? null : BigInt(text);
}

/** Key columns as they were selected, in the representation of their types. */
function keyReader(layout: ViewLayout): (columns: readonly unknown[]) => ScalarValue[] {
  const isInt64 = layout.keys.map(({ type }) => type.kind === 'int64');
  return (columns) =>
    columns.map((value, index) => (isInt64[index] === true ? BigInt(value as string) : (value as ScalarValue)));
}

async function readRows(
  client: pg.PoolClient,
  { layout, stateTable: table }: ViewVersion,
  hasIds: boolean,
  keys: readonly (readonly ScalarValue[])[],
  keep: (row: StoredRow) => void,
): Promise<void> {
  const text = `SELECT wanted.ord, found.state, found.seq, found.state_crc, found.commit_id FROM ${unnestKeys(layout, 1)} ${lateralState(layout, table, hasIds)}`;
  for (let from = 0; from < keys.length; from += KEYS_PER_READ) {
    const page = keys.slice(from, from + KEYS_PER_READ);
    const { rows } = await client.query<[number, Buffer | null, number | null, number | null, string | null]>({
      text,
      values: bindKeys(layout, page),
      rowMode: 'array',
      types: postgresTypes,
    });
    for (const [ord, state, seq, crc, commitId] of rows) {
      if (state !== null && seq !== null) keep({ key: page[ord - 1]!, seq, state, commitId: idOf(commitId), crc });
    }
  }
}

async function notServed(on: Queryable, view: string): Promise<MillraceError> {
  const [newest] = await versions(on, view);
  if (newest === undefined) {
    return new MillraceError('unknown-view', `no view "${view}" is known here`, {
      remedy: 'Correct the name, or start the view; "millrace status" lists what is served.',
      httpStatus: 404,
      details: { view },
    });
  }
  return new MillraceError('view-not-published', `view "${view}" is ${newest.status}, not published`, {
    remedy: 'Wait for its lifecycle to publish it, or start it again.',
    retryable: newest.status === 'building' || newest.status === 'built',
    httpStatus: 409,
    details: { view, status: newest.status },
  });
}
