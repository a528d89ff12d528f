import type pg from 'pg';
import type { ViewLayout } from '../define/view-layout.ts';
import { HEADER_BYTES } from '../state/state-codec.ts';
import { retaggedCrc, stateHeader } from '../state/retag-crc.ts';
import { keyColumns, stateTable } from './state-table.ts';
import { withoutTimeLimit } from './time-limit.ts';
import { postgresTypes } from './type-parsers.ts';

/** So many at a time, 64 MB: between two, whoever copies may be told to end. */
const BLOCKS_AT_ONCE = 8192;

/** A state table, and the tag its states begin with. */
export interface TaggedTable {
  readonly table: string;
  readonly layoutTag: number;
}

/**
 * Copies all states of a table into an empty one, under another layout's tag and seq 0: what its codec would have written. Of one that was damaged
 * the checksum is wrong in the copy, too. In a transaction of repeatable reads: it reads by the piece.
 *
 * @param onCopied told of the rows so far, between two pieces; may throw
 * @returns the rows; null where some state is of another layout, or has no checksum: then what was copied is to be rolled back
 * @example
 * const entities = await copyRetagged(client, view.layout, { from, to }, () => signal.throwIfAborted());
 */
export async function copyRetagged(
  client: pg.ClientBase,
  layout: ViewLayout,
  { from, to }: { readonly from: TaggedTable; readonly to: TaggedTable },
  onCopied: (rows: number) => void,
): Promise<number | null> {
  return await withoutTimeLimit(client, async () => {
    const blocks = await blocksOf(client, from.table);
    const deltas = new Map<number, number>();
    let rows = 0;
    for (let block = 0; block < blocks; block += BLOCKS_AT_ONCE) {
      const piece = [`(${block},0)`, `(${block + BLOCKS_AT_ONCE},0)`] as const;
      const lengths = await lengthsOf(client, from, piece);
      if (lengths === null) return null;
      for (const length of lengths)
        if (!deltas.has(length)) deltas.set(length, retaggedCrc(from.layoutTag, to.layoutTag, length));
      rows += await copyPiece(client, layout, { from, to }, piece, lengths, deltas);
      onCopied(rows);
    }
    return rows;
  });
}

async function blocksOf(client: pg.ClientBase, table: string): Promise<number> {
  const { rows } = await client.query<{ blocks: string }>(
    `SELECT (pg_relation_size('${stateTable(table)}'::regclass) / current_setting('block_size')::bigint)::text AS blocks`,
  );
  return Number(rows[0]?.blocks);
}

type Piece = readonly [first: string, end: string];

/** How long the states of a piece are; null where one is not a state of the table's layout, with a checksum. */
async function lengthsOf(client: pg.ClientBase, from: TaggedTable, piece: Piece): Promise<number[] | null> {
  const { rows } = await client.query<[number, boolean]>({
    text: `SELECT octet_length(state), bool_and(state_crc IS NOT NULL AND substring(state FROM 1 FOR ${HEADER_BYTES}) = $3)
      FROM ${stateTable(from.table)} WHERE ctid >= $1::tid AND ctid < $2::tid GROUP BY 1`,
    values: [...piece, stateHeader(from.layoutTag)],
    rowMode: 'array',
    types: postgresTypes,
  });
  return rows.every(([, isOwn]) => isOwn) ? rows.map(([length]) => length) : null;
}

async function copyPiece(
  client: pg.ClientBase,
  layout: ViewLayout,
  { from, to }: { readonly from: TaggedTable; readonly to: TaggedTable },
  piece: Piece,
  lengths: readonly number[],
  deltas: ReadonlyMap<number, number>,
): Promise<number> {
  const keys = keyColumns(layout);
  const { rowCount } = await client.query({
    text: `INSERT INTO ${stateTable(to.table)} (${keys}, seq, state, state_crc)
      SELECT ${keyColumns(layout, 's.')}, 0, overlay(s.state PLACING $3::bytea FROM 1), s.state_crc # d.delta
      FROM ${stateTable(from.table)} s JOIN unnest($4::int[], $5::int[]) AS d(length, delta) ON d.length = octet_length(s.state)
      WHERE s.ctid >= $1::tid AND s.ctid < $2::tid`,
    values: [...piece, stateHeader(to.layoutTag), lengths, lengths.map((length) => deltas.get(length)!)],
  });
  return rowCount ?? 0;
}
