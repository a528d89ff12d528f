import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { stateTable, stateTableName } from '../../engine/postgres/state-table.ts';
import { sqlState } from '../../engine/postgres/postgres-error.ts';
import type { Queryable } from '../../engine/postgres/queryable.ts';
import { ident } from '../../engine/postgres/sql.ts';

const UNDEFINED_TABLE = '42P01';

/** The join keys of the first entities of a version by its primary key, as texts: however many there are, few are read. */
export async function entitySample(
  on: Queryable,
  view: string,
  version: number,
  keys: ViewLayout['keys'],
  limit: number,
): Promise<readonly (readonly (string | null)[])[]> {
  // Qualified: in ORDER BY a bare name is the text that is selected, which no index is of.
  const columns = keys.map(({ name }) => `states.${ident(name)}`);
  try {
    const { rows } = await on.query<(string | null)[]>({
      text: `SELECT ${columns.map((column) => `${column}::text`).join(', ')} FROM ${stateTable(stateTableName(view, version))} states ORDER BY ${columns.join(', ')} LIMIT $1`,
      values: [limit],
      rowMode: 'array',
    });
    return rows;
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  }
}
