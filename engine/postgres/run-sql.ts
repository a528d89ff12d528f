import type pg from 'pg';
import type { Queryable } from './queryable.ts';
import type { BoundSql } from './sql.ts';
import { postgresTypes } from './type-parsers.ts';

/** Sends a bound query; its rows are parsed by `postgresTypes`, whatever the pool's own parsers. */
export function runSql<Row extends pg.QueryResultRow>(
  on: Queryable,
  { text, values }: BoundSql,
): Promise<pg.QueryResult<Row>> {
  return on.query<Row>({ text, values: [...values], types: postgresTypes });
}
