import type { Queryable } from './queryable.ts';
import { stateTable } from './state-table.ts';
import { postgresTypes } from './type-parsers.ts';
import type { ViewVersion } from './view-versions.ts';

/** What the states of a version take on the disk, with their index, in bytes. */
export async function storedBytes(on: Queryable, { stateTable: table }: ViewVersion): Promise<number> {
  const { rows } = await on.query<[number]>({
    text: `SELECT pg_total_relation_size('${stateTable(table)}'::regclass)`,
    rowMode: 'array',
    types: postgresTypes,
  });
  return rows[0]?.[0] ?? 0;
}
